"""Tests of the hooks of huaweicloudsdkobs."""
