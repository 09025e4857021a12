"""Tests of the documentation: its examples run, and it names everything that exists and nothing else."""
