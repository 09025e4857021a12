"""Engines of docs/engines.md: what guards their workers, and what examples need."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ENGINES", "Engine"]


class Engine(NamedTuple):
    """An engine, by the heading of its section.

    Attributes:
        heading: the heading of its section.
        own: the text that guards every worker, wherever it stands in the section. Without it the workers are unguarded.
        versions: its distributions, the versions of which the page states.
        ports: what its examples listen on, the numbers as on the page.
        variables: what is in the environment of its examples, beside the page; ``FOLDER`` is that of the programs.
    """

    heading: str
    own: tuple[str, ...]
    versions: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


IMPORT = "import obs_sse_guard\n"

ENGINES = (
    Engine("multiprocessing", (IMPORT, ", initializer=obs_sse_guard.install")),
    Engine("ProcessPoolExecutor", (IMPORT, ", initializer=obs_sse_guard.install")),
    Engine("joblib", (IMPORT, ", initializer=obs_sse_guard.install"), ("joblib",)),
    Engine(
        "Celery",
        (
            IMPORT,
            " --include obs_sse_guard",
        ),
        ("celery", "gevent"),
    ),
    Engine("gunicorn", (" -c python:obs_sse_guard",), ("gunicorn", "gevent"), ("8000",)),
    Engine("uvicorn", (IMPORT,), ("uvicorn",), ("8000",)),
    Engine("RQ", (" -c obs_sse_guard",), ("rq", "fakeredis"), ("6379",)),
    Engine("pytest-xdist", (" -p obs_sse_guard",), ("pytest-xdist",)),
    Engine(
        "Dask",
        (" --preload obs_sse_guard", "DASK_DISTRIBUTED__WORKER__PRELOAD='[\"obs_sse_guard\"]' "),
        ("distributed",),
        ("8786",),
    ),
    Engine(
        "Ray",
        (
            "RAY_RUNTIME_ENV_HOOK=obs_sse_guard.engines.ray.guard_workers ",
            ', runtime_env={"worker_process_setup_hook": "obs_sse_guard.install"}',
        ),
        ("ray",),
    ),
    Engine(
        "PySpark",
        (" --conf spark.python.daemon.module=obs_sse_guard.engines.spark_daemon",),
        ("pyspark", "pandas", "pyarrow"),
        ("7077", "8080", "8081"),
    ),
    Engine(
        "Airflow",
        (IMPORT,),
        ("apache-airflow",),
        ("8080",),
        (
            ("AIRFLOW_HOME", "FOLDER"),
            ("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080"),
            ("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "False"),
            ("AIRFLOW__CORE__DAGS_FOLDER", "FOLDER"),
            ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:8080/execution/"),
            ("AIRFLOW__CORE__LOAD_EXAMPLES", "False"),
            ("AIRFLOW__CORE__PARALLELISM", "2"),
        ),
    ),
)
