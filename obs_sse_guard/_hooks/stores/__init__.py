"""Hooks on native clients: obstore, polars, deltalake and lance.

They are written in Rust, on its crate ``object_store``, and no request of theirs passes through Python. What passes is
the options of a store. So a request is judged when its options are handed over, as what they would be used for.
"""
