"""Every place that is hooked in botocore."""

from __future__ import annotations

from obs_sse_guard._hooks.botocore.methods import method_hook
from obs_sse_guard._hooks.botocore.signing import (
    form_hook,
    form_signer_hook,
    url_hook,
    url_signer_hook,
)
from obs_sse_guard._hooks.botocore.wire import connection_hook, send_hook
from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.http.sessions import session_hook
from obs_sse_guard._hooks.log_records import record_hook

__all__ = ["TARGETS"]

TARGETS: tuple[Target, ...] = (
    Target("botocore.client", "BaseClient._make_api_call", method_hook),
    Target("botocore.endpoint", "Endpoint._send", send_hook),
    Target("botocore.awsrequest", "AWSConnection._send_output", connection_hook),
    Target("botocore.httpsession", "URLLib3Session.send", session_hook),
    Target("botocore.signers", "RequestSigner.generate_presigned_url", url_hook),
    Target("botocore.signers", "S3PostPresigner.generate_presigned_post", form_hook),
    # Only what the signers of URLs define themselves: they share the rest with those of ordinary requests.
    Target("botocore.auth", "HmacV1QueryAuth._inject_signature", url_signer_hook),
    Target("botocore.auth", "SigV4QueryAuth._modify_request_before_signing", url_signer_hook),
    Target("botocore.auth", "HmacV1PostAuth.add_auth", form_signer_hook),
    Target("botocore.auth", "S3SigV4PostAuth.add_auth", form_signer_hook),
    Target("botocore.auth", "S3ExpressQueryAuth._modify_request_before_signing", url_signer_hook, optional=True),
    Target("botocore.auth", "S3ExpressPostAuth.add_auth", form_signer_hook, optional=True),
    Target("botocore.crt.auth", "CrtSigV4QueryAuth._modify_request_before_signing", url_signer_hook),
    Target("botocore.crt.auth", "CrtSigV4AsymQueryAuth._modify_request_before_signing", url_signer_hook, optional=True),
    # The standard library's, by the name that it has in botocore: a process without botocore is left alone.
    Target("botocore.endpoint", "logging.Logger.makeRecord", record_hook),
)
"""Every place that is hooked in botocore."""
