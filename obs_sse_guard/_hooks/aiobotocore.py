"""Hook aiobotocore, and with it s3fs: the hooks of botocore, as coroutines.

aiobotocore overrides four of the methods that botocore's hooks are on; those have hooks of their own here. It shares
botocore's signers and loggers, and the hooks on these cover it. Unlike botocore, aiohttp follows redirects and sends a
customer key on to wherever they lead, so that each hop is checked as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obs_sse_guard._enforcement.enforce import enforce, enforcing
from obs_sse_guard._errors import SSETransportError
from obs_sse_guard._hooks.botocore import methods
from obs_sse_guard._hooks.botocore.advice import advise
from obs_sse_guard._hooks.botocore.responses import RECORDED, record_response, report_read
from obs_sse_guard._hooks.botocore.signing import enforcing_form, enforcing_request, signing_form, signing_url
from obs_sse_guard._hooks.botocore.wire import Hop, hop_of, may_carry_sse, request_context
from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.http.sessions import async_session_hook
from obs_sse_guard._hooks.installer import installer
from obs_sse_guard._hooks.parameters import expect_parameters
from obs_sse_guard._hooks.sending import Sending, sending
from obs_sse_guard._hooks.tls_gaps import mark_reported
from obs_sse_guard._policy.request import SDK

if TYPE_CHECKING:
    from obs_sse_guard._hooks.types import Function

__all__ = ["AIOBOTOCORE", "TARGETS"]

AIOBOTOCORE = SDK("aiobotocore", advise, installer.report_removed_hooks)


def _method_hook(_: str, function: Function) -> Function:
    expect_parameters(function, "self operation_name api_params")

    async def hook(client: Any, operation_name: Any, api_params: Any) -> Any:
        context = None
        if methods.may_carry_sse(client, operation_name, api_params):
            context = methods.call_context(AIOBOTOCORE, client, operation_name, api_params)
        if context is None:
            response = await function(client, operation_name, api_params)
        else:
            with enforcing(context) as reported:
                mark_reported(getattr(client, "_endpoint", None), context, reported)
                response = await function(client, operation_name, api_params)
        if operation_name in RECORDED:
            record_response(AIOBOTOCORE, client, operation_name, api_params, response)
        return response

    return hook


class _Sending(Sending):
    """This task's request, if it names encryption.

    Attributes:
        endpoint: the client's endpoint.
        url: where the request goes.
        refused: the refusals of redirects of it.
    """

    def __init__(self, endpoint: Any, url: Any) -> None:
        self.endpoint = endpoint
        self.url = url
        self.refused: list[SSETransportError] = []


def _send_hook(_: str, function: Function) -> Function:
    expect_parameters(function, "self request")

    async def hook(endpoint: Any, request: Any) -> Any:
        # Whatever the transport: a redirect may lead to another.
        response = await (_send(function, endpoint, request) if may_carry_sse(request) else function(endpoint, request))
        report_read(AIOBOTOCORE, endpoint, request, response)
        return response

    return hook


async def _send(function: Function, endpoint: Any, request: Any) -> Any:
    context = request_context(AIOBOTOCORE, endpoint, hop_of(request))
    current = _Sending(endpoint, getattr(request, "url", None))
    token = sending.set(current)
    try:
        if context is None:
            return await function(endpoint, request)
        with enforcing(context) as reported:
            mark_reported(endpoint, context, reported)
            return await function(endpoint, request)
    except Exception:
        if current.refused:  # the SDK has wrapped the refusal of a hop in an error of its own, and would try again
            raise current.refused.pop() from None  # taken out, for its traceback holds this frame
        raise
    finally:
        sending.reset(token)
        current.end()


def _hop_hook(_: str, function: Function) -> Function:
    expect_parameters(function, "self method url")

    def hook(request: Any, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        current = sending.get()
        if isinstance(current, _Sending) and _is_own(current, kwargs.get("session")):
            how = {"proxy": kwargs.get("proxy") or "", "verification": _verification(**kwargs)}
            hop = Hop(method, url, kwargs.get("headers"), current.url, **how)
            context = request_context(AIOBOTOCORE, current.endpoint, hop)
            if context is not None:
                try:
                    mark_reported(current.endpoint, context, enforce(context))
                except SSETransportError as error:
                    current.refused.append(error)
                    raise
                current.hops = (context,)
        return function(request, method, url, *args, **kwargs)

    return hook


def _is_own(current: _Sending, session: Any) -> bool:
    """Return whether an aiohttp session is that of the request in progress."""
    http_session = getattr(current.endpoint, "http_session", None)
    # Older releases have one session; an HTTP session of the application's own may have any.
    sessions = getattr(http_session, "_sessions", None) or {"": getattr(http_session, "_session", None)}
    own = [*sessions.values()]
    return not current.is_over and (session in own or own == [None])


def _verification(*, ssl: Any = None, session: Any = None, **_: Any) -> Any:
    """Return the TLS setting that applies: the request's own, else the connector's."""
    settings = (ssl, getattr(getattr(session, "connector", None), "_ssl", None))
    return next((setting for setting in settings if setting not in (None, True)), True)


def _url_hook(_: str, function: Function) -> Function:
    expect_parameters(function, "self request_dict operation_name")

    async def hook(signer: Any, request_dict: Any, operation_name: Any, *args: Any, **kwargs: Any) -> Any:
        signing = signing_url(AIOBOTOCORE, operation_name)
        with enforcing_request(signing, request_dict), signing:
            return signing.check(await function(signer, request_dict, operation_name, *args, **kwargs))

    return hook


def _form_hook(_: str, function: Function) -> Function:
    expect_parameters(function, "self request_dict fields conditions")

    async def hook(  # the SDK's parameters
        presigner: Any, request_dict: Any, fields: Any = None, conditions: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        signing = signing_form(AIOBOTOCORE)
        with enforcing_form(signing, request_dict, fields, conditions), signing:
            return await function(presigner, request_dict, fields, conditions, *args, **kwargs)

    return hook


TARGETS: tuple[Target, ...] = (
    Target("aiobotocore.client", "AioBaseClient._make_api_call", _method_hook),
    Target("aiobotocore.endpoint", "AioEndpoint._send", _send_hook),
    Target("aiobotocore.httpsession", "AIOHTTPSession.send", async_session_hook),
    Target("aiobotocore.httpxsession", "HttpxSession.send", async_session_hook, optional=True),
    Target("aiobotocore.signers", "AioRequestSigner.generate_presigned_url", _url_hook),
    Target("aiobotocore.signers", "AioS3PostPresigner.generate_presigned_post", _form_hook),
    # aiohttp's, by the name that it has in aiobotocore: a process without aiobotocore is left alone.
    Target("aiobotocore.httpsession", "aiohttp.ClientRequest.__init__", _hop_hook),
)
"""Every place that is hooked in aiobotocore."""
