"""Tests of the hooks of minio-py."""
