"""Read a store's endpoint and encryption from its options.

They are read as Rust's ``object_store`` reads them. Names have any letter case, and an optional prefix ``aws_``.
Environment variables with the prefix stand in for options that are not given. ``endpoint_url_s3`` takes precedence over
``endpoint``, wherever each of them is given. Headers that are given by name are sent with every request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from obs_sse_guard._policy.headers import NO_SSE_HEADERS, SSEHeaders, header_names, parse_headers
from obs_sse_guard.rules import Encryption

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["CONFIGURED", "StoreOptions", "gives_endpoint", "read_options"]

_S3_ENDPOINT, _ENDPOINT, _ENCRYPTION, _KEY = "endpoint_url_s3", "endpoint", "server_side_encryption", "customer key"
_KMS_KEY_ID, _PROXY, _UNVERIFIED = "sse_kms_key_id", "proxy_url", "allow_invalid_certificates"
HEADER = "headers."
"""The prefix of options that are headers, in exactly this spelling."""
_FIELDS = {
    "endpoint_url_s3": _S3_ENDPOINT,
    "endpoint": _ENDPOINT,
    "endpoint_url": _ENDPOINT,
    "server_side_encryption": _ENCRYPTION,
    "sse_customer_key_base64": _KEY,
    "sse_kms_key_id": _KMS_KEY_ID,
    "proxy_url": _PROXY,
    "allow_invalid_certificates": _UNVERIFIED,
}
"""What an option sets, by its name without the prefix; several may set the same."""

_ENCRYPTIONS = {
    "sse-c": Encryption.SSE_C,
    "aws:kms": Encryption.SSE_KMS,
    "aws:kms:dsse": Encryption.SSE_KMS,
    "AES256": Encryption.SSE_OBS,
}
_TRUE = frozenset(("1", "true", "on", "yes", "y"))
_PREFIX = "aws_"
CONFIGURED = "endpoint_url in the AWS configuration file"
"""The name of an endpoint that comes from there."""


class StoreOptions(NamedTuple):
    """What options and environment set for the requests of a store.

    Attributes:
        endpoint: the endpoint; empty for the service's own, which has HTTPS.
        origin: the name of the option or variable that sets it.
        headers: the encryption that the headers of the requests name.
        dropped: names of encryption options that are ignored without the right ``server_side_encryption``.
        proxy: the proxy that the options name.
        unverified: whether certificates are not verified.
    """

    endpoint: str = ""
    origin: str = ""
    headers: SSEHeaders = NO_SSE_HEADERS
    dropped: tuple[str, ...] = ()
    proxy: str = ""
    unverified: bool = False

    @property
    def secure(self) -> bool:
        """Whether the transport is TLS.

        The client itself may refuse plaintext, if ``allow_http`` is not set.
        """
        return not self.endpoint.lower().startswith("http:")


class _Setting(NamedTuple):
    name: str
    value: str


_Settings = dict[str, list[_Setting]]


def read_options(
    given: Iterable[tuple[object, object]],
    environment: Mapping[str, str],
    *,
    any_case: bool = False,
    s3_endpoint: bool = True,
    configured: str = "",
) -> StoreOptions:
    """Read the options of a store.

    Args:
        given: names and values of the options.
        environment: the variables of the process.
        any_case: whether the client also reads variables whose prefix is in lower case.
        s3_endpoint: whether it knows ``endpoint_url_s3``.
        configured: the endpoint that the client finds in the AWS configuration file.
    """
    found = _settings(given)
    named = [(str(name)[len(HEADER) :], value) for name, value in given if str(name).startswith(HEADER)]
    if configured and _ENDPOINT not in found:
        found[_ENDPOINT] = [_Setting(CONFIGURED, configured)]
    for field, settings in _settings(environment.items(), any_case=any_case, required=True).items():
        found.setdefault(field, settings)
    if not s3_endpoint:
        found.pop(_S3_ENDPOINT, None)
    endpoint = _endpoint(found)
    return StoreOptions(
        endpoint=endpoint.value,
        origin=endpoint.name,
        headers=parse_headers([*_sent(found), *named]),
        dropped=_dropped(found),
        proxy=_value(found, _PROXY),
        unverified=_value(found, _UNVERIFIED).lower() in _TRUE,
    )


def gives_endpoint(given: Iterable[tuple[object, object]]) -> bool:
    """Return whether the options set an endpoint."""
    return not {_S3_ENDPOINT, _ENDPOINT}.isdisjoint(_settings(given))


def _settings(pairs: Iterable[tuple[object, object]], *, any_case: bool = True, required: bool = False) -> _Settings:
    """Return the settings of each field.

    Args:
        pairs: names and values.
        any_case: whether the prefix may be in lower case. The rest of a name may be in any case.
        required: whether names need the prefix.
    """
    found: _Settings = {}
    for key, value in pairs:
        name = str(key)
        low = name.lower()
        short = low.removeprefix(_PREFIX)
        field = _FIELDS.get(short)
        is_read = (any_case or name.startswith(_PREFIX.upper())) and not (required and short == low)
        if field and is_read and value is not None and str(value):
            found.setdefault(field, []).append(_Setting(name, str(value)))
    return found


def _endpoint(found: _Settings) -> _Setting:
    """Return the endpoint; if it is set twice, a plaintext one.

    Clients differ in which of the two they use.
    """
    settings = found.get(_S3_ENDPOINT) or found.get(_ENDPOINT) or [_Setting("", "")]
    return next((setting for setting in settings if not StoreOptions(setting.value).secure), settings[0])


def _value(found: _Settings, field: str) -> str:
    return found[field][-1].value if field in found else ""


def _target(found: _Settings) -> Encryption:
    target = _ENCRYPTIONS.get(_value(found, _ENCRYPTION), Encryption.NONE)
    # Without the key the client raises an error of its own.
    return Encryption.NONE if target is Encryption.SSE_C and _KEY not in found else target


def _sent(found: _Settings) -> Iterator[tuple[str, str]]:
    """Yield the headers that the client sends for the options.

    Each has the value of the algorithm: no other value is copied.
    """
    for name in header_names(_target(found), Encryption.NONE, "x-amz-"):
        yield name, _value(found, _ENCRYPTION)


def _dropped(found: _Settings) -> tuple[str, ...]:
    named = _value(found, _ENCRYPTION)
    if named and named not in _ENCRYPTIONS:
        return ()  # the client raises an error of its own
    needed = {_KEY: Encryption.SSE_C, _KMS_KEY_ID: Encryption.SSE_KMS}
    ignored = [field for field, target in needed.items() if field in found and _ENCRYPTIONS.get(named) is not target]
    return tuple(setting.name for field in ignored for setting in found[field])
