"""Tests of `obs_sse_guard._cli.enable` and `obs_sse_guard._cli.disable`."""
