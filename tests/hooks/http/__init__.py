"""Tests of the hooks on HTTP clients."""
