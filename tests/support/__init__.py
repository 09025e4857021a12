"""Test helpers: servers, calls of each SDK, independent rules, and the oracle."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The root of the project."""
