"""``doctor``: the report is true, and the status is 0 only if the guard protects."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import wrapt

import obs_sse_guard
from obs_sse_guard import SSEGuardWarning
from obs_sse_guard._cli import startup_files
from obs_sse_guard._cli.doctor import inspection, packages
from obs_sse_guard._cli.doctor.hazards import HAZARDS, parsed
from obs_sse_guard._cli.doctor.results import Package
from obs_sse_guard._cli.main import main
from obs_sse_guard._hooks.hook import Target
from obs_sse_guard._hooks.installer import HookInstaller
from obs_sse_guard._hooks.obs.targets import TARGETS
from obs_sse_guard._policy import settings
from obs_sse_guard._policy.settings import Mode
from tests.support.commands import SOURCES, command
from tests.support.environments import installed

SDK = "esdk-obs-python"
needs_obs = pytest.mark.skipif(not installed(SDK), reason=f"{SDK} is not installed here")
PROTECTED = "PROTECTED: programs in this environment that import obs_sse_guard are guarded."


class Site:
    """A Python environment in a folder: the guard, wrapt, and what a test adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "obs_sse_guard").symlink_to(SOURCES / "obs_sse_guard")
        (folder / "wrapt").symlink_to(Path(wrapt.__file__).parent)
        self.distribution("wrapt", metadata.version("wrapt"))

    def distribution(self, name: str, version: str) -> None:
        """Make a distribution look installed."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def module(self, name: str, code: str = "") -> None:
        """Write a module, and the packages above it that are missing."""
        path = self.folder.joinpath(*name.split("."))
        for package in [name.rsplit(".", depth)[0] for depth in range(name.count("."), 0, -1)]:
            folder = self.folder.joinpath(*package.split("."))
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        path.with_suffix(".py").write_text(code)

    def doctor(self) -> tuple[int, dict[str, Any]]:
        """Run the command in this environment, without the packages of the tests."""
        words = ("-S", "-m", "obs_sse_guard")
        done = command("doctor", "--json", python=words, environment={"PYTHONPATH": str(self.folder)})
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def examined(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the report, from this process."""
    status = main(["doctor", "--json"])
    return status, json.loads(capsys.readouterr().out)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the report for people, from this process."""
    main(["doctor", *words])
    return capsys.readouterr().out


# -------------------------------------------------------------------------- this very environment


@needs_obs
def test_an_environment_with_the_sdk_is_protected() -> None:
    done = command("doctor", "--verbose")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == PROTECTED
    assert f"{SDK}  " in done.stdout
    assert metadata.version(SDK) in done.stdout
    assert f", {sys.executable}\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.isascii()
    for hook in obs_sse_guard.status():
        assert f"  {hook}" in done.stdout


KEYS = {
    "python": {"implementation", "version", "executable", "platform"},
    "packages": {"name", "version", "is_sdk", "state"},
    "modules": {"name", "state", "error"},
    "hooks": {"name", "state", "optional", "gap"},
    "settings": {"variable", "value", "origin", "given", "problems"},
    "hazards": {"id", "package", "what", "remedy"},
    "patchers": {"name", "version", "loaded", "note"},
    "libraries": {"name", "version", "guard", "note", "remedy"},
    "startup": {"state", "folder"},
}


def test_the_json_keys_are_stable(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = examined(capsys)
    assert list(report) == ["protected", "reasons", "remedies", "guard", *KEYS]
    for section, keys in KEYS.items():
        rows = report[section] if isinstance(report[section], list) else [report[section]]
        assert all(set(row) == keys for row in rows)
    assert (status, report["protected"], report["reasons"], report["remedies"]) == (0, True, [], [])
    assert report["guard"] == obs_sse_guard.__version__


@needs_obs
def test_the_states_of_the_hooks_are_those_of_status(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = examined(capsys)
    assert status == 0
    assert {hook["name"]: hook["state"] for hook in report["hooks"]} == obs_sse_guard.status()
    assert {hook["name"] for hook in report["hooks"] if hook["optional"]} >= {
        target.name for target in TARGETS if target.optional
    }
    imported = tuple(f"{module['name']}." for module in report["modules"] if module["state"] == "imported")
    assert "obs.client." in imported
    required = [hook for hook in report["hooks"] if not hook["optional"] and hook["name"].startswith(imported)]
    assert {hook["state"] for hook in required} == {"active"}
    assert not any(hook["gap"] for hook in report["hooks"])


@needs_obs
def test_the_doctor_imports_the_installed_sdks() -> None:
    code = (
        "import sys, obs_sse_guard; from obs_sse_guard._cli.main import main; "
        "before = 'obs' in sys.modules; main(['doctor']); print(before, 'obs.transfer' in sys.modules)"
    )
    assert command(python=("-c", code)).stdout.splitlines()[-1] == "False True"


@needs_obs
def test_versions_are_those_of_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    _, report = examined(capsys)
    rows = {package["name"]: package for package in report["packages"]}
    assert list(rows) == [package.distribution for package in packages.PACKAGES]
    assert rows[SDK] == {"name": SDK, "version": metadata.version(SDK), "is_sdk": True, "state": "imported"}
    assert rows["wrapt"]["version"] == metadata.version("wrapt")


@needs_obs
def test_a_removed_hook_is_a_gap(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    examined(capsys)  # imports every SDK; the first import of one places all hooks again
    client = importlib.import_module("obs").ObsClient
    hook = vars(client)["putContent"]
    monkeypatch.setattr(client, "putContent", hook.__wrapped__)
    status, report = examined(capsys)
    assert (status, report["protected"]) == (1, False)
    assert [row["name"] for row in report["hooks"] if row["gap"]] == ["obs.client.ObsClient.putContent"]
    assert "obs.client.ObsClient.putContent" in report["reasons"][0]
    monkeypatch.setenv("COLUMNS", "100")
    lines = shown(capsys).splitlines()
    assert lines[0] == "NOT PROTECTED: not hooked, so calls pass unguarded: obs.client.ObsClient.putContent"
    assert lines[1] == "  Remedy: call obs_sse_guard.install() after what removed the hooks"
    folded = next(line for line in lines[lines.index("Hooks") :] if line.startswith(f"  {SDK} "))
    assert re.fullmatch(rf"{SDK} +1 not guarded, \d+ active", folded.strip())
    gap = ["off", "obs.client.ObsClient.putContent", "<-", "not", "guarded"]
    for words in ((), ("--verbose",)):
        assert gap in [line.split() for line in shown(capsys, *words).splitlines()]


def test_the_hooks_are_folded_to_one_line_for_each_sdk(
    inspect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    inspect(
        Target("sdk_sound", "Client.put", _pass_through),
        Target("sdk_sound", "Client.get", _pass_through),
        Target("sdk_sound", "Client.head", _pass_through, optional=True),
        Target("sdk_absent", "Client.put", _pass_through),
        Target("http.client", "HTTPConnection.endheaders", _pass_through),
        Target("colorsys", "rgb_to_hls", _pass_through),
    )
    lines = shown(capsys).splitlines()
    start = lines.index("Hooks") + 1
    assert [line.strip() for line in lines[start : start + 4]] == [
        "sdk-sound    2 active, 1 not present in this release",
        "http.client  1 active",
        "colorsys     1 active",
        "",
    ]
    assert "  active       sdk_sound.Client.put" in shown(capsys, "--verbose")


@needs_obs
@pytest.mark.parametrize(
    ("state", "shown_as", "verdict"),
    [
        ("enabled", "enabled in ", "PROTECTED: programs in this environment are guarded."),
        ("disabled", "not enabled: ", PROTECTED),
        ("outdated", "run obs-sse-guard enable again", PROTECTED),
    ],
)
def test_the_report_tells_whether_the_environment_is_enabled(
    state: str, shown_as: str, verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(startup_files, "state", lambda: state)
    text = shown(capsys)
    assert shown_as in " ".join(text.split())
    assert text.splitlines()[0] == verdict


# --------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("mode", ["warn", "off"])
def test_without_enforcement_nothing_is_protected(
    mode: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", mode)
    assert main(["doctor"]) == 1
    why, remedy, *others = capsys.readouterr().out.splitlines()
    assert why.startswith(f"NOT PROTECTED: OBS_SSE_GUARD={mode} ")
    assert remedy == "  Remedy: unset OBS_SSE_GUARD, or set it to enforce"
    assert PROTECTED not in others


def test_off_shows_every_hook_as_off() -> None:
    report = json.loads(command("doctor", "--json", environment={"OBS_SSE_GUARD": "off"}).stdout)
    assert {hook["state"] for hook in report["hooks"]} == {"off"}
    assert len(report["reasons"]) == 1


def settings_of(report: dict[str, Any]) -> dict[str, tuple[str, str, int]]:
    """Return value, origin and problem count of mode, policy and trusted hosts."""
    first = (settings.MODE, settings.POLICY, settings.TRUSTED_HOSTS)
    return {
        row["variable"]: (row["value"], row["origin"], len(row["problems"]))
        for row in report["settings"]
        if row["variable"] in first
    }


def test_defaults_are_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    _, report = examined(capsys)
    assert settings_of(report) == {
        "OBS_SSE_GUARD": ("enforce", "default", 0),
        "OBS_SSE_GUARD_POLICY": ("documented", "default", 0),
        "OBS_SSE_GUARD_TRUSTED_HOSTS": ("", "default", 0),
    }
    assert {row["given"] for row in report["settings"]} == {None}


def test_every_setting_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _, report = examined(capsys)
    variables = {value for value in vars(settings).values() if isinstance(value, str) and value.startswith("OBS_SSE_")}
    assert {row["variable"] for row in report["settings"]} == variables


def test_values_from_the_environment_are_shown_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", " Yes ")
    monkeypatch.setenv("OBS_SSE_GUARD_POLICY", "strict")
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "10.0.0.0/8, *.mesh.local,sidecar")
    status, report = examined(capsys)
    assert status == 0
    assert settings_of(report) == {
        "OBS_SSE_GUARD": ("enforce", "environment", 0),
        "OBS_SSE_GUARD_POLICY": ("strict", "environment", 0),
        "OBS_SSE_GUARD_TRUSTED_HOSTS": ("sidecar, *.mesh.local, 10.0.0.0/8", "environment", 0),
    }
    assert report["settings"][0]["given"] == " Yes "


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", " ")
    _, report = examined(capsys)
    assert settings_of(report)["OBS_SSE_GUARD"] == ("enforce", "default", 0)


def test_unknown_values_are_flagged(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {
        "OBS_SSE_GUARD": "wran",
        "OBS_SSE_GUARD_POLICY": "stict",
        "OBS_SSE_GUARD_TRUSTED_HOSTS": "http://sidecar,localhost",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    status, report = examined(capsys)
    assert status == 0  # a typo never disables the guard
    assert settings_of(report) == {
        "OBS_SSE_GUARD": ("enforce", "default", 1),
        "OBS_SSE_GUARD_POLICY": ("documented", "default", 1),
        "OBS_SSE_GUARD_TRUSTED_HOSTS": ("localhost", "environment", 1),
    }
    assert shown(capsys).count("  ! OBS_SSE_GUARD") == 3


@pytest.mark.parametrize(
    "entry",
    [
        "0.0.0.0/0",
        *(
            pytest.param(one, marks=pytest.mark.full)
            for one in ("8.8.8.8", "::/0", "*.com", "*.co.uk", "*.myhuaweicloud.com")
        ),
    ],
)
def test_trust_in_hosts_of_others_is_not_protected(entry: str) -> None:
    done = command("doctor", environment={settings.TRUSTED_HOSTS: f"localhost,{entry}"})
    line = " ".join(done.stdout.partition("\n\n")[0].split())
    assert line.count("NOT PROTECTED") == 1
    assert done.returncode == 1
    assert f"{settings.TRUSTED_HOSTS}: {entry!r} covers " in line
    assert "List only the hosts of your own" in line
    assert PROTECTED not in done.stdout.splitlines()
    assert done.stderr.count("SSEGuardWarning") == 1


def test_each_host_of_others_is_a_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(settings.TRUSTED_HOSTS, "*.com,10.0.0.0/8,0.0.0.0/0,http://x")
    status, report = examined(capsys)
    assert (status, report["protected"]) == (1, False)
    assert [reason.split()[1] for reason in report["reasons"]] == ["'*.com'", "'0.0.0.0/0'"]
    assert settings_of(report)[settings.TRUSTED_HOSTS] == ("*.com, 10.0.0.0/8, 0.0.0.0/0", "environment", 3)


# ----------------------------------------------------------------------------- other environments


def test_without_an_sdk_nothing_is_protected(site: Site) -> None:
    status, report = site.doctor()
    assert (status, report["protected"]) == (1, False)
    assert report["reasons"] == ["no supported SDK is installed"]
    assert report["remedies"] == ["pip install 'obs-sse-guard[obs]'"]
    states = {hook["name"]: hook["state"] for hook in report["hooks"]}
    assert {states.pop(f"http.client.HTTPConnection.{name}") for name in ("endheaders", "_tunnel")} == {"active"}
    assert set(states.values()) == {"pending"}
    assert not any(hook["gap"] for hook in report["hooks"])
    assert {module["state"] for module in report["modules"] if module["name"] != "http.client"} == {"absent"}
    assert [row["name"] for row in report["packages"] if row["version"]] == ["wrapt"]


@pytest.mark.parametrize(
    ("code", "state", "error"),
    [
        ("raise OSError('no\\nluck')", "failed", "OSError: no luck"),
        ("import requests_that_nobody_has", "unusable", "requests_that_nobody_has is not installed"),
        ("import wrapt.no_such_module", "failed", "ModuleNotFoundError: No module named 'wrapt.no_such_module'"),
        ("import obs.no_such_module", "failed", "ModuleNotFoundError: No module named 'obs.no_such_module'"),
        ("from wrapt import nothing", "failed", "ImportError: cannot import name 'nothing'"),
        ("raise ModuleNotFoundError('nameless')", "failed", "ModuleNotFoundError: nameless"),
        ("raise SystemExit(3)", "failed", "SystemExit: 3"),
        ("def (", "failed", "SyntaxError"),
    ],
)
def test_an_sdk_that_fails_to_import_is_reported(site: Site, code: str, state: str, error: str) -> None:
    site.distribution(SDK, "3.24.12")
    site.module("obs.client")
    site.module("obs.ilog")
    site.module("obs.__init__", f"import obs.ilog\nprint('noise')\n{code}\n")
    status, report = site.doctor()
    assert status == 1
    modules = [module for module in report["modules"] if module["name"].startswith("obs.")]
    assert {module["state"] for module in modules} == {state}
    assert all(module["error"].startswith(error) for module in modules)
    assert report["reasons"] == [f"{SDK} cannot be imported, and there is no other SDK"]
    assert report["packages"][0]["state"] == state
    assert not any(hook["gap"] for hook in report["hooks"])


def test_another_package_of_the_same_name_is_not_the_sdk(site: Site) -> None:
    site.module("obs.__init__")
    status, report = site.doctor()
    assert status == 1
    assert "no supported SDK is installed" in report["reasons"][0]


def test_a_changed_sdk_is_a_gap(site: Site) -> None:
    site.distribution(SDK, "9.0.0")
    site.module("obs.client", "class ObsClient:\n    def putContent(self, bucketName, headers=None): ...\n")
    status, report = site.doctor()
    assert status == 1
    states = {hook["name"]: (hook["state"], hook["gap"]) for hook in report["hooks"]}
    assert states["obs.client.ObsClient.getObject"] == ("unsupported", True)
    assert states["obs.client.ObsClient.modifyFile"] == ("unsupported", False)  # optional
    assert states["obs.transfer.uploadOperation._upload_part"] == ("pending", True)  # a module that is gone
    assert "obs.client.ObsClient.getObject" in report["reasons"][0]
    assert report["remedies"] == ["install a release of the SDK that the guard supports"]


def test_other_patchers_are_shown(site: Site) -> None:
    site.distribution("moto", "5.0")
    site.distribution("ddtrace", "4.1")
    site.module("moto.__init__")
    site.module("obs.__init__", "import moto")
    _, report = site.doctor()
    assert [(row["name"], row["version"], row["loaded"]) for row in report["patchers"]] == [
        ("ddtrace", "4.1", False),
        ("moto", "5.0", True),
    ]


def _pass_through(_: str, function: Any) -> Any:
    def hook(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return hook


def _fail(_: str, function: Any) -> Any:
    raise LookupError(function)


@pytest.fixture
def inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let the doctor inspect targets in working, broken and missing SDKs."""
    (tmp_path / "sdk_sound.py").write_text("class Client:\n    def put(self): ...\n    def get(self): ...\n")
    (tmp_path / "sdk_broken.py").write_text("raise OSError('no luck')\n")
    (tmp_path / "sdk_lacking.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("sound", "broken", "lacking", "absent", "unknown")
    rows = tuple(packages.Package(f"sdk-{name}", f"sdk_{name}", is_sdk=True) for name in names)
    monkeypatch.setattr(inspection, "PACKAGES", rows)
    monkeypatch.setattr(packages, "PACKAGES", rows)
    monkeypatch.setattr(inspection, "versions", lambda: {"sdk-unknown": "1.0"})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])  # the installer adds to it

    def install(*targets: Target) -> None:
        installer = HookInstaller(targets)
        monkeypatch.setattr(inspection, "installer", installer)
        installer.install()
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("sdk_sound", None)


def test_a_broken_sdk_beside_a_guarded_one(inspect: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    inspect(
        Target("sdk_sound", "Client.put", _pass_through),
        Target("sdk_sound", "Client.head", _pass_through, optional=True),
        Target("sdk_broken", "Client.put", _pass_through),
        Target("sdk_lacking", "Client.put", _pass_through),
        Target("sdk_absent", "Client.put", _pass_through),
    )
    status, report = examined(capsys)
    assert (status, report["reasons"]) == (
        1,
        ["cannot be imported, so whether its calls are guarded is unknown: sdk_broken"],
    )
    assert [(row["name"], row["state"]) for row in report["packages"]] == [
        ("sdk-sound", "imported"),
        ("sdk-broken", "failed"),
        ("sdk-lacking", "unusable"),
        ("sdk-absent", "absent"),
        ("sdk-unknown", ""),
    ]
    assert [hook["state"] for hook in report["hooks"]] == ["active", "unsupported", *3 * ["pending"]]
    out = shown(capsys)
    assert "sdk_broken: OSError: no luck" in out
    for words in (
        ["sdk-sound", "version", "unknown", "SDK"],
        ["sdk-broken", "version", "unknown", "fails", "to", "import"],
        ["sdk-lacking", "version", "unknown", "SDK,", "cannot", "be", "used:", "a", "dependency", "is", "missing"],
        ["sdk_lacking:", "a_module_that_nobody_has", "is", "not", "installed"],
        ["sdk-unknown", "1.0", "SDK,", "not", "hooked", "by", "the", "guard"],
        ["sdk-sound", "1", "active,", "1", "not", "present", "in", "this", "release"],
        ["sdk-broken", "1", "pending"],
        ["not", "installed:", "sdk-absent"],
        ["Remedy:", "repair", "what", "fails", "below,", "or", "uninstall", "it"],
    ):
        assert words in [line.split() for line in out.splitlines()]


def test_an_sdk_without_its_dependency_is_no_gap_beside_a_guarded_one(
    inspect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    inspect(Target("sdk_sound", "Client.put", _pass_through), Target("sdk_lacking", "Client.put", _pass_through))
    status, report = examined(capsys)
    assert (status, report["reasons"]) == (0, [])


@pytest.mark.parametrize("installed", [False, True])
def test_a_module_that_hides_its_missing_dependency(
    installed: bool,
    inspect: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As in botocore.crt.auth, the error is the same if awscrt is missing or broken."""
    (tmp_path / "sdk_hiding.py").write_text("from sdk_sound import optional\n")
    if installed:
        (tmp_path / "sdk_optional.py").write_text("raise OSError('a library of another platform')\n")
    monkeypatch.setattr(inspection, "NEEDS", {"sdk_hiding": "sdk_optional"})
    inspect(Target("sdk_sound", "Client.put", _pass_through), Target("sdk_hiding", "Auth.sign", _pass_through))
    status, report = examined(capsys)
    [module] = [module for module in report["modules"] if module["name"] == "sdk_hiding"]
    if installed:
        assert (status, module["state"]) == (1, "failed")
        assert report["reasons"] == ["cannot be imported, so whether its calls are guarded is unknown: sdk_hiding"]
    else:
        assert (status, report["reasons"]) == (0, [])
        assert (module["state"], module["error"]) == ("unusable", "sdk_optional is not installed")


def test_an_optional_target_that_is_present_and_cannot_be_hooked_is_a_gap(
    inspect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    inspect(
        Target("sdk_sound", "Client.put", _pass_through),
        Target("sdk_sound", "Client.get", _fail, optional=True),
        Target("sdk_sound", "Client.head", _fail, optional=True),
    )
    with pytest.warns(SSEGuardWarning, match=r"sdk_sound\.Client\.get"):
        status, report = examined(capsys)
    assert status == 1
    assert [(hook["name"], hook["state"], hook["gap"]) for hook in report["hooks"]] == [
        ("sdk_sound.Client.put", "active", False),
        ("sdk_sound.Client.get", "unsupported", True),
        ("sdk_sound.Client.head", "unsupported", False),
    ]
    assert report["reasons"] == ["not hooked, so calls pass unguarded: sdk_sound.Client.get"]


def test_warn_is_a_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OBS_SSE_GUARD", "warn")
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.startswith("NOT PROTECTED: OBS_SSE_GUARD=warn only logs what would be refused\n")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("failed", "sdk cannot be imported, and there is no other SDK"),
        ("unusable", "sdk cannot be imported, and there is no other SDK"),
        ("absent", "no supported SDK is installed"),
    ],
)
def test_an_sdk_that_cannot_be_used_is_a_reason(state: str, reason: str) -> None:
    sdk = Package("sdk", None, is_sdk=True, state=state)
    [why] = inspection._reasons(settings.Settings(), [], [sdk], [], [])
    assert why.what.startswith(reason)
    assert why.remedy


def test_every_mode_but_enforce_has_its_reason() -> None:
    assert set(inspection._NOT_ENFORCED) == {*Mode} - {Mode.ENFORCE}


# ---------------------------------------------------------------------------------------- hazards

APPLIES: dict[str, tuple[dict[str, str], str]] = {
    "esdk-too-old": ({SDK: "3.20.9.1"}, "3.11.1"),
    "esdk-https-broken": ({SDK: "3.23.12"}, "3.12.0"),
    "esdk-requests-undeclared": ({SDK: "3.24.12"}, "3.11.1"),
    "esdk-unverified-tls": ({SDK: "3.26.6"}, "3.11.1"),
    "esdk-host-unchecked": ({SDK: "3.26.6"}, "3.11.1"),
    "esdk-keys-in-log": ({SDK: "3.26.6"}, "3.11.1"),
    "esdk-follows-redirects": ({SDK: "3.26.6"}, "3.11.1"),
    "botocore-too-old": ({"botocore": "1.28.99"}, "3.11.1"),
    "botocore-use-ssl": ({"botocore": "1.40.14"}, "3.11.1"),
    "botocore-key-in-url": ({"botocore": "1.43.0"}, "3.11.1"),
    "botocore-keys-in-log": ({"botocore": "1.43.0"}, "3.11.1"),
    "aiobotocore-follows-redirects": ({"aiobotocore": "3.10.0"}, "3.11.1"),
    "crt-ignores-endpoint": ({"awscrt": "0.38.1", "s3transfer": "0.19"}, "3.11.1"),
    "polars-follows-redirects": ({"polars": "2.1.0"}, "3.11.1"),
    "obstore-follows-redirects": ({"obstore": "0.12.1"}, "3.11.1"),
    "deltalake-follows-redirects": ({"deltalake": "1.6.6"}, "3.11.1"),
    "pylance-follows-redirects": ({"pylance": "14.0.2"}, "3.11.1"),
    "polars-too-old": ({"polars": "1.20.0"}, "3.11.1"),
    "deltalake-too-old": ({"deltalake": "0.25.5"}, "3.11.1"),
    "pylance-too-old": ({"pylance": "0.20.0"}, "3.11.1"),
    "wrapt-too-old": ({"wrapt": "1.15.0"}, "3.11.1"),
    "wrapt-2.2.0": ({"wrapt": "2.2.0"}, "3.11.1"),
    "python-untested": ({}, "3.15.0a1"),
}
DOES_NOT_APPLY: dict[str, list[tuple[dict[str, str], str]]] = {
    "esdk-too-old": [({SDK: "3.20.11"}, "3.11.1"), ({}, "3.11.1")],
    "esdk-https-broken": [({SDK: "3.23.12"}, "3.11.9"), ({SDK: "3.24.3"}, "3.13.0")],
    "esdk-requests-undeclared": [
        ({SDK: "3.24.12", "requests": "2.0"}, "3.11.1"),
        ({SDK: "3.24.6.1"}, "3.11.1"),
        ({SDK: "3.25.3"}, "3.11.1"),
    ],
    "botocore-too-old": [({"botocore": "1.29.0"}, "3.11.1")],
    "botocore-use-ssl": [({"botocore": "1.40.15"}, "3.11.1")],
    "crt-ignores-endpoint": [({"awscrt": "0.38.1"}, "3.11.1")],
    "polars-too-old": [({"polars": "1.23.0"}, "3.11.1")],
    "deltalake-too-old": [({"deltalake": "1.0.0"}, "3.11.1")],
    "pylance-too-old": [({"pylance": "0.24.0"}, "3.11.1")],
    "wrapt-too-old": [({"wrapt": "1.16.0"}, "3.11.1")],
    "wrapt-2.2.0": [({"wrapt": "2.2.1"}, "3.11.1"), ({"wrapt": "2.1.2"}, "3.11.1")],
    "python-untested": [({}, "3.14.2")],
}


def ids(found: dict[str, str], python: str) -> set[str]:
    return {hazard.id for hazard in HAZARDS if hazard.applies(found, python)}


def test_every_hazard_applies_to_its_releases_only() -> None:
    assert set(APPLIES) == {hazard.id for hazard in HAZARDS}
    for name, (found, python) in APPLIES.items():
        assert name in ids(found, python)
        for hazard in HAZARDS:
            if hazard.package and hazard.package not in found:
                assert hazard.id not in ids(found, python)
    for name, cases in DOES_NOT_APPLY.items():
        for found, python in cases:
            assert name not in ids(found, python)


def test_every_hazard_is_about_a_package_that_is_looked_up() -> None:
    known = {package.distribution for package in packages.PACKAGES}
    for hazard in HAZARDS:
        assert {hazard.package, hazard.without, hazard.beside} - {""} <= known
        assert not hazard.what.endswith(".")
        assert not hazard.remedy.endswith(".")


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("3.24.6.1", (3, 24, 6, 1)), ("1.40.0rc1", (1, 40, 0)), ("", ()), ("2.5", (2, 5)), ("3.14.0+", (3, 14, 0))],
)
def test_a_version_is_parsed_into_its_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert parsed(version) == numbers


def test_the_hazards_of_the_installed_releases_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _, report = examined(capsys)
    found = {row["name"]: row["version"] for row in report["packages"] if row["version"]}
    assert {hazard["id"] for hazard in report["hazards"]} == ids(found, report["python"]["version"])
    out, short = (" ".join(shown(capsys, *words).split()) for words in (["--verbose"], []))
    for hazard in report["hazards"]:
        line = f"{hazard['id']}: {hazard['what']}. Remedy: {hazard['remedy']}."
        assert line in out
        assert (line in short) is not hazard["remedy"].startswith("none needed")
        assert hazard["id"] in short


@pytest.mark.parametrize(("columns", "width"), [("60", 60), ("80", 80), ("200", 100), ("20", 40)])
def test_lines_fit_the_terminal(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("OBS_SSE_GUARD_TRUSTED_HOSTS", "*.com")
    for words in ((), ("--verbose",)):
        too_long = [line for line in shown(capsys, *words).splitlines() if len(line) > width]
        assert all(len(line.split()) == 1 or sys.executable in line for line in too_long), "only what cannot be broken"


def test_the_hazards_and_patchers_of_another_environment(site: Site) -> None:
    site.distribution("moto", "5.0")
    site.distribution(SDK, "3.20.9.1")
    done = command("doctor", python=("-S", "-m", "obs_sse_guard"), environment={"PYTHONPATH": str(site.folder)})
    assert "moto 5.0, not loaded here: " in done.stdout
    assert "esdk-too-old: " in done.stdout
    assert done.stdout.index("esdk-too-old: ") < done.stdout.index("\nHooks\n"), "what is wrong comes first"


@pytest.mark.parametrize("words", [["doctor", "--jsn"], ["doctor", "now"]])
def test_invalid_words_exit_with_2(words: list[str]) -> None:
    done = command(*words)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_doctor_does_not_change_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    examined(capsys)
    assert dict(os.environ) == before
