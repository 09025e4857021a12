"""Engines that run work in processes of their own, with the guard in every worker: ``tox -e engines``."""
