"""Hooks on HTTP clients, for plaintext requests that no SDK hook has judged.

An HTTP client knows no operations, so no row of the rules applies to its requests: a customer key over plaintext is
``key-in-clear``, SSE-KMS alone is ``kms-in-clear``.
"""
