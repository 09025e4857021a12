"""Tests of the hooks of the AWS CRT."""
