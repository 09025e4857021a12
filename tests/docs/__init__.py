"""Tests of the documentation: examples run, and names are complete and correct."""
