"""Placing and removing the hooks: any order of imports, any neighbour, any thread."""

from __future__ import annotations

import functools
import http.client
import importlib
import inspect
import os
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import obs
import obs.client
import pytest
import wrapt
from obs import convertor
from obs.ilog import NoneLogClient

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning, SSETransportError
from obs_sse_guard._enforcement import enforce
from obs_sse_guard._hooks import aiobotocore as aiobotocore_hooks
from obs_sse_guard._hooks import botocore as botocore_hooks
from obs_sse_guard._hooks import crt as crt_hooks
from obs_sse_guard._hooks import obs as obs_hooks
from obs_sse_guard._hooks.hook import Target, is_hook
from obs_sse_guard._hooks.installer import HookInstaller, installer
from tests.support.expected_rules import ROWS
from tests.support.obs_calls import BUCKET, CONTENT, KEY, OBJECT, drive, open_client, put_sse_c
from tests.support.servers import RecordingServer, assert_silent

SDKS = (obs_hooks, botocore_hooks, aiobotocore_hooks, crt_hooks)
OPTIONAL = {target.name for target in obs_hooks.TARGETS if target.optional}


def _is_guarded(client: Any) -> bool:
    try:
        put_sse_c(client)
    except SSETransportError:
        return True
    return False


_QUIET = ("-W", "ignore::SyntaxWarning", "-W", "ignore::DeprecationWarning")


def _run(code: str, **environment: str) -> str:
    """Run code in a process of its own, with what the test needs at its beginning."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OBS_SSE_GUARD")}
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::SyntaxWarning",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            textwrap.dedent(code),
        ],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -------------------------------------------------------------------------- orders of import

_REFUSES = """
def refuses(client):
    try:
        client.putContent('b', 'k', 'x', headers=PutObjectHeader(sseHeader=SseCHeader.getInstance('k' * 32)))
    except obs_sse_guard.SSETransportError:
        return True
"""
_MAKE = "client = ObsClient(access_key_id='a', secret_access_key='b', server='http://127.0.0.1:9')"
_SDK = "from obs import ObsClient, PutObjectHeader, SseCHeader"
_ORDERS = {
    "guard first": ("import obs_sse_guard", _SDK, _MAKE),
    "SDK first": (_SDK, "import obs_sse_guard", _MAKE),
    "a client before the guard": (_SDK, _MAKE, "import obs_sse_guard"),
    "a submodule first": ("import obs.model", "import obs_sse_guard", _SDK, _MAKE),
    "in between": ("import obs.ilog", "import obs_sse_guard", "import obs.client", _SDK, _MAKE),
    "a method bound before the guard": (
        _SDK,
        _MAKE,
        "class Bound: putContent = client.putContent",
        "import obs_sse_guard",
        "client = Bound",
    ),
    "a subclass before the guard": (
        _SDK,
        "class Own(ObsClient): pass",
        _MAKE.replace("ObsClient", "Own"),
        "import obs_sse_guard",
    ),
    "twice": ("import obs_sse_guard", _SDK, _MAKE, "obs_sse_guard.install()", "obs_sse_guard.install()"),
    "off and on": (_SDK, _MAKE, "import obs_sse_guard", "obs_sse_guard.uninstall()", "obs_sse_guard.install()"),
    "removed before the SDK is there": (
        "import obs_sse_guard",
        "obs_sse_guard.uninstall()",
        _SDK,
        _MAKE,
        "obs_sse_guard.install()",
    ),
}


@pytest.mark.parametrize("order", _ORDERS)
def test_any_order_of_imports_is_guarded(order: str) -> None:
    lines = "\n".join(_ORDERS[order])
    assert _run(f"{lines}\n{_REFUSES}\nprint(refuses(client))") == "True"


def test_the_import_loads_no_sdk_and_everything_is_pending() -> None:
    code = """
    import sys, obs_sse_guard
    print(sorted({name.partition('.')[0] for name in sys.modules} & {'obs', 'botocore', 'requests'}))
    print(set(obs_sse_guard.status().values()))
    """
    assert _run(code).splitlines() == ["[]", "{'pending'}"]


def test_off_at_import_touches_nothing() -> None:
    code = f"""
    import sys
    import obs_sse_guard
    print('wrapt' in sys.modules, 'obs_sse_guard._hooks.obs' in sys.modules)
    {_SDK}
    print(type(vars(ObsClient)['putContent']).__name__)
    print(set(obs_sse_guard.status().values()))
    """
    assert _run(code, OBS_SSE_GUARD=" Off ").splitlines() == ["False False", "function", "{'off'}"]


def test_off_at_import_can_be_installed_by_hand_and_switched_on() -> None:
    code = f"""
    import os, obs_sse_guard
    {_SDK}
    {_MAKE}
    client.max_retry_count = 0
    obs_sse_guard.install()
    def refuses():
        try:
            client.putContent('b', 'k', 'x', headers=PutObjectHeader(sseHeader=SseCHeader.getInstance('k' * 32)))
        except Exception as error:
            return type(error).__name__
    print(refuses())
    os.environ['OBS_SSE_GUARD'] = 'enforce'
    print(refuses())
    """
    assert _run(code, OBS_SSE_GUARD="off").splitlines() == ["ConnectionRefusedError", "SSETransportError"]


def test_a_typo_at_import_warns_and_arms() -> None:
    code = """
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        import obs_sse_guard
    print([type(w.message).__name__ for w in caught], set(obs_sse_guard.status().values()))
    """
    assert _run(code, OBS_SSE_GUARD="enforced") == "['SSEGuardWarning'] {'pending'}"


def test_warnings_as_errors_do_not_break_the_import() -> None:
    code = (
        "import warnings; warnings.simplefilter('error'); import obs_sse_guard; print(len(obs_sse_guard.status()) > 0)"
    )
    assert _run(code, OBS_SSE_GUARD="enforced") == "True"


def test_a_forked_child_is_guarded() -> None:
    code = f"""
    import os, obs_sse_guard
    {_SDK}
    {_MAKE}
    {textwrap.indent(_REFUSES, "    ").lstrip()}
    obs_sse_guard._patcher._lock.acquire()
    child = os.fork()
    if child == 0:
        obs_sse_guard.install()
        os._exit(0 if refuses(client) else 1)
    print(os.waitpid(child, 0)[1])
    """
    assert _run(code) == "0"


# -------------------------------------------------------------------------- status, and undo


def test_status_tells_every_place() -> None:
    status = obs_sse_guard.status()
    assert set(status) == {target.name for sdk in SDKS for target in sdk.TARGETS}
    assert {name for name, state in status.items() if name.startswith("obs.") and state != "active"} <= OPTIONAL
    assert "obs.client.ObsClient.putContent" in status


def test_uninstall_restores_what_was_there(http: RecordingServer) -> None:
    obs_sse_guard.uninstall()
    obs_sse_guard.uninstall()
    assert set(obs_sse_guard.status().values()) == {"off"}
    for owner, name in installer._places():
        assert not is_hook(vars(owner)[name])
        assert not hasattr(vars(owner)[name], "__obs_sse_guard__")
    with open_client("v2", http) as client:
        assert put_sse_c(client).status == 200
        obs_sse_guard.install()
        assert _is_guarded(client)


def test_install_is_idempotent() -> None:
    before = vars(obs.ObsClient)["putContent"]
    obs_sse_guard.install()
    assert vars(obs.ObsClient)["putContent"] is before
    assert is_hook(before)
    assert not is_hook(before.__wrapped__)


def _by_wrapt(function: Any) -> Any:
    return wrapt.FunctionWrapper(function, lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs))


def _by_functools(function: Any) -> Any:
    @functools.wraps(function)
    def foreign(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return foreign


def _by_closure(function: Any) -> Any:
    """As Sentry does it: nothing but the closure, which holds other things as well, knows what is underneath."""
    unset: Any

    def foreign(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if args or kwargs else (foreign, unset)  # noqa: F821  # a cell that stays empty

    foreign.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # stands for spelt parameters
    return foreign


@pytest.fixture(params=[_by_wrapt, _by_functools, _by_closure], ids=["wrapt", "functools", "closure"])
def foreign(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A neighbour's way to wrap, undone at the end whatever happened."""
    original = vars(obs.ObsClient)["putContent"].__wrapped__
    yield request.param
    obs.ObsClient.putContent = original


def test_a_wrapper_above_ours_stays_and_ours_goes_inert(foreign: Any, http: RecordingServer) -> None:
    obs.ObsClient.putContent = above = foreign(vars(obs.ObsClient)["putContent"])
    with open_client("v2", http) as client:
        assert _is_guarded(client)
        assert obs_sse_guard.status()["obs.client.ObsClient.putContent"] == "active"
        obs_sse_guard.uninstall()
        assert vars(obs.ObsClient)["putContent"] is above
        assert not is_hook(above)
        assert put_sse_c(client).status == 200
        obs_sse_guard.install()
        assert vars(obs.ObsClient)["putContent"] is above
        assert _is_guarded(client)


def test_a_wrapper_below_ours_is_kept(foreign: Any, http: RecordingServer) -> None:
    obs_sse_guard.uninstall()
    obs.ObsClient.putContent = below = foreign(vars(obs.ObsClient)["putContent"])
    obs_sse_guard.install()
    with open_client("v2", http) as client:
        assert _is_guarded(client)
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        obs_sse_guard.uninstall()
        assert vars(obs.ObsClient)["putContent"] is below
        assert put_sse_c(client).status == 200


def test_a_hook_that_somebody_strips_shows_and_is_placed_again(http: RecordingServer) -> None:
    obs.ObsClient.putContent = vars(obs.ObsClient)["putContent"].__wrapped__
    assert obs_sse_guard.status()["obs.client.ObsClient.putContent"] == "off"
    with open_client("v2", http) as client:
        assert _is_guarded(client), "the wire gate holds"
    obs_sse_guard.install()
    assert obs_sse_guard.status()["obs.client.ObsClient.putContent"] == "active"


def _strip() -> None:
    """Take the outermost wrapper for one's own, as ddtrace's unpatch() does."""
    obs.ObsClient.putContent = vars(obs.ObsClient)["putContent"].__wrapped__


def _missed(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record.args for record in caplog.records if "finds its hook" in record.msg]


_PLACE = "obs.client.ObsClient.putContent"


def test_a_stripped_hook_is_told_once_by_the_next_report(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with open_client("v2", http) as client:
        assert _is_guarded(client)
        assert _missed(caplog) == []
        for times in (1, 2):
            _strip()
            assert _is_guarded(client), "the wire gate holds"
            assert _is_guarded(client)
            assert _missed(caplog) == [(_PLACE,)] * times
            assert obs_sse_guard.status()[_PLACE] == "off", "nothing is placed again unasked"
            obs_sse_guard.install()
            assert _is_guarded(client)


def test_a_call_that_is_allowed_does_not_look_for_stripped_hooks(
    http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    row = next(row for row in ROWS if (row.operation, row.source, row.target) == ("UploadPartCopy", "none", "SSE-KMS"))
    with open_client("v2", http) as client:
        _strip()
        assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
        assert drive(client, row).status == 200, "a finding, and one that is allowed"
        assert _missed(caplog) == []


def test_a_wrapper_above_ours_is_not_told_for_a_stripped_hook(
    foreign: Any, http: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    obs.ObsClient.putContent = foreign(vars(obs.ObsClient)["putContent"])
    with open_client("v2", http) as client:
        assert _is_guarded(client)
    assert _missed(caplog) == []
    assert installer._snapshot.still_holds(), "the next look is quick again"


def test_a_look_for_stripped_hooks_never_waits(caplog: pytest.LogCaptureFixture) -> None:
    patcher = installer
    _strip()
    with patcher._lock:
        elsewhere = threading.Thread(target=patcher.look_after_hooks)
        elsewhere.start()
        elsewhere.join(10)
        assert not elsewhere.is_alive()
        assert _missed(caplog) == []
    patcher.look_after_hooks()
    assert _missed(caplog) == [(_PLACE,)]


def test_what_uninstall_takes_out_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    obs_sse_guard.uninstall()
    installer.look_after_hooks()  # of a call that was under way
    assert _missed(caplog) == []


def test_reloaded_classes_show_and_are_hooked_by_hand() -> None:
    code = """
    import importlib, obs_sse_guard, obs.client
    importlib.reload(obs.client)
    print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
    obs_sse_guard.install()
    print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
    """
    assert _run(code).splitlines() == ["off", "active"]


def test_threads_install_and_remove_while_calls_run(http: RecordingServer) -> None:
    stop = threading.Event()
    wrong: list[BaseException] = []

    def toggle() -> None:
        while not stop.is_set():
            obs_sse_guard.uninstall()
            obs_sse_guard.install()

    def call() -> None:
        try:
            with open_client("v2", http) as client:
                for _ in range(20):
                    assert client.putContent(BUCKET, OBJECT, CONTENT).status == 200
                    _is_guarded(client)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            wrong.append(error)

    togglers = [threading.Thread(target=toggle) for _ in range(3)]
    callers = [threading.Thread(target=call) for _ in range(4)]
    for thread in togglers + callers:
        thread.start()
    for thread in callers:
        thread.join(60)
    stop.set()
    for thread in togglers:
        thread.join(10)
    assert wrong == []
    obs_sse_guard.install()
    hook = vars(obs.ObsClient)["putContent"]
    assert is_hook(hook)
    assert not is_hook(hook.__wrapped__), "hooked twice"


# ------------------------------------------------------------- places that cannot be hooked


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module that looks like an SDK's."""
    made = types.ModuleType("made_up_sdk")

    class Client:
        def call(self, headers: Any = None) -> str:
            return "called"

        def hidden(self, *args: Any, **kwargs: Any) -> str:
            return "hidden"

    made.Client = Client  # type: ignore[attr-defined]
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def _gate(_name: str, function: Any) -> Any:
    obs_hooks._reader(function, "headers")
    return lambda instance, *args, **kwargs: "judged " + function(instance, *args, **kwargs)


def test_a_missing_place_warns_once_and_shows(module: types.ModuleType) -> None:
    targets = [
        Target(module.__name__, "Client.call", _gate),
        Target(module.__name__, "Client.gone", _gate),
        Target(module.__name__, "Gone.call", _gate),
        Target(module.__name__, "Client.newer", _gate, optional=True),
        Target("made_up_sdk.absent", "Client.call", _gate),
    ]
    patcher = HookInstaller(targets)
    with pytest.warns(SSEGuardWarning, match=r"made_up_sdk\.Client\.gone, made_up_sdk\.Gone\.call.*status\(\)"):
        patcher.install()
    patcher.install()
    assert list(patcher.status().values()) == ["active", "unsupported", "unsupported", "unsupported", "pending"]
    assert module.Client().call() == "judged called"
    del module.Client.call
    patcher.look_after_hooks()
    assert patcher.status()["made_up_sdk.Client.call"] == "unsupported"
    patcher.uninstall()
    obs_sse_guard.install()


def test_a_place_whose_parameters_are_hidden_is_not_trusted(module: types.ModuleType) -> None:
    """A foreign wrapper without ``functools.wraps``: positions are unknown, and silence would be a lie."""
    patcher = HookInstaller([Target(module.__name__, "Client.hidden", _gate)])
    with pytest.warns(SSEGuardWarning, match="hidden"):
        patcher.install()
    assert list(patcher.status().values()) == ["unsupported"]
    assert module.Client().hidden() == "hidden"


def test_an_import_after_uninstall_is_left_alone() -> None:
    patcher = HookInstaller([Target("made_up_later", "Client.call", _gate)])
    patcher.install()
    patcher.uninstall()
    try:
        patcher._imported(types.ModuleType("made_up_later"))
        assert not enforce.armed
    finally:
        obs_sse_guard.install()


def test_half_an_import_is_waited_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_slow.py").write_text(
        "import threading\nbegun, go_on = threading.Event(), threading.Event()\n"
        "begun.set()\ngo_on.wait(10)\nclass Client:\n    def call(self, headers=None): return 'called'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    patcher = HookInstaller([Target("made_up_slow", "Client.call", _gate)])
    importer = threading.Thread(target=importlib.import_module, args=("made_up_slow",))
    importer.start()
    while not hasattr(sys.modules.get("made_up_slow"), "go_on"):
        threading.Event().wait(0.01)
    slow: Any = sys.modules["made_up_slow"]
    slow.begun.wait(10)
    installer = threading.Thread(target=patcher.install)
    installer.start()
    slow.go_on.set()
    for thread in (importer, installer):
        thread.join(10)
    assert list(patcher.status().values()) == ["active"]
    assert slow.Client().call() == "judged called"
    del sys.modules["made_up_slow"]


def test_every_method_that_takes_headers_is_hooked() -> None:
    """What the SDK itself offers, not what we know of it: a new method must not pass unseen."""
    carriers = {"headers", "header", "sseHeader", "destSseHeader", "sourceSseHeader", "extensionHeaders", "metadata"}
    unguarded = [
        name
        for name, function in vars(obs.ObsClient).items()
        if callable(function) and not name.startswith("_")
        if carriers & set(_parameters(function)) and not is_hook(function)
    ]
    signed_beneath = {"createSignedUrl", "createV2SignedUrl", "createV4SignedUrl"}
    send_nothing_themselves = {"createVirtualBucket", "add_metadata_from_content"}
    assert set(unguarded) <= signed_beneath | send_nothing_themselves


def _parameters(function: Any) -> list[str]:
    return [*inspect.signature(function).parameters]


def test_a_call_on_the_class_is_judged(http: RecordingServer) -> None:
    header = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
    with open_client("v2", http) as client, pytest.raises(SSETransportError):
        obs.ObsClient.putContent(client, BUCKET, OBJECT, CONTENT, headers=header)
    assert_silent(http)


def _cipher() -> Any:
    make: Any = obs.CTRCipherGenerator
    return make("0" * 32)


@pytest.mark.skipif(not hasattr(obs, "CryptoObsClient"), reason="not in this release of the SDK")
def test_the_crypto_client_is_judged_before_it_reads(http: RecordingServer, tmp_path: Any) -> None:
    cipher = _cipher()
    client = obs.CryptoObsClient(cipher, access_key_id="a", secret_access_key="b", server=http.url)
    sse = obs.SseCHeader.getInstance(KEY)
    path = tmp_path / "file"
    path.write_text("x")
    calls: list[Callable[[], Any]] = [
        lambda: client.putContent(BUCKET, OBJECT, CONTENT, headers=obs.PutObjectHeader(sseHeader=sse)),
        lambda: client.uploadFile(BUCKET, OBJECT, str(path), headers=obs.UploadFileHeader(sseHeader=sse)),
        lambda: client.downloadFile(BUCKET, OBJECT, str(path), header=obs.GetObjectHeader(sseHeader=sse)),
        lambda: client.initiateEncryptedMultipartUpload(BUCKET, OBJECT, None, sseHeader=sse),
        lambda: client.uploadEncryptedPart(BUCKET, OBJECT, 1, "id", None, sseHeader=sse),
    ]
    for call in calls:
        with pytest.raises(SSETransportError):
            call()
    client.close()
    assert_silent(http)


# ----------------------------------------------------------------- releases that are yet to come


def _later(name: str, answer: Any) -> Any:
    """A method with the parameters of the SDK's, and one more."""

    def method(*_: Any, **arguments: Any) -> Any:
        return answer(arguments.get("new", "old"))

    method.__signature__ = inspect.signature(getattr(obs.client._BasicClient, name))  # type: ignore[attr-defined]
    return method


def test_a_new_parameter_of_a_later_release_passes_through() -> None:
    client = SimpleNamespace(is_secure=True, ssl_verify="ca")
    method = _later("_make_request_with_retry", lambda new: new)
    request = obs_hooks._request_gate("request", method)
    assert request(client, "PUT", "b", new="new") == "new"
    assert request(client, "PUT", "b") == "old"
    method = _later("_parse_request_connection", lambda new: (http.client.HTTPSConnection("a.test"), new))
    connection = obs_hooks._connection_gate("connection", method)
    assert connection(client, "h", 1, "https", "c", redirect=False, header={}, new="new")[1] == "new"
    assert connection(client, "h", 1, "https", "c", redirect=False, header={})[1] == "old"


def test_other_parameters_than_expected_are_not_guessed() -> None:
    def changed(self: object, second: str, first: str) -> None:
        """As if a release had swapped them."""

    with pytest.raises(LookupError):
        obs_hooks._request_gate("request", changed)
    with pytest.raises(LookupError):
        obs_hooks._connection_gate("connection", changed)


def test_a_bug_in_any_gate_lets_the_call_through(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(obs_hooks, "_keys_as_values")
    with open_client("v2", http) as client:
        assert client.deleteObject(BUCKET, OBJECT, extensionHeaders={"a": "b"}).status == 204
    assert "could not judge deleteObject (NameError" in caplog.text


def _later_put(self: object, bucketName: str, objectKey: str, headers: Any = None) -> str:  # noqa: N803
    return "called"


def test_self_as_a_keyword_is_left_to_the_sdk(http: RecordingServer, foreign: Any) -> None:
    with open_client("v2", http) as client:
        signed = obs.ObsClient._createV2SignedUrl(self=client, method="GET", bucketName=BUCKET, objectKey=OBJECT)
        assert signed.signedUrl
        obs_sse_guard.uninstall()
        obs.ObsClient.putContent = foreign(_later_put)
        obs_sse_guard.install()
        make: Any = obs.ObsClient
        assert make.putContent(self=client, bucketName=BUCKET, objectKey=OBJECT) == "called"
        obs_sse_guard.uninstall()


def _same_error(client: Any, call: Callable[[Any], object]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the SDK raises just that
        call(client)
    assert not isinstance(caught.value, SSETransportError)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.putContent(objectKey=OBJECT),
        lambda client: client.putContent(BUCKET),
        lambda client: client.putContent(BUCKET, OBJECT, surprise=1),
        lambda client: client.putContent(objectKey=OBJECT, surprise=1),
        lambda client: client.putContent("", OBJECT, surprise=1),
        lambda client: client.putContent(BUCKET, OBJECT, bucketName=BUCKET),
        lambda client: client.putContent(*[BUCKET] * 9),
    ],
    ids=["no bucket", "no object", "unknown", "no bucket, unknown", "empty bucket, unknown", "twice", "too many"],
)
def test_wrong_arguments_are_the_sdks_own_error(call: Callable[[Any], object], http: RecordingServer) -> None:
    """Also where the hook has the parameters of the method itself, and the SDK would not complain of a missing one."""
    with open_client("v2", http) as client:
        guarded = _same_error(client, call)
        obs_sse_guard.uninstall()
        assert _same_error(client, call) == guarded
    assert_silent(http)


_OPTIONAL = "content=None, metadata=None, headers=None"


@pytest.mark.parametrize(
    ("parameters", "more"),
    [
        (f"bucketName, objectKey, {_OPTIONAL}, *, extensionHeaders=None", {}),
        (f"bucketName, objectKey, /, {_OPTIONAL}, extensionHeaders=None", {}),
        (f"bucketName, objectKey, {_OPTIONAL}, extensionHeaders=None, function=None", {}),
        (f"bucketName, objectKey, {_OPTIONAL}, extensionHeaders=None, _function=None", {"_function": 1}),
        (f"bucketName, objectKey, {_OPTIONAL}, extensionHeaders=None, **more", {"another": 1}),
    ],
    ids=["by keyword alone", "by position alone", "a name of ours", "a private name", "any keywords"],
)
def test_a_method_of_a_later_release_may_take_its_arguments_otherwise(
    parameters: str, more: dict[str, Any], http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs_sse_guard.uninstall()
    module: dict[str, Any] = {**vars(obs.client), "released": vars(obs.ObsClient)["putContent"]}
    given = "bucketName, objectKey, content, metadata, headers, extensionHeaders=extensionHeaders"
    exec(f"def putContent(self, {parameters}):\n    return released(self, {given})", module)  # noqa: S102
    monkeypatch.setattr(obs.ObsClient, "putContent", module["putContent"])
    obs_sse_guard.install()
    with open_client("v2", http) as client:
        for arguments in ({}, more, {"extensionHeaders": {"note": "b"}}):
            assert client.putContent(BUCKET, OBJECT, content=CONTENT, **arguments).status == 200
        headers = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
        with pytest.raises(SSETransportError):
            client.putContent(BUCKET, OBJECT, content=CONTENT, headers=headers)
    obs_sse_guard.uninstall()


def test_a_client_that_cannot_tell_its_transport_is_let_through(caplog: pytest.LogCaptureFixture) -> None:
    """A stand-in of a test's, which never began as an ObsClient."""

    class Double(obs.ObsClient):  # type: ignore[misc]  # the SDK ships no types
        def __init__(self) -> None:
            self.log_client, self.is_cname, self.is_signature_negotiation = NoneLogClient(), False, False
            self.ha = convertor.Adapter("obs")
            self.convertor = convertor.Convertor("obs", self.ha)

        def _make_put_request(self, *_: Any, **__: Any) -> str:
            return "recorded"

    assert Double().uploadPart(BUCKET, OBJECT, 1, "upload", content=CONTENT) == "recorded"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("name", ["putContent", "downloadFile", "uploadPart"])
def test_a_hook_tells_the_parameters_of_its_method(name: str) -> None:
    hooked = inspect.getfullargspec(getattr(obs.ObsClient, name)), inspect.signature(getattr(obs.ObsClient, name))
    obs_sse_guard.uninstall()
    method = inspect.unwrap(getattr(obs.ObsClient, name))
    assert (inspect.getfullargspec(method), inspect.signature(method)) == hooked


def test_a_wrapper_below_ours_is_given_what_the_caller_gives(
    http: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may look for an argument where the caller would put it."""
    given: list[Any] = []

    @functools.wraps(inspect.unwrap(vars(obs.ObsClient)["putContent"]))
    def recording(_: Any, *args: Any, **kwargs: Any) -> None:
        given.append((args, kwargs))

    monkeypatch.setattr(obs.ObsClient, "putContent", recording)
    obs_sse_guard.install()
    with open_client("v2", http) as client:
        client.is_secure = True
        headers = obs.PutObjectHeader(sseHeader=obs.SseCHeader.getInstance(KEY))
        client.putContent(BUCKET, OBJECT, content=CONTENT, headers=headers)
    assert given == [((BUCKET, OBJECT), {"content": CONTENT, "headers": headers})]


def test_locks_are_new_in_a_forked_child() -> None:
    patcher = HookInstaller([])
    before = patcher._lock
    before.acquire()
    patcher._renew_lock()
    assert patcher._lock is not before
    assert patcher.status() == {}
    before.release()
