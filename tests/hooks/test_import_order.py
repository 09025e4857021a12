"""The guard is imported before, after, or during the import of an SDK."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.support.programs import IMPORT_SDK, MAKE_CLIENT, REFUSES, run

_PUT_IS_REFUSED = """
from obs import ObsClient, PutObjectHeader, SseCHeader
client = ObsClient(access_key_id='a', secret_access_key='b', server='http://127.0.0.1:9')
try:
    client.putContent('b', 'k', 'x', headers=PutObjectHeader(sseHeader=SseCHeader.getInstance('k' * 32)))
except obs_sse_guard.SSETransportError:
    print('refused')
"""


@pytest.mark.parametrize("first", ["import obs, obs_sse_guard", "import obs_sse_guard, obs"])
def test_an_sdk_that_is_imported_again_is_guarded(first: str) -> None:
    purge = "import sys\nfor name in [n for n in sys.modules if n.split('.')[0] == 'obs']: del sys.modules[name]"
    status = "print(set(obs_sse_guard.status().values()) - {'active', 'unsupported', 'pending'})"
    assert run(f"{first}\n{purge}\n{purge}\n{_PUT_IS_REFUSED}\n{purge}\n{_PUT_IS_REFUSED}\n{status}").split() == [
        "refused",
        "refused",
        "set()",
    ]


def test_hooks_are_placed_after_an_sdk_import_that_is_in_progress(tmp_path: Path) -> None:
    code = f"""
    import sys, builtins
    real = builtins.__import__
    def importing(name, *args, **kwargs):
        if name == 'obs.scheduler' or name == 'obs.bucket':
            builtins.__import__ = real
            import obs_sse_guard
        return real(name, *args, **kwargs)
    builtins.__import__ = importing
    import obs
    import obs_sse_guard
    {textwrap.indent(_PUT_IS_REFUSED, "    ").lstrip()}
    print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
    """
    assert run(code).split() == ["refused", "active"]


_ORDERS = {
    "guard first": ("import obs_sse_guard", IMPORT_SDK, MAKE_CLIENT),
    "SDK first": (IMPORT_SDK, "import obs_sse_guard", MAKE_CLIENT),
    "a client before the guard": (IMPORT_SDK, MAKE_CLIENT, "import obs_sse_guard"),
    "a submodule first": ("import obs.model", "import obs_sse_guard", IMPORT_SDK, MAKE_CLIENT),
    "in between": ("import obs.ilog", "import obs_sse_guard", "import obs.client", IMPORT_SDK, MAKE_CLIENT),
    "a method bound before the guard": (
        IMPORT_SDK,
        MAKE_CLIENT,
        "class Bound: putContent = client.putContent",
        "import obs_sse_guard",
        "client = Bound",
    ),
    "a subclass before the guard": (
        IMPORT_SDK,
        "class Own(ObsClient): pass",
        MAKE_CLIENT.replace("ObsClient", "Own"),
        "import obs_sse_guard",
    ),
    "twice": ("import obs_sse_guard", IMPORT_SDK, MAKE_CLIENT, "obs_sse_guard.install()", "obs_sse_guard.install()"),
    "off and on": (
        IMPORT_SDK,
        MAKE_CLIENT,
        "import obs_sse_guard",
        "obs_sse_guard.uninstall()",
        "obs_sse_guard.install()",
    ),
    "removed before the SDK is there": (
        "import obs_sse_guard",
        "obs_sse_guard.uninstall()",
        IMPORT_SDK,
        MAKE_CLIENT,
        "obs_sse_guard.install()",
    ),
}


@pytest.mark.parametrize("order", _ORDERS)
def test_the_guard_works_in_any_import_order(order: str) -> None:
    lines = "\n".join(_ORDERS[order])
    assert run(f"{lines}\n{REFUSES}\nprint(refuses(client))") == "True"


def test_importing_the_guard_imports_no_sdk_and_every_hook_is_pending() -> None:
    code = """
    import sys, obs_sse_guard
    print(sorted({name.partition('.')[0] for name in sys.modules} & {'obs', 'botocore', 'requests'}))
    print(set(obs_sse_guard.status().values()))
    """
    assert run(code).splitlines() == ["[]", "{'pending'}"]


def test_off_at_import_changes_nothing() -> None:
    code = f"""
    import sys
    import obs_sse_guard
    print('wrapt' in sys.modules, 'obs_sse_guard._hooks.obs' in sys.modules)
    {IMPORT_SDK}
    print(type(vars(ObsClient)['putContent']).__name__)
    print(set(obs_sse_guard.status().values()))
    """
    assert run(code, OBS_SSE_GUARD=" Off ").splitlines() == ["False False", "function", "{'off'}"]


def test_off_at_import_can_be_installed_and_enabled_later() -> None:
    code = f"""
    import os, obs_sse_guard
    {IMPORT_SDK}
    {MAKE_CLIENT}
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
    assert run(code, OBS_SSE_GUARD="off").splitlines() == ["ConnectionRefusedError", "SSETransportError"]


def test_a_typo_at_import_warns_and_enables_the_guard() -> None:
    code = """
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        import obs_sse_guard
    print([type(w.message).__name__ for w in caught], set(obs_sse_guard.status().values()))
    """
    assert run(code, OBS_SSE_GUARD="enforced") == "['SSEGuardWarning'] {'pending'}"


def test_warnings_as_errors_do_not_break_the_import() -> None:
    code = (
        "import warnings; warnings.simplefilter('error'); import obs_sse_guard; print(len(obs_sse_guard.status()) > 0)"
    )
    assert run(code, OBS_SSE_GUARD="enforced") == "True"


def test_reloaded_classes_are_reported_off_and_can_be_hooked_again() -> None:
    code = """
    import importlib, obs_sse_guard, obs.client
    importlib.reload(obs.client)
    print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
    obs_sse_guard.install()
    print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
    """
    assert run(code).splitlines() == ["off", "active"]


@pytest.mark.parametrize(
    ("package", "owner"), [("obs", "obs.client.ObsClient"), ("botocore", "botocore.endpoint.Endpoint")]
)
def test_an_sdk_that_is_imported_anew_frees_its_old_classes(package: str, owner: str) -> None:
    module, _, name = owner.rpartition(".")
    code = f"""
    import gc, importlib, sys, weakref, obs_sse_guard
    def owner():
        return getattr(importlib.import_module({module!r}), {name!r})
    old = weakref.ref(owner())
    for module in [module for module in sys.modules if module.partition('.')[0] == {package!r}]:
        del sys.modules[module]
    print(owner() is not old())
    gc.collect()
    print(old())
    """
    assert run(code).splitlines() == ["True", "None"]
