"""How each program stores and loads with SSE-C, as its documentation shows.

None of them is imported before it is needed. Everything else they read from the environment, as in production:
the credentials, the region, and the certificate authority.
"""

from __future__ import annotations

import base64
import json
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from tests.support.sse import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["CONTENT", "CUSTOMER", "PROGRAMS", "Place", "Program"]

NUMBERS = [*range(1000)]
CONTENT = bytes(range(256)) * 16
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}


class Place(NamedTuple):
    """Where to store: an endpoint, a bucket, and a folder for local files."""

    endpoint: str
    bucket: str
    folder: Path

    def url(self, name: str) -> str:
        """Return the URL of an object."""
        return f"s3://{self.bucket}/{name}"

    def file(self, name: str, content: bytes | None = None) -> Path:
        """Return the path of a local file, written if there is content."""
        path = self.folder / name
        if content is not None:
            path.write_bytes(content)
        return path


class Program(NamedTuple):
    """A program.

    Attributes:
        name: its distribution.
        store: stores something with SSE-C.
        load: loads it with SSE-C and returns it; missing where the program has no argument for the key.
        content: what ``load`` returns.
        needs: other distributions that it needs for this.
        logs: what logs the refusal, and raises an error that does not come from it.
    """

    name: str
    store: Callable[[Place], object]
    load: Callable[[Place], Any] | None
    content: Any = CONTENT
    needs: tuple[str, ...] = ()
    logs: Callable[[Place], Any] | None = None


# ------------------------------------------------------------------------------- through s3fs


def _s3fs_options(place: Place) -> dict[str, Any]:
    return {"endpoint_url": place.endpoint, "s3_additional_kwargs": CUSTOMER}


def _s3fs(place: Place) -> Any:
    return import_module("s3fs").S3FileSystem(**_s3fs_options(place))


def _frame() -> Any:
    return import_module("pandas").DataFrame({"number": NUMBERS})


def _pandas_store(place: Place) -> None:
    _frame().to_parquet(place.url("pandas.parquet"), storage_options=_s3fs_options(place))


def _pandas_load(place: Place) -> Any:
    read = import_module("pandas").read_parquet(place.url("pandas.parquet"), storage_options=_s3fs_options(place))
    return read["number"].tolist()


def _pyarrow_store(place: Place) -> None:
    table = import_module("pyarrow").table({"number": NUMBERS})
    import_module("pyarrow.parquet").write_table(table, f"{place.bucket}/arrow.parquet", filesystem=_s3fs(place))


def _pyarrow_load(place: Place) -> Any:
    parquet = import_module("pyarrow.parquet")
    return parquet.read_table(f"{place.bucket}/arrow.parquet", filesystem=_s3fs(place))["number"].to_pylist()


def _xarray_store(place: Place) -> None:
    data = import_module("xarray").Dataset({"number": ("index", NUMBERS)})
    data.to_zarr(place.url("data.zarr"), storage_options=_s3fs_options(place))


def _xarray_load(place: Place) -> Any:
    options = {"storage_options": _s3fs_options(place)}
    with import_module("xarray").open_zarr(place.url("data.zarr"), chunks=None, **options) as data:
        return data["number"].values.tolist()


def _dask_store(place: Place) -> None:
    frame = import_module("dask.dataframe").from_pandas(_frame(), npartitions=2)
    frame.to_parquet(place.url("dask"), storage_options=_s3fs_options(place))


def _dask_load(place: Place) -> Any:
    frame = import_module("dask.dataframe").read_parquet(place.url("dask"), storage_options=_s3fs_options(place))
    return frame["number"].compute().tolist()


def _dvc_repository(place: Place) -> Any:
    repo = import_module("dvc.repo").Repo
    if not place.file(".dvc").exists():
        repo.init(str(place.folder), no_scm=True)
    with repo(str(place.folder)) as made, made.config.edit() as config:
        config["core"].update(analytics=False, remote="store")
        config["remote"]["store"] = {
            "url": place.url("dvc"),
            "endpointurl": place.endpoint,
            "sse_customer_algorithm": "AES256",
            "sse_customer_key": base64.b64encode(KEY.encode()).decode(),
        }
    return repo(str(place.folder))


def _dvc_store(place: Place) -> None:
    with _dvc_repository(place) as repo:
        repo.add(str(place.file("data", CONTENT)))
        repo.push()


def _dvc_load(place: Place) -> bytes:
    with _dvc_repository(place) as repo:
        repo.cache.local.clear()
        repo.pull(force=True)
    return place.file("data").read_bytes()


# ------------------------------------------------------------------------------- through boto3


def _smart_open(place: Place, mode: str) -> Any:
    calls = ("create_multipart_upload", "upload_part", "complete_multipart_upload", "get_object", "head_object")
    arguments: dict[str, Any] = {f"S3.Client.{call}": CUSTOMER for call in calls}
    arguments["S3.Client"] = {"endpoint_url": place.endpoint}
    return import_module("smart_open").open(place.url("smart"), mode, transport_params={"client_kwargs": arguments})


def _smart_open_store(place: Place) -> None:
    with _smart_open(place, "wb") as stream:
        stream.write(CONTENT)


def _smart_open_load(place: Place) -> Any:
    with _smart_open(place, "rb") as stream:
        return stream.read()


def _django_storage(place: Place) -> Any:
    settings = import_module("django.conf").settings
    if not settings.configured:
        settings.configure()
    return import_module("storages.backends.s3").S3Storage(
        bucket_name=place.bucket, endpoint_url=place.endpoint, object_parameters=CUSTOMER
    )


def _django_store(place: Place) -> None:
    content = import_module("django.core.files.base").ContentFile(CONTENT)
    _django_storage(place).save("django", content)


def _django_load(place: Place) -> Any:
    with _django_storage(place).open("django") as stream:
        return stream.read()


def _airflow_hook(place: Place) -> Any:
    os.environ["AIRFLOW_CONN_STORE"] = json.dumps({"conn_type": "aws", "extra": {"endpoint_url": place.endpoint}})
    hook = import_module("airflow.providers.amazon.aws.hooks.s3").S3Hook
    return hook(aws_conn_id="store", extra_args=CUSTOMER)


def _airflow_store(place: Place) -> None:
    _airflow_hook(place).load_bytes(CONTENT, "airflow", place.bucket)


def _airflow_load(place: Place) -> bytes:
    hook = _airflow_hook(place)
    return place.file(hook.download_file("airflow", place.bucket, str(place.folder))).read_bytes()


def _mlflow_store(place: Place) -> None:
    environment = {"MLFLOW_S3_ENDPOINT_URL": place.endpoint, "MLFLOW_S3_UPLOAD_EXTRA_ARGS": json.dumps(CUSTOMER)}
    with mock.patch.dict(os.environ, environment):
        repository = import_module("mlflow.store.artifact.artifact_repository_registry").get_artifact_repository
        repository(place.url("mlflow")).log_artifact(str(place.file("artifact", CONTENT)))


def _awswrangler(place: Place) -> Any:
    wrangler = import_module("awswrangler")
    wrangler.config.s3_endpoint_url = place.endpoint
    return wrangler.s3


def _awswrangler_store(place: Place) -> None:
    _awswrangler(place).to_parquet(_frame(), place.url("wrangler.parquet"), s3_additional_kwargs=CUSTOMER)


def _awswrangler_load(place: Place) -> Any:
    read = _awswrangler(place).read_parquet(place.url("wrangler.parquet"), s3_additional_kwargs=CUSTOMER)
    return read["number"].tolist()


def _cloudpathlib(place: Place) -> Any:
    client = import_module("cloudpathlib").S3Client(
        endpoint_url=place.endpoint, extra_args=CUSTOMER, local_cache_dir=place.file("cache")
    )
    return client.CloudPath(place.url("cloudpath"))


def _cloudpathlib_store(place: Place) -> None:
    _cloudpathlib(place).write_bytes(CONTENT)


def _cloudpathlib_load(place: Place) -> Any:
    return _cloudpathlib(place).read_bytes()


# -------------------------------------------------------------------------------- native


def _polars_options(place: Place) -> dict[str, str]:
    return {
        "aws_endpoint_url": place.endpoint,
        "aws_allow_http": "true",
        "aws_server_side_encryption": "sse-c",
        "aws_sse_customer_key_base64": base64.b64encode(KEY.encode()).decode(),
    }


def _polars_store(place: Place) -> None:
    frame = import_module("polars").DataFrame({"number": NUMBERS})
    frame.write_parquet(place.url("polars.parquet"), storage_options=_polars_options(place))


def _polars_load(place: Place) -> Any:
    read = import_module("polars").read_parquet(place.url("polars.parquet"), storage_options=_polars_options(place))
    return read["number"].to_list()


PROGRAMS: tuple[Program, ...] = (
    Program("pandas", _pandas_store, _pandas_load, NUMBERS, ("pyarrow", "s3fs")),
    Program("polars", _polars_store, _polars_load, NUMBERS),
    Program("pyarrow", _pyarrow_store, _pyarrow_load, NUMBERS, ("s3fs",)),
    Program("xarray", _xarray_store, _xarray_load, NUMBERS, ("s3fs", "zarr")),
    Program("dask", _dask_store, _dask_load, NUMBERS, ("pandas", "pyarrow", "s3fs")),
    Program("smart-open", _smart_open_store, _smart_open_load),
    Program("django-storages", _django_store, _django_load),
    Program("apache-airflow-providers-amazon", _airflow_store, _airflow_load),
    Program("mlflow-skinny", _mlflow_store, None),
    Program("dvc-s3", _dvc_store, _dvc_load, logs=_dvc_load),
    Program("awswrangler", _awswrangler_store, _awswrangler_load, NUMBERS),
    Program("cloudpathlib", _cloudpathlib_store, _cloudpathlib_load),
)
