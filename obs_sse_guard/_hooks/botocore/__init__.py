"""Hooks on botocore, and with it on boto3 and s3transfer."""
