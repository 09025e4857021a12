"""Helpers of the tests: recording servers, calls of each SDK, an independent copy of the rules, and the oracle."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The root of the project."""
