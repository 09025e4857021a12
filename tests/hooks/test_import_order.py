"""The guard is imported before, after, or during the import of an SDK."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.support.programs import IMPORT_SDK, MAKE_CLIENT, REFUSES, run

pytestmark = pytest.mark.measured_processes

_PUT_IS_REFUSED = """
from obs import ObsClient, PutObjectHeader, SseCHeader
client = ObsClient(access_key_id='a', secret_access_key='b', server='http://127.0.0.1:9')
try:
    client.putContent('b', 'k', 'x', headers=PutObjectHeader(sseHeader=SseCHeader.getInstance('k' * 32)))
except obs_sse_guard.SSETransportError:
    print('refused')
"""


@pytest.mark.parametrize("first", ["import obs, obs_sse_guard", "import obs_sse_guard, obs"])
@pytest.mark.sampled
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


# What other tests show in this process, or another order shows as well.
_IN_FULL = ("a submodule first", "twice", "off and on", "removed before the SDK is there")


@pytest.mark.parametrize(
    "order", [pytest.param(order, marks=[pytest.mark.full] if order in _IN_FULL else []) for order in _ORDERS]
)
def test_the_guard_works_in_any_import_order(order: str) -> None:
    lines = "\n".join(_ORDERS[order])
    assert run(f"{lines}\n{REFUSES}\nprint(refuses(client))") == "True"


def test_importing_the_guard_imports_no_sdk_and_every_hook_is_pending() -> None:
    code = """
    import sys, obs_sse_guard
    print(sorted({name.partition('.')[0] for name in sys.modules} & {'obs', 'botocore', 'requests'}))
    print({state for name, state in obs_sse_guard.status().items() if 'http.client' not in name})
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
    status = {state for name, state in obs_sse_guard.status().items() if 'http.client' not in name}
    print([type(w.message).__name__ for w in caught], status)
    """
    assert run(code, OBS_SSE_GUARD="enforced") == "['SSEGuardWarning'] {'pending'}"


def test_warnings_as_errors_do_not_break_the_import() -> None:
    code = (
        "import warnings; warnings.simplefilter('error'); import obs_sse_guard; print(len(obs_sse_guard.status()) > 0)"
    )
    assert run(code, OBS_SSE_GUARD="enforced") == "True"


@pytest.mark.parametrize(
    ("module", "hook"), [("obs.client", "ObsClient.putContent"), ("botocore.endpoint", "Endpoint._send")]
)
@pytest.mark.sampled
def test_reloaded_classes_are_reported_off_and_can_be_hooked_again(module: str, hook: str) -> None:
    pytest.importorskip(module)
    code = f"""
    import importlib, obs_sse_guard, warnings, {module}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        importlib.reload({module})
    print([str(w.message).split('. ')[0] for w in caught if issubclass(w.category, obs_sse_guard.SSEGuardWarning)])
    print(obs_sse_guard.status()['{module}.{hook}'])
    obs_sse_guard.install()
    print(obs_sse_guard.status()['{module}.{hook}'])
    """
    assert run(code).splitlines() == [f"['obs_sse_guard: {module} is reloaded']", "off", "active"]


@pytest.mark.parametrize(
    ("package", "owner"), [("obs", "obs.client.ObsClient"), ("botocore", "botocore.endpoint.Endpoint")]
)
@pytest.mark.sampled
def test_an_sdk_that_is_imported_anew_frees_its_old_classes(package: str, owner: str) -> None:
    module, _, name = owner.rpartition(".")
    pytest.importorskip(module)
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


# ---------------------------------------------------------- the finder is removed or passed over

_RESTORED = """
import http.client, sys, warnings
saved = list(sys.meta_path)
import obs_sse_guard
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    {restore}
print([str(warning.message).partition('.')[0] for warning in caught])
def states():  # but for http.client, which is imported by the hooks themselves
    return {{state for name, state in obs_sse_guard.status().items() if 'http.client' not in name}}
print(states())
"""
_REMOVED = "['obs_sse_guard: another library removed the import finder from sys']"


@pytest.mark.parametrize(
    ("restore", "warned"),
    [
        ("sys.meta_path[:] = saved", _REMOVED),
        ("sys.meta_path.clear(); sys.meta_path.extend(saved)", _REMOVED),
        ("del sys.meta_path[0]", _REMOVED),
        # The interpreter keeps the list that it began with, and the finder in it alive: status() and reports show it.
        ("sys.meta_path = saved", "[]"),
    ],
)
@pytest.mark.sampled
def test_a_finder_that_is_removed_warns_and_install_restores_it(restore: str, warned: str) -> None:
    code = f"""{_RESTORED.format(restore=restore)}
obs_sse_guard.install()
print(states())
{IMPORT_SDK}
{MAKE_CLIENT}
{REFUSES}
print(refuses(client), obs_sse_guard.status()['obs.client.ObsClient.putContent'])
"""
    assert run(code).splitlines() == [warned, "{'off'}", "{'pending'}", "True active"]


def test_a_finder_that_is_removed_leaves_the_status_off_and_install_hooks_what_was_imported() -> None:
    code = f"""{_RESTORED.format(restore="sys.meta_path[:] = saved")}
{IMPORT_SDK}
{MAKE_CLIENT}
print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
obs_sse_guard.install()
{REFUSES}
print(refuses(client), obs_sse_guard.status()['obs.client.ObsClient.putContent'])
"""
    assert run(code).splitlines()[2:] == ["off", "True active"]


def test_wrapts_finder_is_restored_with_ours() -> None:
    code = f"""
import sys, obs_sse_guard
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != 'ImportHookFinder']
{IMPORT_SDK}
print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
print([type(finder).__name__ for finder in sys.meta_path].count('ImportHookFinder'))
"""
    assert run(code).split() == ["active", "1"]


_ANSWERS_FIRST = """
import sys
from importlib.machinery import PathFinder
class First:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition('.')[0] {names}:
            return PathFinder.find_spec(name, path, target)
import obs_sse_guard
sys.meta_path.insert(0, First)
"""


def test_an_sdk_that_another_finder_found_is_hooked_at_the_next_import() -> None:
    code = f"""{_ANSWERS_FIRST.format(names="in ('obs', 'obs.client')")}
{IMPORT_SDK}
import colorsys
print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
"""
    assert run(code) == "active"


def test_an_sdk_that_another_finder_found_is_logged_by_the_next_report_until_install() -> None:
    pytest.importorskip("boto3")
    code = f"""
import logging
logging.basicConfig(format='%(message).60s', stream=__import__('sys').stdout)
import boto3  # with all that it imports
{_ANSWERS_FIRST.format(names="is not None")}
{IMPORT_SDK}
{MAKE_CLIENT}
print(obs_sse_guard.status()['obs.client.ObsClient.putContent'])
from obs_sse_guard._hooks.installer import installer
for _ in range(2):
    installer.report_removed_hooks()
obs_sse_guard.install()
installer.report_removed_hooks()
{REFUSES}
print(refuses(client), obs_sse_guard.status()['obs.client.ObsClient.putContent'])
"""
    first, *logged, last = run(code).splitlines()
    assert (first, last) == ("off", "True active")
    assert logged == ["obs_sse_guard: obs was imported without its hooks: another i"]


def test_a_removed_finder_is_warned_of_by_the_next_report_where_a_list_still_holds_it() -> None:
    code = """
import sys, warnings, obs_sse_guard
from obs_sse_guard._hooks.installer import installer
kept, sys.meta_path = sys.meta_path, [finder for finder in sys.meta_path if type(finder).__name__ != '_Finder']
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    installer.report_removed_hooks()
    installer.report_removed_hooks()
    obs_sse_guard.uninstall()
    installer.report_removed_hooks()
print([type(warning.message).__name__ for warning in caught])
"""
    assert run(code) == "['SSEGuardWarning']"


def test_nothing_is_warned_of_when_the_process_ends() -> None:
    code = """
import subprocess, sys
done = subprocess.run([sys.executable, '-W', 'always', '-c', 'import obs_sse_guard'], capture_output=True, text=True)
print(done.returncode, repr(done.stderr))
"""
    assert run(code) == "0 ''"


# ---------------------------------------------------------------------- the guard imported anew

_PURGE = """
import sys
def purge():
    for name in [name for name in sys.modules if name.split('.')[0] == 'obs_sse_guard']:
        del sys.modules[name]
"""
_BOTH = """
import obs_sse_guard as again
again_refused = refused(again.SSETransportError)
print(again_refused, refused(first.SSETransportError), refused(first.SSEGuardError))
print(again.status()['obs.client.ObsClient.putContent'], [type(f).__name__ for f in sys.meta_path].count('_Finder'))
again.uninstall()
print(refused(again.SSETransportError))
"""
_REFUSED_AS = """
def refused(kind):
    client.max_retry_count = 0
    try:
        client.putContent('b', 'k', 'x', headers=PutObjectHeader(sseHeader=SseCHeader.getInstance('k' * 32)))
    except kind:
        return True
    except Exception as error:
        return type(error).__name__
"""


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(("sdk", "guard", "purge"), id="after the SDK"),
        pytest.param(("guard", "sdk", "purge"), id="after the guard"),
        pytest.param(("guard", "purge", "sdk"), id="dropped before the SDK"),
        pytest.param(("guard", "finders", "sdk", "purge"), id="with its finder"),
    ],
)
@pytest.mark.sampled
def test_the_guard_imported_anew_raises_the_class_that_was_imported_before(order: tuple[str, ...]) -> None:
    steps = {
        "sdk": f"{IMPORT_SDK}\n{MAKE_CLIENT}",
        "guard": "before = list(sys.meta_path)\nimport obs_sse_guard as first",
        "purge": "purge()",
        "finders": "import warnings\nwarnings.simplefilter('ignore')\nsys.meta_path[:] = before",
    }
    code = "\n".join([_PURGE, *(steps[step] for step in order), _REFUSED_AS, _BOTH])
    assert run(code).splitlines() == ["True True True", "active 1", "ConnectionRefusedError"]


def test_an_earlier_copys_hook_under_another_wrapper_becomes_inactive() -> None:
    code = f"""
{_PURGE}
import functools
{IMPORT_SDK}
{MAKE_CLIENT}
import obs_sse_guard as first
hook = vars(ObsClient)['putContent']
@functools.wraps(hook)
def foreign(*args, **kwargs):
    return hook(*args, **kwargs)
ObsClient.putContent = foreign
purge()
{_REFUSED_AS}
{_BOTH}
print(vars(ObsClient)['putContent'] is foreign)
"""
    assert run(code).splitlines() == ["True True True", "active 1", "ConnectionRefusedError", "True"]


def test_an_error_of_an_earlier_copy_is_pickled() -> None:
    code = f"""
{_PURGE}
import pickle
import obs_sse_guard as first
error = first.SSETransportError('text', rule='key-in-clear')
purge()
import obs_sse_guard
print(type(pickle.loads(pickle.dumps(error))) is obs_sse_guard.SSETransportError is first.SSETransportError)
print(obs_sse_guard.SSEGuardWarning is first.SSEGuardWarning)
"""
    assert run(code).split() == ["True", "True"]


def test_copies_of_the_guard_and_the_sdk_that_are_restored_are_still_guarded() -> None:
    code = f"""
import sys
{IMPORT_SDK}
import obs_sse_guard
{MAKE_CLIENT}
first, saved = obs_sse_guard, dict(sys.modules)
for name in [name for name in sys.modules if name.split('.')[0] in ('obs', 'obs_sse_guard')]:
    del sys.modules[name]
import obs
import obs_sse_guard
other = obs.ObsClient(access_key_id='a', secret_access_key='b', server='http://127.0.0.1:9')
{REFUSES}
print(refuses(client), refuses(other), obs_sse_guard.status()['obs.client.ObsClient.putContent'])
sys.modules.clear()
sys.modules.update(saved)
import obs_sse_guard
print(obs_sse_guard is first, obs_sse_guard.status()['obs.client.ObsClient.putContent'])
print(refuses(client), refuses(other))
obs_sse_guard.install()
print(refuses(client), refuses(other))
"""
    assert run(code).splitlines() == ["True True active", "True active", "True True", "True True"]
