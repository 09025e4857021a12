"""Hooks on HTTP clients, for plaintext only: the requests that no hook on an SDK has judged.

A client of HTTP knows no operations, so no row of the rules applies to its requests: a customer key over plaintext is
``key-in-clear``, SSE-KMS alone is ``kms-in-clear``.
"""
