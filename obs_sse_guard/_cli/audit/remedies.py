"""What a finding of an audit file means, and how to fix it, in the words of the SDK that made the call."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from obs_sse_guard._hooks.aiobotocore import AIOBOTOCORE
from obs_sse_guard._hooks.botocore.advice import BOTOCORE
from obs_sse_guard._hooks.http.advice import AIOHTTP, HTTP_CLIENT, HTTPX
from obs_sse_guard._hooks.huaweicloud.advice import HUAWEICLOUD
from obs_sse_guard._hooks.minio.advice import MINIO
from obs_sse_guard._hooks.obs.advice import ESDK
from obs_sse_guard._hooks.stores.advice import DELTALAKE, LANCE, OBSTORE, POLARS
from obs_sse_guard._policy.findings import CATALOGUE, TRUSTED_HOST
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard._util.failure import attempt
from obs_sse_guard.rules import RULES, SSE_OBS_RULES

__all__ = ["meaning", "remedy"]

_MEANINGS = {
    **{rule.id: rule.text for rule in (*RULES, *SSE_OBS_RULES)},
    **{name: kind.why for name, kind in CATALOGUE.items()},
    TRUSTED_HOST.id: TRUSTED_HOST.why,
}

_STORES = tuple(client.sdk for client in (DELTALAKE, LANCE, OBSTORE, POLARS))
_SDKS = {
    sdk.name: sdk for sdk in (AIOBOTOCORE, AIOHTTP, BOTOCORE, ESDK, HTTPX, HTTP_CLIENT, HUAWEICLOUD, MINIO, *_STORES)
}
# Where the http of each SDK may come from. The environment and the files of this machine say nothing about it.
_ORIGINS = {
    AIOBOTOCORE.name: "comes from endpoint_url= or use_ssl=False",
    BOTOCORE.name: "comes from endpoint_url= or use_ssl=False",
    **{sdk.name: "the options or the environment" for sdk in _STORES},
}


def meaning(rule: str) -> str:
    """Return what the id of a rule or finding means; empty if this release does not know it."""
    return _MEANINGS.get(rule, "")


def remedy(place: dict[str, Any]) -> str:
    """Return how to fix what was found at a place.

    Args:
        place: a row with ``rule``, ``operation``, ``endpoint`` and ``sdk``.
    """
    if place["rule"] == TRUSTED_HOST.id:
        return "none if the trust is intended"
    # The row may come from another release of the guard, or from a file that it did not write.
    return attempt(lambda: _advice(place), f"obs-sse-guard explain {place['rule']}")


def _advice(place: dict[str, Any]) -> str:
    sdk, url = _SDKS[place["sdk"]], urlsplit(place["endpoint"])
    context = RequestContext(
        sdk=sdk,
        call="",
        operation=place["operation"],
        secure=url.scheme == "https",
        host=url.hostname or "",
        origin=_ORIGINS.get(sdk.name, ""),
    )
    return sdk.advise(context, place["rule"])
