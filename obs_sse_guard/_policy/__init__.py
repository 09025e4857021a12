"""Decide: what a request means, and what each policy does about it. Knows no SDK."""
