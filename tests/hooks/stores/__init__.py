"""Tests of the hooks on native clients."""
