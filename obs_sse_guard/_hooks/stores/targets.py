"""Every place that is hooked in the native clients.

Public functions are not hooked, only classes and the private functions that public ones call. So functions that an
application imported earlier are covered, and can still be pickled.
"""

from __future__ import annotations

from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.stores.advice import DELTALAKE, LANCE
from obs_sse_guard._hooks.stores.calls import (
    hands_over,
    http_store_hook,
    polars_hook,
    sql_hook,
    store_hook,
    takes_options,
    write_dataset_hook,
)
from obs_sse_guard.rules import Operation

__all__ = ["TARGETS"]

_BUILDER = "_init_credential_provider_builder"
_IMPORT_THE_BUILDER = (
    "io._expand_paths", "io.csv.functions", "io.iceberg._plugin", "io.ipc.functions", "io.lines", "io.ndjson",
)  # fmt: skip
"""The modules of polars that have it under the same name."""

TARGETS: tuple[Target, ...] = (
    Target("deltalake.table", "DeltaTable.*", hands_over(DELTALAKE, "deltalake.DeltaTable.*"), select=takes_options),
    Target("deltalake.table", "_create_deltalake", hands_over(DELTALAKE, "deltalake.DeltaTable.create")),
    Target("deltalake.writer.writer", "write_deltalake_rust", hands_over(DELTALAKE, "deltalake.write_deltalake")),
    Target(
        "deltalake.writer.convert_to", "_convert_to_deltalake", hands_over(DELTALAKE, "deltalake.convert_to_deltalake")
    ),
    Target(
        "deltalake.transaction",
        "_create_table_with_add_actions",
        hands_over(DELTALAKE, "deltalake.transaction.create_table_with_add_actions"),
    ),
    Target(
        "deltalake.fs._base_handler",
        "BaseDeltaStorageHandler.__init__",
        hands_over(DELTALAKE, "deltalake.fs.DeltaStorageHandler"),
        optional=True,
    ),
    Target("lance.dataset", "LanceDataset.*", hands_over(LANCE, "lance.LanceDataset.*"), select=takes_options),
    Target("lance.dataset", "_write_dataset", write_dataset_hook),
    Target("lance.fragment", "LanceFragment.*", hands_over(LANCE, "lance.LanceFragment.*"), select=takes_options),
    Target("lance.fragment", "_write_fragments", hands_over(LANCE, "lance.fragment.write_fragments")),
    Target("lance.fragment", "_write_fragments_transaction", hands_over(LANCE, "lance.fragment.write_fragments")),
    Target(
        "lance.file", "LanceFileReader.__init__", hands_over(LANCE, "lance.file.LanceFileReader", Operation.GET_OBJECT)
    ),
    Target("lance.file", "LanceFileSession.__init__", hands_over(LANCE, "lance.file.LanceFileSession"), optional=True),
    Target("lance.file", "LanceFileWriter.__init__", hands_over(LANCE, "lance.file.LanceFileWriter")),
    Target("obstore.store", "HTTPStore.__new__", http_store_hook, inherited=True),
    Target("obstore.store", "S3Store.__new__", store_hook, inherited=True),
    Target("polars.io.cloud.credential_provider._builder", _BUILDER, polars_hook),
    # Required, though it is only another name: that module is in every release, so that one without the function shows.
    Target("polars.io.parquet.functions", _BUILDER, polars_hook),
    Target("polars.sql.context", "SQLContext.execute", sql_hook),
    *(Target(f"polars.{module}", _BUILDER, polars_hook, optional=True) for module in _IMPORT_THE_BUILDER),
)
"""Every hooked function and class."""
