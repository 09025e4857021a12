"""Act on decisions: raise, log, write the audit file, count."""
