"""Hook `BaseClient._make_api_call`, which every operation of every client calls.

The hook sees the parameters as the application passed them, before botocore does anything with them. A refusal is
raised as it is: botocore re-raises an `Exception` that it does not know, once and unchanged, while a `BaseException`
makes ``upload_file`` return as if it had succeeded.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.decision import is_reported
from obs_sse_guard._enforcement.enforce import enforcing
from obs_sse_guard._hooks.botocore.advice import BOTOCORE
from obs_sse_guard._hooks.botocore.client import (
    can_have_findings,
    is_https,
    is_s3,
    is_safe_transport,
    obs_operation,
    only_serialized,
    parse_endpoint,
    proxy_of,
    tls_gap,
    unjudged_call,
    upload_of,
)
from obs_sse_guard._hooks.botocore.responses import RECORDED, record_response
from obs_sse_guard._hooks.hook import judging
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._policy.headers import names_sse, parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import RequestContext
from obs_sse_guard._util.failure import attempt
from obs_sse_guard._util.weak import WeakNotes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from obs_sse_guard._hooks.types import Function, Items
    from obs_sse_guard._policy.headers import SSEHeaders
    from obs_sse_guard._policy.request import SDK

    Params = Mapping[str, Any]

__all__ = ["call_context", "may_carry_sse", "method_hook"]


def method_hook(_: str, function: Function) -> Function:
    """Make the hook of ``_make_api_call``."""
    expect_parameters(function, "self operation_name api_params")

    def hook(client: Any, operation_name: Any, api_params: Any) -> Any:
        context = None
        if may_carry_sse(client, operation_name, api_params):
            context = call_context(BOTOCORE, client, operation_name, api_params)
        if context is None:
            response = function(client, operation_name, api_params)
        else:
            with enforcing(context) as reported:
                mark_reported(getattr(client, "_endpoint", None), context, reported)
                response = function(client, operation_name, api_params)
        if operation_name in RECORDED:
            record_response(BOTOCORE, client, operation_name, api_params, response)
        return response

    return hook


# The parameters that most calls have, and no others. Not UploadId: of a part the record of uploads may know more.
_are_ordinary = frozenset((
    "Body", "Bucket", "ContentLength", "ContentMD5", "ContentType", "ContinuationToken", "Delimiter", "Key", "Prefix",
    "Range", "VersionId",
)).issuperset  # fmt: skip


def may_carry_sse(client: Any, operation: str, params: Params) -> bool:
    """Return whether a call needs a closer look; if in doubt, it does.

    The names of its parameters rule most calls out.
    """
    try:
        if _are_ordinary(params):
            return False
        names = "\n".join(params)
        if "Metadata" in names and names_sse(params.get("Metadata") or ()):
            return is_s3(client)  # a misplaced key matters over any transport
        if "SSE" not in names and "Encryption" not in names and not (operation == "UploadPart" and kms_uploads):
            return False
        if is_safe_transport(client._endpoint, client._endpoint.host):
            return False
    except Exception:  # noqa: BLE001, S110  # a custom client or custom parameters
        pass
    return is_s3(client)


@judging(lambda sdk, client, operation, _: unjudged_call(sdk, client, operation))
def call_context(sdk: SDK, client: Any, operation: str, params: Params) -> RequestContext | None:
    """Return the context of an S3 call, or ``None`` if there is nothing to judge."""
    endpoint, service = client._endpoint, client._service_model
    if only_serialized.get() or operation not in service.operation_names:  # botocore refuses an unknown one itself
        return None
    secure, model = is_https(endpoint.host), service.operation_model(operation)
    sse = _parse_params(model, params)
    kms_upload = not secure and operation == "UploadPart" and upload_of(client, params) in kms_uploads
    gap = tls_gap(endpoint, sse, secure=secure)
    if not can_have_findings(sse, secure=secure, exposed=bool(gap), kms_upload=kms_upload):
        return None
    host, port = parse_endpoint(endpoint.host)
    context = RequestContext(
        sdk=sdk,
        call=f"S3.{_snake_case(operation)}",
        operation=obs_operation(operation),
        secure=secure,
        host=host,
        port=port,
        proxy=proxy_of(endpoint, endpoint.host),
        target=sse.target,
        source=sse.source,
        key=sse.key_location(),
        key_ids=sse.key_ids,
        headers=sse.names,
        kms_upload=kms_upload,
        tls_gap=gap,
    )
    # Validation takes as long as all of the above: only for a call that is refused or reported.
    if not is_reported(context) or attempt(lambda: _is_invalid(client, model, params), default=False):
        return None
    return context


def _snake_case(operation: str) -> str:
    from botocore import xform_name  # noqa: PLC0415  # botocore calls us

    return str(xform_name(operation))


# --- what the parameters name -----------------------------------------------------------------

# By operation model, which lives as long as its client's class.
_carriers: WeakNotes[list[tuple[str, str]]] = WeakNotes()


def _parse_params(model: Any, params: Params) -> SSEHeaders:
    """Read the encryption that a call's parameters name, by way of their headers."""
    headers: Items = []
    for member, header in _carriers_of(model):
        value = params.get(member)
        if isinstance(value, dict):  # Metadata: a header for each entry
            headers.extend((f"{header}{name}", entry) for name, entry in value.items())
        elif value is not None:
            is_encoded = member.endswith("SSECustomerKey") and f"{member}MD5" not in params
            headers.append((header, _encoded(value) if is_encoded else value))
    return parse_headers(headers)


def _encoded(key: Any) -> Any:
    """Return a customer key as botocore encodes it if the MD5 is not given."""
    try:
        return b64encode(key.encode() if isinstance(key, str) else key).decode()
    except (TypeError, ValueError):  # botocore refuses it
        return key


def _carriers_of(model: Any) -> list[tuple[str, str]]:
    """Return an operation's parameters that may name encryption, with their headers."""
    carriers = _carriers.get(model)
    if carriers is None:
        carriers = list(_find_carriers(model.input_shape))
        _carriers.set(model, carriers)
    return carriers


def _find_carriers(shape: Any) -> Iterator[tuple[str, str]]:
    for member, inner in shape.members.items() if shape is not None else ():
        location, header = inner.serialization.get("location"), inner.serialization.get("name", member)
        if location == "headers" or (location == "header" and parse_headers([(header, "")]).names):
            yield member, header


# --- what botocore itself refuses ---------------------------------------------------------------


def _is_invalid(client: Any, model: Any, params: Params) -> bool:
    """Return whether botocore itself will reject the parameters before sending."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  # botocore calls us
    from botocore.handlers import validate_ascii_metadata, validate_bucket_name  # noqa: PLC0415
    from botocore.utils import S3ArnParamHandler  # noqa: PLC0415
    from botocore.validate import ParamValidator  # noqa: PLC0415

    # Event handlers turn these into text before botocore validates them.
    checked = {name: "text" if _becomes_text(name, params) else value for name, value in params.items()}
    if client.meta.config.parameter_validation and ParamValidator().validate(checked, model.input_shape).has_errors():
        return True
    try:
        validate_bucket_name(checked)
        validate_ascii_metadata(checked)
        S3ArnParamHandler().handle_arn(checked, model, {})
    except BotoCoreError:
        return True
    return False


def _becomes_text(name: str, params: Params) -> bool:
    if name.endswith("SSECustomerKey"):  # any buffer, unless its MD5 is given
        return f"{name}MD5" not in params and _is_buffer(params[name])
    return name == "CopySource" and isinstance(params[name], dict)


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    return True
