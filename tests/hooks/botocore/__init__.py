"""Tests of the hooks of botocore, boto3 and s3transfer."""
