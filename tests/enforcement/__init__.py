"""Tests of the error, the log, the audit file and the telemetry."""
