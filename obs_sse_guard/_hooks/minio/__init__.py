"""Hooks on minio-py."""
