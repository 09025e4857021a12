"""The hooks on minio-py."""
