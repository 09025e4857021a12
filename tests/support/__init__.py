"""What the tests share: servers that record, calls of each SDK, the independent copy of the rules, and the oracle."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project's root."""
