"""The facts of aiobotocore, and of s3fs with it: botocore's, behind gates that await.

aiobotocore overrides each method of botocore that is hooked, so that none of those hooks ever
runs. And aiohttp follows redirects, unlike botocore, and sends a customer key again to wherever
they lead: each hop is judged where aiohttp begins it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement import enforce as _reaction
from obs_sse_guard._hooks.botocore import (
    SIGNED_POST,
    SIGNED_URL,
    Signing,
    advise,
    announced,
    call_facts,
    judge_url,
    learn,
    names_encryption,
    needs_a_look,
    post_facts,
    request_facts,
    signing,
    signing_facts,
)
from obs_sse_guard._hooks.installer import Target, expect
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., Any]

__all__ = ["AIOBOTOCORE", "TARGETS"]

AIOBOTOCORE = SDK("aiobotocore", advise)


def _call_gate(_: str, function: Function) -> Function:
    expect(function, "self operation_name api_params")

    async def gate(client: Any, operation_name: Any, api_params: Any) -> Any:
        if not needs_a_look(client, operation_name, api_params):
            return await function(client, operation_name, api_params)
        with announced(call_facts(AIOBOTOCORE, client, operation_name, api_params), client):
            answer = await function(client, operation_name, api_params)
        learn(AIOBOTOCORE, client, operation_name, api_params, answer)
        return answer

    return gate


# The endpoint and the URL of the request under way in this task, where a redirect of it must be looked at.
_watched: ContextVar[tuple[Any, Any] | None] = ContextVar("obs_sse_guard_watched", default=None)


def _send_gate(_: str, function: Function) -> Function:
    expect(function, "self request")

    async def gate(endpoint: Any, request: Any) -> Any:
        if not names_encryption(request):  # also over verified TLS: it may be redirected
            return await function(endpoint, request)
        facts = request_facts(AIOBOTOCORE, endpoint, request.method, request.url, request.headers)
        token = _watched.set((endpoint, request.url))
        try:
            with announced(facts, endpoint), _reaction.refusals() as refused:
                return await _unwrapped(function(endpoint, request), refused)
        finally:
            _watched.reset(token)

    return gate


async def _unwrapped(sending: Any, refused: Callable[[], BaseException | None]) -> Any:
    """Hand on the refusal of a hop as it is: the SDK would make an error of its own of it, and try again."""
    try:
        return await sending
    except Exception:
        refusal = refused()
        if refusal is not None:
            raise refusal from None
        raise


def _hop_gate(_: str, function: Function) -> Function:
    expect(function, "self method url")

    def gate(request: Any, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        watched = _watched.get()
        if watched is not None:
            endpoint, first_url = watched
            facts = request_facts(AIOBOTOCORE, endpoint, method, str(url), kwargs.get("headers"), first_url)
            if facts is not None:
                _reaction.react(facts)
        return function(request, method, url, *args, **kwargs)

    return gate


def _presign_gate(_: str, function: Function) -> Function:
    expect(function, "self request_dict operation_name")

    async def gate(signer: Any, request_dict: Any, operation_name: Any, *args: Any, **kwargs: Any) -> Any:
        who = Signing(AIOBOTOCORE, SIGNED_URL, operation_name)
        with signing(signing_facts(who, request_dict), who):
            url = await function(signer, request_dict, operation_name, *args, **kwargs)
            judge_url(who, url)
        return url

    return gate


def _post_gate(_: str, function: Function) -> Function:
    expect(function, "self request_dict fields conditions")

    async def gate(  # the SDK's parameters
        presigner: Any, request_dict: Any, fields: Any = None, conditions: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        who = Signing(AIOBOTOCORE, SIGNED_POST)
        with signing(post_facts(who, request_dict, fields, conditions), who):
            return await function(presigner, request_dict, fields, conditions, *args, **kwargs)

    return gate


TARGETS: tuple[Target, ...] = (
    Target("aiobotocore.client", "AioBaseClient._make_api_call", _call_gate),
    Target("aiobotocore.endpoint", "AioEndpoint._send", _send_gate),
    Target("aiobotocore.signers", "AioRequestSigner.generate_presigned_url", _presign_gate),
    Target("aiobotocore.signers", "AioS3PostPresigner.generate_presigned_post", _post_gate),
    # Of aiohttp itself, by the name that it has in aiobotocore: a process without aiobotocore is left alone.
    Target("aiobotocore.httpsession", "aiohttp.ClientRequest.__init__", _hop_gate),
)
"""Every place that is hooked in the SDK."""
