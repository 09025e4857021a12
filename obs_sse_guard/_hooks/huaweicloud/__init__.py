"""Hooks on huaweicloudsdkobs, of Huawei Cloud's SDK v3, and on the core that sends its requests.

Every service of Huawei Cloud uses the same core. Only requests of OBS clients are judged.
"""
