"""Small helpers that know nothing of encryption."""
