"""Tests of the hooks of aiobotocore and s3fs."""
