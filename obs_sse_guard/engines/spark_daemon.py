"""Guard every Python worker of Spark's executors.

Set ``spark.python.daemon.module=obs_sse_guard.engines.spark_daemon``. An executor starts this module, and its package
with it, which installs the hooks. What runs then is PySpark's own daemon: it forks the workers.
"""

from __future__ import annotations

import importlib

if __name__ == "__main__":
    importlib.import_module("pyspark.daemon").manager()
