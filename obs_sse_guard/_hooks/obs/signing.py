"""Hook the signing of URLs and forms, which are sent later, without the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._hooks.obs.arguments import Arguments, items, keys_as_values
from obs_sse_guard._hooks.obs.calls import describing_hook
from obs_sse_guard._hooks.obs.client import operation_of, request_context, upload_key
from obs_sse_guard._hooks.obs.methods import with_headers
from obs_sse_guard._policy.headers import parse_headers
from obs_sse_guard._policy.kms_uploads import kms_uploads
from obs_sse_guard._policy.request import KeyLocation
from obs_sse_guard._util.text import to_text
from obs_sse_guard.rules import Operation

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Args, Function, Kwargs
    from obs_sse_guard._policy.request import RequestContext

__all__ = ["post_signature_hook", "signed_url_hook"]


def signed_url_hook(_: str, function: Function) -> Function:
    """Make the hook of a function that signs URLs."""
    arguments = Arguments(function, "method", "bucketName", "objectKey", "specialParam", "headers", "queryParams")

    def describe(client: Any, given: Kwargs, _args: Args, _kwargs: Kwargs) -> RequestContext | None:
        get = given.get
        headers, query = get("headers"), get("queryParams")
        parameters = [get("specialParam"), *(parameter for parameter, _ in items(query))]
        method = to_text(get("method")).upper()
        operation = operation_of(client, method, get("bucketName"), get("objectKey"), parameters, items(headers, query))
        context = request_context(client, "createSignedUrl", operation, get("bucketName"))
        if operation == Operation.UPLOAD_PART.value and kms_uploads and not client.is_secure:
            upload_id = next((value for name, value in items(query) if to_text(name) == "uploadId"), "")
            context = context._replace(kms_upload=upload_key(client, get("bucketName"), upload_id) in kms_uploads)
        address = {name: get(name) for name in ("bucketName", "objectKey", "specialParam")}
        misplaced = keys_as_values(address, headers, query)
        return with_headers(context, parse_headers(items(headers), items(query)), misplaced)

    return describing_hook(describe, arguments, "createSignedUrl", function)


def post_signature_hook(_: str, function: Function) -> Function:
    """Make the hook of a function that signs POST policies."""
    arguments = Arguments(function, "bucketName", "objectKey", "formParams")

    def describe(client: Any, given: Kwargs, _args: Args, _kwargs: Kwargs) -> RequestContext | None:
        fields = given.pop("formParams", None)
        context = request_context(client, "createPostSignature", Operation.POST_OBJECT.value)
        return with_headers(context, parse_headers(items(fields)), keys_as_values(given, fields), KeyLocation.POLICY)

    return describing_hook(describe, arguments, "createPostSignature", function)
