"""Engines with worker processes, and the guard in each: ``tox -e engines``."""
