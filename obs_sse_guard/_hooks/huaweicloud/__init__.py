"""Hooks on huaweicloudsdkobs, of Huawei Cloud's SDK v3, and on the SDK's core.

The core sends the requests of every service of Huawei Cloud. Only those of OBS clients are judged.
"""
