"""Tests of the hooks of esdk-obs-python."""
