"""The fixes of gaps that attacks on the guard found, and how to revert each: data for `tests.evidence.reverts`."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FIXES", "Fix"]


class Fix(NamedTuple):
    """One fix, and how to revert it.

    Attributes:
        name: what the fix achieves.
        file: its file, in ``obs_sse_guard/``.
        text: a text that occurs once in the file.
        reverted: what takes its place.
        test: a test that fails then, in ``tests/``.
    """

    name: str
    file: str
    text: str
    reverted: str
    test: str


FIXES: tuple[Fix, ...] = (
    # Hooks that are missing.
    Fix(
        "a replaced method is no hook, whatever its closure holds",
        "_hooks/hook.py",
        "if name in (_names(function) or ()):",
        "if function is None or name in (_names(function) or ()):",
        "hooks/test_foreign_wrappers.py::test_a_replaced_method_is_reported_off_and_can_be_hooked",
    ),
    Fix(
        "a hook that cannot be removed spares the rest",
        "_hooks/installer.py",
        "    except Exception:  # noqa: BLE001  # one attribute that cannot be set must not spare the rest",
        "    except ZeroDivisionError:",
        "hooks/test_foreign_wrappers.py::test_a_hook_that_cannot_be_removed_spares_the_rest",
    ),
    Fix(
        "an import finder that is removed warns",
        "_hooks/imports.py",
        "self._finder = weakref.ref(finder, self._warn_of_removal)",
        "self._finder = weakref.ref(finder)",
        "hooks/test_import_order.py::test_a_finder_that_is_removed_warns_and_install_restores_it",
    ),
    Fix(
        "an SDK that is reloaded warns",
        "_hooks/imports.py",
        "elif name in self._modules and reloaded is not None:",
        "elif False:",
        "hooks/test_import_order.py::test_reloaded_classes_are_reported_off_and_can_be_hooked_again",
    ),
    Fix(
        "an import finder that is removed shows in status()",
        "_hooks/installer.py",
        'return "pending" if self._watcher.is_watching() else "off"',
        'return "pending"',
        "hooks/test_import_order.py::test_a_finder_that_is_removed_warns_and_install_restores_it",
    ),
    Fix(
        "wrapt's import finder is restored",
        "_hooks/imports.py",
        "sys.meta_path.insert((self._position() or 0) + 1, finder())",
        "pass",
        "hooks/test_import_order.py::test_wrapts_finder_is_restored_with_ours",
    ),
    Fix(
        "an SDK that another import finder found is hooked at the next import",
        "_hooks/imports.py",
        "missed = {name: sys.modules[name] for name in self.missed()}",
        "missed = {name: sys.modules[name] for name in ()}",
        "hooks/test_import_order.py::test_an_sdk_that_another_finder_found_is_hooked_at_the_next_import",
    ),
    Fix(
        "a guard that is imported anew raises the class of before",
        "_errors.py",
        "            return earlier  # type: ignore[no-any-return]",
        "            continue",
        "hooks/test_import_order.py::test_the_guard_imported_anew_raises_the_class_that_was_imported_before",
    ),
    Fix(
        "a guard that is imported anew removes the hooks of before",
        "_hooks/installer.py",
        "        retire, _ = copies[-1]\n        retire()",
        "        pass",
        "hooks/test_import_order.py::test_an_earlier_copys_hook_under_another_wrapper_becomes_inactive",
    ),
    # What the guard fails to judge.
    Fix(
        "ObsClient: a proxy that cannot be looked up is unknown",
        "_hooks/obs/client.py",
        "return attempt(lambda: _proxy(client, bucket, redirect, secure=secure), UNKNOWN_PROXY)",
        "return _proxy(client, bucket, redirect, secure=secure)",
        "hooks/obs/test_guard_failures.py::test_an_unknown_proxy_disables_no_rule",
    ),
    Fix(
        "botocore: a proxy that cannot be looked up is unknown",
        "_hooks/botocore/client.py",
        "return attempt(lambda: _proxy_of(endpoint, url), UNKNOWN_PROXY)",
        "return _proxy_of(endpoint, url)",
        "hooks/botocore/test_guard_failures.py::test_an_endpoint_without_a_session_of_botocore_is_judged",
    ),
    Fix(
        "botocore: a proxy without a host is unknown",
        "_hooks/botocore/client.py",
        "parse_address(proxy).host or UNKNOWN_PROXY",
        "parse_address(proxy).host",
        "hooks/botocore/test_guard_failures.py::test_an_unknown_proxy_disables_no_rule",
    ),
    Fix(
        "a request that cannot be judged is reported",
        "_hooks/hook.py",
        "return fallback(*args, **kwargs)._replace(failure=describe_failure())",
        "return None",
        "hooks/botocore/test_guard_failures.py::test_if_both_hooks_fail_the_call_is_reported_and_goes_through",
    ),
    Fix(
        "ObsClient: the strict policy refuses what cannot be judged",
        "_policy/findings.py",
        "    if context.secure or context.answered:\n        return found._replace",
        "    if found:\n        return found._replace",
        "hooks/obs/test_guard_failures.py::test_the_strict_policy_refuses_what_cannot_be_judged_over_plaintext",
    ),
    Fix(
        "a request on which the decision fails is reported",
        "_enforcement/decision.py",
        "    except Exception:  # noqa: BLE001  # a bug of ours must break neither a permitted call nor a refusal",
        "    except ZeroDivisionError:",
        "enforcement/test_enforce.py::test_a_request_that_no_decision_can_be_made_about_cannot_be_judged",
    ),
    Fix(
        "failures of the guard are logged again",
        "_enforcement/log.py",
        "    if not count:\n        return\n    repeated",
        "    if count != 1:\n        return\n    repeated",
        "enforcement/test_enforce.py::test_a_failure_is_logged_ever_more_rarely",
    ),
    # The command line.
    Fix(
        "run: a bare python is this interpreter",
        "_cli/run.py",
        'if words and words[0].removesuffix(".exe") in _THIS_PYTHON:',
        "if not words:",
        "cli/run/test_run.py::test_a_bare_python_is_this_one",
    ),
    Fix(
        "run: an option in the first line of a script is named",
        "_cli/run.py",
        'if first.startswith(b"#!") else []',
        "if False else []",
        "cli/run/test_run.py::test_an_option_in_the_first_line_of_a_script_is_named",
    ),
    Fix(
        "run --require: a Python without the guard does not run",
        "_bootstrap/sitecustomize.py",
        'if "_OBS_SSE_GUARD_REQUIRE" in os.environ:',
        'if "" in os.environ:',
        "cli/run/test_run.py::test_with_require_no_python_runs_without_the_guard_further_down",
    ),
    Fix(
        "doctor: an SDK without its dependency is no gap",
        "_cli/doctor/inspection.py",
        'return Module(name, UNUSABLE, f"{missing} is not installed") if missing else _failed(name, error)',
        "return _failed(name, error)",
        "cli/doctor/test_doctor.py::test_an_sdk_without_its_dependency_is_no_gap_beside_a_guarded_one",
    ),
    Fix(
        "doctor: trust in public hosts is not protected",
        "_policy/settings.py",
        "problems.append(_problem(_PUBLIC_ENTRY.format(part.strip(), public), exposes=True))",
        "problems.append(_problem(_PUBLIC_ENTRY.format(part.strip(), public), exposes=False))",
        "cli/doctor/test_doctor.py::test_trust_in_hosts_of_others_is_not_protected",
    ),
    # TLS as it is.
    Fix(
        "ObsClient: the context that is used decides whether TLS verifies",
        "_hooks/obs/client.py",
        "return unreported_context_gap(client, context)",
        'return unreported_gap(client, "unverified-host" if client.ssl_verify else "unverified-tls")',
        "hooks/obs/test_unverified_tls.py::test_a_context_that_verifies_nothing_is_a_finding_whatever_ssl_verify_says",
    ),
    Fix(
        "ObsClient: a pooled connection is judged by its own context",
        "_hooks/obs/wire.py",
        "is_judged = kind is HTTPSConnection and connection._context is client.context",
        "is_judged = kind is HTTPSConnection",
        "hooks/obs/test_unverified_tls.py::test_a_pooled_connection_is_judged_by_its_own_context",
    ),
    Fix(
        "botocore: the connection that is used decides whether TLS verifies",
        "_hooks/botocore/wire.py",
        'verified = False if forwards else getattr(connection, "is_verified", None)',
        "verified = not forwards",
        "hooks/botocore/test_connections.py::test_verification_that_another_library_removed",
    ),
    Fix(
        "botocore: a plaintext connection for an https URL is plaintext",
        "_hooks/botocore/wire.py",
        "secure = _is_tls(connection)",
        "secure = True",
        "hooks/botocore/test_connections.py::test_a_plaintext_connection_for_an_https_url",
    ),
    Fix(
        "botocore: the socket of a connection decides whether it is TLS",
        "_hooks/botocore/wire.py",
        'return hasattr(connection.sock, "getpeercert")',
        "return connection.default_port == HTTPS_PORT",
        "hooks/botocore/test_connections.py::test_a_tls_connection_whose_socket_is_plaintext",
    ),
    Fix(
        "aiobotocore: the connector decides whether TLS verifies",
        "_hooks/aiobotocore.py",
        '"verification": _verification(**kwargs)}',
        '"verification": None}',
        "hooks/aiobotocore/test_tls_contexts.py::test_a_connector_that_verifies_nothing",
    ),
    Fix(
        "a TLS context that does not check the host name is reported",
        "_hooks/tls_gaps.py",
        'return "" if context.check_hostname else "unverified-host"',
        'return ""',
        "hooks/aiobotocore/test_tls_contexts.py::test_a_context_that_does_not_check_the_host",
    ),
    # Keys that leave.
    Fix(
        "botocore: a key that an event handler adds to metadata is refused over HTTPS",
        "_hooks/botocore/wire.py",
        "if not safe or _misplaces_key(request):",
        "if not safe:",
        "hooks/botocore/test_event_handlers.py::test_a_key_that_a_handler_adds_to_metadata_is_misplaced",
    ),
    Fix(
        "botocore: a key that an event handler adds to the URL is refused over HTTPS",
        "_hooks/botocore/client.py",
        "misplaced = sse.key_in_metadata or sse.key_in_query",
        "misplaced = sse.key_in_metadata",
        "hooks/botocore/test_event_handlers.py::test_a_key_that_a_handler_writes_into_the_url",
    ),
    Fix(
        "botocore: a key in any buffer is refused before the body is read",
        "_hooks/botocore/methods.py",
        "and _is_buffer(params[name])",
        "and isinstance(params[name], bytes)",
        "hooks/botocore/test_parameter_validation.py::test_a_key_of_any_type_is_refused_before_the_body_is_read",
    ),
    Fix(
        "aiobotocore: a redirect is judged by the proxy that it goes through",
        "_hooks/aiobotocore.py",
        '"proxy": kwargs.get("proxy") or "",',
        '"proxy": None,',
        "hooks/aiobotocore/test_redirects.py::test_a_redirect_goes_through_the_proxy_of_the_first_request",
    ),
    Fix(
        "botocore: a URL for a part of an SSE-KMS upload is not signed for HTTP",
        "_hooks/botocore/signing.py",
        "kms_upload = operation == Operation.UPLOAD_PART.value and",
        "kms_upload = not operation and",
        "hooks/botocore/test_kms_uploads.py::test_a_url_for_a_part_of_a_kms_upload_is_refused_over_http",
    ),
    Fix(
        "botocore: read-in-clear after an event handler has led to HTTP",
        "_hooks/botocore/wire.py",
        "        if not safe:\n            report_read",
        "        if not is_https(endpoint.host):\n            report_read",
        "hooks/botocore/test_read_in_clear.py::test_read_in_clear_where_a_handler_led_to_http",
    ),
    Fix(
        "CRT: the request decides about the operation, and not a name",
        "_hooks/crt.py",
        "operation = operation_of(request.method, address, headers)",
        'operation = "ListParts"',
        "hooks/crt/test_crt.py::test_the_request_decides_about_the_row_and_not_a_name",
    ),
    Fix(
        "CRT: a part of an SSE-KMS upload is refused over HTTP",
        "_hooks/crt.py",
        "kms_upload = operation == Operation.UPLOAD_PART.value and is_kms_part(_url_of(request), address.query)",
        "kms_upload = False",
        "hooks/crt/test_crt.py::test_a_part_of_a_kms_upload",
    ),
    Fix(
        "CRT: read-in-clear",
        "_hooks/crt.py",
        'kwargs["on_headers"] = _watch(request, kwargs.get("on_headers"))',
        "pass",
        "hooks/crt/test_crt.py::test_read_in_clear",
    ),
    Fix(
        "ObsClient: an SSE object in any other argument is refused",
        "_hooks/obs/calls.py",
        "                context = with_misplaced(context, args, kwargs)",
        "                pass",
        "hooks/obs/test_misplaced_keys.py::test_an_sse_object_in_any_other_argument_is_a_misplaced_key",
    ),
    Fix(
        "ObsClient: the text of an SSE object is refused",
        "_hooks/obs/arguments.py",
        "return bool(_SSE_TEXT.search(value)) or all(",
        "return not value and all(",
        "hooks/obs/test_misplaced_keys.py::test_the_text_of_an_sse_object_is_a_misplaced_key",
    ),
    Fix(
        "ObsClient: what a header object drops is reported",
        "_hooks/obs/models.py",
        "        if args:  # self= is a keyword otherwise",
        "        if not args:",
        "hooks/obs/test_models.py::test_a_dropped_argument_is_logged_when_it_is_dropped",
    ),
    Fix(
        "ObsClient: a URL for a part of an SSE-KMS upload is not signed for HTTP",
        "_hooks/obs/signing.py",
        "if operation == Operation.UPLOAD_PART.value and kms_uploads and not client.is_secure:",
        "if not operation:",
        "hooks/obs/test_kms_uploads.py::test_the_url_of_a_part_of_a_kms_upload_is_not_signed_over_http",
    ),
    Fix(
        "ObsClient: a redirect is judged by the proxy for its URL",
        "_hooks/obs/client.py",
        "host, port = redirect or (_server(client, bucket), client.port)",
        "host, port = _server(client, bucket), client.port",
        "hooks/obs/test_trusted_hosts.py::test_the_proxy_of_a_redirect_is_the_one_for_its_url",
    ),
    # Keys in logs.
    Fix(
        "the patterns of the redaction have a bounded width",
        "_hooks/key_scanner.py",
        '_COLON = _SPACE + rb"{0,99}(?::|"',
        '_COLON = _SPACE + rb"*(?::|"',
        "hooks/test_redaction.py::test_every_pattern_has_a_bounded_width",
    ),
    Fix(
        "the redaction takes as many steps for each character of a long text",
        "_hooks/key_scanner.py",
        "name = _NAME.match(text, start) if start >= end else None",
        "name = _NAME.match(text, start)",
        "hooks/test_redaction.py::test_the_number_of_steps_grows_with_the_text_only",
    ),
    Fix(
        "a key of any type is masked",
        "_hooks/redaction.py",
        "        elif kind.__repr__ is not _PLAIN_REPR or kind.__str__ is not _PLAIN_STR:",
        "        elif kind is None:",
        "hooks/botocore/test_logs.py::test_keys_of_other_kinds_are_masked",
    ),
    Fix(
        "only the key in a canonical string is masked",
        "_hooks/key_scanner.py",
        '        (rb":(?=\\S)", _header_line),\n',
        "",
        "hooks/test_redaction.py::test_what_is_in_doubt_is_masked",
    ),
    Fix(
        "a key in a signed URL is masked in the log of urllib3",
        "_hooks/log_records.py",
        '"s3transfer", "urllib3",',
        '"s3transfer",',
        "hooks/botocore/test_logs.py::test_a_key_in_a_signed_url_is_masked",
    ),
    Fix(
        "a key that an error quotes without its name is masked",
        "_hooks/redaction.py",
        '_QUOTES_HEADER = re.compile("header value|header part", re.IGNORECASE)',
        '_QUOTES_HEADER = re.compile("no header")',
        "hooks/botocore/test_logs.py::test_a_value_that_an_error_quotes_without_its_name_is_masked",
    ),
    Fix(
        "a key that the server returns is masked",
        "_hooks/key_scanner.py",
        "parts = (*_PARTS_OF_NAMES, *_HEX_DUMPS) if _HEADER in text else _PARTS_OF_NAMES",
        "parts = _PARTS_OF_NAMES",
        "hooks/botocore/test_logs.py::test_a_key_that_the_server_returns_is_masked",
    ),
    Fix(
        "a key in a traceback is masked",
        "_hooks/log_records.py",
        "            _redact_traceback(record)",
        "            pass",
        "hooks/botocore/test_logs.py::test_a_traceback_is_masked",
    ),
    # Reports.
    Fix(
        "a call that is made while a body is read is reported",
        "_enforcement/enforce.py",
        "for call in calls if call.caller == caller",
        "for call in calls",
        "enforcement/test_enforce.py::test_a_call_that_is_made_while_a_body_is_read_is_reported",
    ),
    Fix(
        "a call of boto3 that is made while a body is read is reported",
        "_enforcement/enforce.py",
        "for call in calls if call.caller == caller",
        "for call in calls",
        "enforcement/test_enforce.py::test_a_call_that_boto3_makes_while_a_body_is_read_is_reported",
    ),
    Fix(
        "trust is reported for any number of hosts",
        "_util/once.py",
        "if key in self._seen:",
        "if key in self._seen or len(self._seen) >= self._limit:",
        "enforcement/test_enforce.py::test_trust_is_reported_for_any_number_of_hosts",
    ),
    Fix(
        "a report of a signal handler does not wait for the thread that it interrupts",
        "_util/throttle.py",
        "self._lock = threading.RLock()",
        "self._lock = threading.Lock()",
        "enforcement/test_throttle.py::"
        "test_a_report_of_a_signal_handler_does_not_wait_for_the_thread_that_it_interrupts",
    ),
    # Permitted calls.
    Fix(
        "ObsClient: NO_PROXY may name the host of a bucket",
        "_hooks/obs/client.py",
        "host, port = redirect or (_server(client, bucket), client.port)",
        "host, port = redirect or (client.server, client.port)",
        "hooks/obs/test_trusted_hosts.py::test_no_proxy_may_name_the_host_of_the_bucket",
    ),
    Fix(
        "ObsClient: a pooled connection to another bucket of a trusted endpoint",
        "_hooks/obs/client.py",
        "if host in (home, server_host(_server(client, _bucket_in(host, home)))):",
        "if host == home:",
        "hooks/obs/test_trusted_hosts.py::test_a_pooled_connection_to_another_bucket_of_the_endpoint_is_trusted",
    ),
    Fix(
        "ObsClient: a redirect to the host of the bucket of a trusted endpoint",
        "_hooks/obs/client.py",
        "return home if bucket and _bucket_in(host, home) == bucket else host, port",
        "return host, port",
        "hooks/obs/test_trusted_hosts.py::test_a_redirect_to_the_host_of_the_bucket_is_trusted",
    ),
    Fix(
        "an alias of a hooked class method is pickled as what it is",
        "_hooks/hook.py",
        "hook = _hook_of_alias(owner, found, name) or _made_before(target, name, found)",
        "hook = _made_before(target, name, found)",
        "hooks/test_foreign_wrappers.py::test_an_alias_is_hooked_and_pickled_as_what_it_is",
    ),
    Fix(
        "botocore: a URL signed for a trusted endpoint, with the bucket in the host",
        "_hooks/botocore/signing.py",
        "host=_endpoint_host(address, signing.bucket)",
        "host=address.host",
        "hooks/botocore/test_trusted_hosts.py::test_a_url_signed_for_a_trusted_endpoint",
    ),
    Fix(
        "CRT: a trusted endpoint covers the hosts of its buckets",
        "_hooks/crt.py",
        '_endpoints.get(request) or ""',
        '""',
        "hooks/crt/test_crt.py::test_a_trusted_endpoint_covers_the_hosts_of_its_buckets",
    ),
    Fix(
        "CRT: a call that the CRT refuses itself raises its own error",
        "_hooks/crt.py",
        "if isinstance(request, HttpRequest):",
        "if HttpRequest:",
        "hooks/crt/test_crt.py::test_a_call_that_the_crt_refuses_raises_its_own_error",
    ),
    Fix(
        "ObsClient: the real connection behind that of vcrpy",
        "_hooks/obs/client.py",
        'connection = getattr(connection, "real_connection", connection)',
        "connection = (connection)",
        "hooks/obs/test_connections.py::test_the_transport_is_read_from_the_connection",
    ),
)
