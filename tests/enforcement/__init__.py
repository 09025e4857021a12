"""Tests of what is raised, logged, written and counted."""
