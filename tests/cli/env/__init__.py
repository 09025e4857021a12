"""Tests of `obs_sse_guard._cli.env`."""
