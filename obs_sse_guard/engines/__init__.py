"""Integrations that guard the workers of Ray and Spark. See docs/engines.md."""
