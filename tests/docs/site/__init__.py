"""Tests of the built site. `tox -e docs` builds it and runs them."""
