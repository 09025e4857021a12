"""``obs-sse-guard run``: unmodified programs, and the processes that they start."""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
import venv
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import obs_sse_guard
from obs_sse_guard._cli import run as run_command
from obs_sse_guard._cli.main import main
from tests.support.environments import installed
from tests.support.servers import LOOPBACK, RecordingServer, assert_silent, leaks
from tests.support.sse import KEY

HOME = Path(obs_sse_guard.__file__).parent.parent
GUARD = (sys.executable, "-m", "obs_sse_guard", "run")
SECONDS = 60

pytestmark = pytest.mark.measured_processes  # the bootstrap runs only there

posix = pytest.mark.skipif(os.name == "nt", reason="shells, signals and exec as POSIX has them")

needs_obs = pytest.mark.skipif(not installed("esdk-obs-python"), reason="esdk-obs-python is not installed here")

UPLOAD = f"""
from obs import ObsClient, PutObjectHeader, SseCHeader

def put(url):
    client = ObsClient(access_key_id="id", secret_access_key="secret", server=url)
    header = PutObjectHeader(sseHeader=SseCHeader.getInstance({KEY!r}))
    try:
        client.putContent("bucket", "object", "content", headers=header)
    except RuntimeError as error:
        return type(error).__name__
    finally:
        client.close()
    return "sent"
"""

APP = """
import json, multiprocessing, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
from upload import put

def in_a_child(url):
    child = [sys.executable, "-c", "import sys, upload; print(upload.put(sys.argv[1]))", url]
    return subprocess.check_output(child, cwd=sys.path[0], text=True, timeout=60).strip()

def in_a_pool(method, url):
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        return pool.submit(put, url).result(timeout=60)

if __name__ == "__main__":
    url = sys.argv[1]
    pools = {method: in_a_pool(method, url) for method in multiprocessing.get_all_start_methods()}
    print(json.dumps({"itself": put(url), "a child": in_a_child(url), **pools}))
"""

WSGI = """
import os
from upload import put

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {put(environ['QUERY_STRING'])}".encode()]
"""

# Whatever happens to the test: the alarm ends the arbiter, and workers end with their arbiter.
GUNICORN = f"""
import signal
signal.alarm({SECONDS})
control_socket_disable = True  # it would be in the user's home
"""

REPORT = """
import json, sys
loaded = "obs_sse_guard" in sys.modules
import http.client
print(json.dumps([sys.argv[1:], [loaded, "obs_sse_guard" in sys.modules], sys.stdin.read()]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the programs."""
    programs = {"upload.py": UPLOAD, "app.py": APP, "wsgi.py": WSGI, "gunicorn.conf.py": GUNICORN, "report.py": REPORT}
    for name, text in programs.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def environment(**variables: str) -> dict[str, str]:
    """Return a child's environment that can import the guard, installed or not."""
    return {**os.environ, "PYTHONPATH": str(HOME), **variables}


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    options = {"env": environment(), "timeout": SECONDS, **options}
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def last_line(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_required_but_missing_the_guard_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: coverage.py cannot save what it measured at ``os._exit``."""

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setitem(sys.modules, "_obs_sse_guard_startup", None)
    monkeypatch.setenv("_OBS_SSE_GUARD_REQUIRE", "1")
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(run_command.BOOTSTRAP) / "sitecustomize.py"))
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("obs-sse-guard run: NOT GUARDED: ")


def test_a_python_without_the_guard_and_without_stderr_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: a Python without the guard has no coverage.py either."""
    following = ModuleType("sitecustomize")
    monkeypatch.setitem(sys.modules, "_obs_sse_guard_startup", None)
    monkeypatch.setitem(sys.modules, "sitecustomize", following)
    monkeypatch.setattr(importlib, "import_module", lambda _: following)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "stderr", None)
    runpy.run_path(str(Path(run_command.BOOTSTRAP) / "sitecustomize.py"))
    assert sys.path[0] == run_command.BOOTSTRAP


# ------------------------------------------------------------------------------ guarded processes


@needs_obs
def test_the_program_and_every_python_process_of_it_is_guarded(folder: Path, http: RecordingServer) -> None:
    outcome = last_line(run(*GUARD, "--", sys.executable, folder / "app.py", http.url))
    assert {"itself", "a child", "spawn"} <= outcome.keys()
    assert set(outcome.values()) == {"SSETransportError"}, outcome
    assert_silent(http)


@needs_obs
@pytest.mark.full
def test_without_run_every_process_sends_the_key(folder: Path, http: RecordingServer) -> None:
    outcome = last_line(run(sys.executable, folder / "app.py", http.url))
    assert set(outcome.values()) == {"sent"}, outcome
    assert len([call for call in http.calls if call.method == "PUT"]) == len(outcome)
    assert leaks(http.wire, KEY)


@needs_obs
def test_off_stays_off(folder: Path, http: RecordingServer) -> None:
    code = "import sys, upload; print(upload.put(sys.argv[1]))"
    command = (*GUARD, sys.executable, "-c", code, http.url)
    assert run(*command, cwd=folder, env=environment(OBS_SSE_GUARD="off")).stdout == "sent\n"
    assert run(*command, cwd=folder).stdout == "SSETransportError\n"


def _ask_until_two_workers_have_answered(port: int, query: str) -> dict[str, str]:
    outcome: dict[str, str] = {}
    deadline = time.monotonic() + SECONDS
    while len(outcome) < 2 and time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/?{query}", timeout=SECONDS) as answer:
            worker, result = answer.read().decode().split()
        outcome[worker] = result
    return outcome


@posix
@needs_obs
@pytest.mark.skipif(not installed("gunicorn"), reason="gunicorn is not installed here")
@pytest.mark.parametrize(("launcher", "result"), [(GUARD, "SSETransportError"), ((), "sent")], ids=["run", "plain"])
@pytest.mark.sampled
def test_every_worker_of_gunicorn_is_guarded(
    launcher: tuple[str, ...], result: str, folder: Path, http: RecordingServer
) -> None:
    gunicorn = Path(sys.executable).with_name("gunicorn")
    with socket.create_server((LOOPBACK, 0)) as listener:
        bind = ("--workers", "2", "--bind", f"fd://{listener.fileno()}")
        with subprocess.Popen(
            [*launcher, gunicorn, *bind, "wsgi:app"], cwd=folder, env=environment(), pass_fds=[listener.fileno()]
        ) as arbiter:
            try:
                outcome = _ask_until_two_workers_have_answered(listener.getsockname()[1], http.url)
            finally:
                arbiter.terminate()
            assert arbiter.wait(SECONDS) == 0
    assert len(outcome) == 2
    assert set(outcome.values()) == {result}
    assert bool(http.connections) is (result == "sent")


# ----------------------------------------------------------------------------------- command lines

WORDS = ["--help", "-m", "x", "--", "--version", "", "run"]
FORMS = {
    "a program": ("--", sys.executable, "report.py"),
    "a script": ("report.py",),
    "a module": ("-m", "report"),
    "a module after --": ("--", "-m", "report"),
    "run by run": (*GUARD, *GUARD, "report.py"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.sampled
def test_the_program_gets_its_words_and_streams(form: str, folder: Path) -> None:
    done = run(*GUARD, *FORMS[form], *WORDS, cwd=folder, input="typed")
    assert last_line(done) == [WORDS, [False, True], "typed"]


@posix
def test_a_console_script_is_found_as_the_shell_finds_it(folder: Path) -> None:
    tool = folder / "tool"
    tool.write_text(f"#!{sys.executable}\n{REPORT}", encoding="utf-8")
    tool.chmod(0o755)
    search = os.pathsep.join((str(folder), os.environ["PATH"]))
    done = run(*GUARD, "tool", *WORDS, env=environment(PATH=search), input="typed")
    assert last_line(done) == [WORDS, [False, True], "typed"]


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ((), 2, "obs-sse-guard run: error: the following arguments are required: program"),
        (("--nonsense", "python"), 2, "obs-sse-guard: error: unrecognized arguments: --nonsense"),
        (("--require", "--nonsense"), 2, "obs-sse-guard run: error: the following arguments are required: program"),
        (("--require",), 2, "obs-sse-guard run: error: the following arguments are required: program"),
        (("--require", "--"), 2, "obs-sse-guard run: no program given"),
        (("--require", "no-such-program"), 127, "obs-sse-guard run: no-such-program: No such file or directory"),
        (("--",), 2, "obs-sse-guard run: no program given"),
        (("--", ""), 2, "obs-sse-guard run: no program given"),
        (("no-such-program", "--help"), 127, "obs-sse-guard run: no-such-program: No such file or directory"),
        (("no-such-script.py",), 127, "obs-sse-guard run: no-such-script.py: No such file or directory"),
        pytest.param(("./upload.txt",), 126, "obs-sse-guard run: ./upload.txt: Permission denied", marks=posix),
    ],
)
def test_what_cannot_be_run_is_explained_in_one_line(
    words: tuple[str, ...], status: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "upload.txt").write_text("text", encoding="utf-8")
    returned, errors = _outcome(words, tmp_path, capsys)
    assert returned == status
    assert errors.splitlines()[-1] == line
    assert "Traceback" not in errors


def _outcome(words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return status and errors; from this process, unless a program replaces it."""
    if any("no-such" in word or "upload" in word for word in words):
        done = run(*GUARD, *words, cwd=folder)
        return done.returncode, done.stderr
    try:
        status = main(["run", *words])
    except SystemExit as error:  # of argparse
        status = int(error.code or 0)
    return status, capsys.readouterr().err


def test_the_help_names_the_limits() -> None:
    done = run(*GUARD, "--help")
    assert done.returncode == 0
    for word in ("--require", "-m MODULE", "SCRIPT.py", "-I, -E or -S", "127", "126"):
        assert word in " ".join(done.stdout.split())


@posix
@pytest.mark.parametrize("name", ["python", "python3", f"python3.{sys.version_info.minor}"])
@pytest.mark.sampled
def test_a_bare_python_is_this_one(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("#!/bin/sh\necho another Python\n", encoding="utf-8")
    (tmp_path / name).chmod(0o755)
    search = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
    code = "import http.client, sys; print(sys.executable, 'obs_sse_guard' in sys.modules)"
    done = run(*GUARD, "--", name, "-c", code, env=environment(PATH=search))
    assert (done.returncode, done.stdout) == (0, f"{sys.executable} True\n")
    assert run(name, "-c", code, env=environment(PATH=search)).stdout == "another Python\n"  # as the shell finds it


def test_a_path_to_python_is_that_python() -> None:
    other = Path("elsewhere", "python")
    assert run_command._command(["--", str(other), "app.py"]) == [str(other), "app.py"]
    assert run_command._command(["python.exe", "app.py"]) == [sys.executable, "app.py"]


# ------------------------------------------------------------------------- exit status and signals


@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_status_is_that_of_the_program(status: int) -> None:
    assert run(*GUARD, sys.executable, "-c", f"raise SystemExit({status})").returncode == status


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGPIPE", "SIGXFSZ"])
@pytest.mark.sampled
def test_a_program_killed_by_a_signal_looks_so_to_its_parent(name: str, tmp_path: Path) -> None:
    # Python ignores the last two, and a program that replaces it would inherit that.
    number = signal.Signals[name]
    if name == "SIGINT":  # these tests may run in the background of a script, where a shell has it ignored
        signal.signal(number, signal.default_int_handler)
    assert run(*GUARD, "sh", "-c", f"kill -{number:d} $$; echo alive", cwd=tmp_path).returncode == -number


WAITS = """
import os, signal, sys, time
signal.signal(int(sys.argv[1]), lambda number, _: sys.exit(number + 40))
print(os.getpid(), flush=True)
time.sleep(60)
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_program(number: signal.Signals) -> None:
    command = [*GUARD, sys.executable, "-c", WAITS, str(int(number))]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert int(process.stdout.readline()) == process.pid
            process.send_signal(number)
            assert process.wait(SECONDS) == number + 40
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((sys.executable, "-c", "import http.client, sys; sys.exit(3 + 2 * ('obs_sse_guard' in sys.modules))"), 5),
        (("no-such-program",), 127),
    ],
)
def test_on_windows_the_program_is_a_child(words: tuple[str, ...], status: int) -> None:
    code = "import sys; from obs_sse_guard._cli import main, run; run._start = run._wait; sys.exit(main.main())"
    assert run(sys.executable, "-c", code, "run", *words).returncode == status


@posix
def test_on_windows_ctrl_c_is_left_to_the_program() -> None:
    code = "import sys; from obs_sse_guard._cli import main, run; run._start = run._wait; sys.exit(main.main())"
    command = [sys.executable, "-c", code, "run", sys.executable, "-c", WAITS, str(int(signal.SIGINT))]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            assert process.wait(SECONDS) == signal.SIGINT + 40
        finally:
            process.kill()


# ------------------------------------------------------------------------------------ PYTHONPATH


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ()),
        ("", ()),
        ("/a", ("/a",)),
        (os.pathsep.join(("/a", "/b")), ("/a", "/b")),
        (os.pathsep.join(("", "/a")), ("", "/a")),  # an entry of the user's for the working directory
    ],
)
@pytest.mark.sampled
def test_pythonpath_gains_one_entry_and_loses_none(before: str | None, after: tuple[str, ...]) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables.update({} if before is None else {"PYTHONPATH": before})
    code = "import os; print(os.environ['PYTHONPATH'])"
    done = run(*GUARD, sys.executable, "-S", "-c", code, env=variables, cwd=HOME)
    assert done.stdout.strip().split(os.pathsep) == [run_command.BOOTSTRAP, *after]


def test_a_run_within_a_run_adds_nothing() -> None:
    assert run_command.python_path(os.pathsep.join(("/a", run_command.BOOTSTRAP))) == os.pathsep.join(
        (run_command.BOOTSTRAP, "/a")
    )


def test_the_bootstrap_folder_has_no_other_module() -> None:
    assert sorted(path.name for path in Path(run_command.BOOTSTRAP).glob("*.*")) == [
        "_obs_sse_guard_enabled.py",  # which `enable` copies, and no package contains
        "sitecustomize.py",
    ]


# --------------------------------------------------------------------- the sitecustomize behind it

SEEN = """
import json, sys
before = dict(vars(sys.modules.get("sitecustomize", sys)))
try:
    import sitecustomize
except ImportError as error:
    seen = [type(error).__name__, error.name, str(error)]
else:
    seen = [sitecustomize.__name__, sitecustomize.__file__, sitecustomize.__spec__.origin, sitecustomize.__package__]
path = [entry for entry in sys.path if not entry.endswith("_bootstrap")]
print(json.dumps([before.get("marker"), before["__name__"], seen, path, "sitecustomize" in sys.modules]))
"""


def behind(path: Path) -> tuple[str, ...]:
    """Return a launcher that lets a program, but not `run`, find modules here."""
    return ("sh", "-c", 'PYTHONPATH="$PYTHONPATH:$0" exec "$@"', str(path))


@posix
@pytest.mark.parametrize(
    "text",
    [
        None,
        "marker = 'set'",
        pytest.param("import sys\nsys.path.insert(0, '/their/own')\nmarker = __name__", marks=pytest.mark.full),
        pytest.param("import no_such_module", marks=pytest.mark.full),
        "raise ImportError('never mind', name='sitecustomize')",
        "raise RuntimeError('broken')",
        "raise SystemExit(7)",
        pytest.param("a syntax error", marks=pytest.mark.full),
    ],
)
@pytest.mark.sampled
def test_the_users_sitecustomize_runs_as_without_the_guard(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "sitecustomize.py").write_text(text, encoding="utf-8")
    command = (sys.executable, "-c", SEEN)
    plain = run(*behind(tmp_path), *command)
    guarded = run(*GUARD, *behind(tmp_path), *command)
    assert guarded.stdout == plain.stdout
    assert guarded.returncode == plain.returncode
    assert _errors(guarded) == _errors(plain)
    assert bool(_errors(plain)) is ("broken" in str(text) or "no_such" in str(text) or "syntax" in str(text))


def _errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"^Error in sitecustomize.*\n.*", done.stderr, re.MULTILINE)


def test_children_with_sys_path_as_pythonpath_are_guarded() -> None:
    code = """
    import os, subprocess, sys
    child = [sys.executable, "-c", "import http.client, sys; print('obs_sse_guard' in sys.modules)"]
    subprocess.run(child, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=True)
    """
    assert run(*GUARD, sys.executable, "-c", textwrap.dedent(code)).stdout == "True\n"


# ------------------------------------------------------------------------- Python without the guard


def test_another_python_without_the_guard_runs_and_warns(tmp_path: Path) -> None:
    venv.create(tmp_path, symlinks=os.name != "nt")
    python = tmp_path / ("Scripts" if os.name == "nt" else "bin") / "python"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = run(*GUARD, python, "-c", "print('ran')", env=variables, cwd=HOME)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.count("NOT GUARDED") == 1
    assert f"obs-sse-guard run: NOT GUARDED: {python}: ModuleNotFoundError: No module named" in done.stderr


@pytest.fixture
def python_without_guard(tmp_path: Path) -> Path:
    venv.create(tmp_path / "another", symlinks=os.name != "nt")
    return tmp_path / "another" / ("Scripts" if os.name == "nt" else "bin") / "python"


def outside(**variables: str) -> dict[str, str]:
    """Return an environment that shows the guard to no other Python."""
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **variables}


FORMS_OF_REQUIRE: dict[str, tuple[str, ...]] = {
    "alone": ("--require",),
    "before --": ("--require", "--"),
    "twice": ("--require", "--require"),
}


@pytest.mark.parametrize("form", FORMS_OF_REQUIRE)
@pytest.mark.sampled
def test_with_require_another_python_without_the_guard_does_not_run(form: str, python_without_guard: Path) -> None:
    command = (*GUARD, *FORMS_OF_REQUIRE[form], str(python_without_guard), "-c", "print('ran')")
    done = run(*command, env=outside(), cwd=HOME)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("NOT GUARDED") == 1
    assert "Traceback" not in done.stderr


def test_with_require_no_python_runs_without_the_guard_further_down(python_without_guard: Path) -> None:
    code = "import subprocess, sys; print(subprocess.run([sys.argv[1], '-c', 'print(1)']).returncode)"
    done = run(*GUARD, "--require", "python", "-c", code, python_without_guard, env=outside(), cwd=HOME)
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert done.stderr.count("NOT GUARDED") == 1
    assert run(*GUARD, "python", "-c", code, python_without_guard, env=outside(), cwd=HOME).stdout == "1\n0\n"


def test_with_require_a_guarded_program_runs_as_without(folder: Path) -> None:
    done = run(*GUARD, "--require", "report.py", *WORDS, "--require", cwd=folder, input="typed")
    assert last_line(done) == [[*WORDS, "--require"], [False, True], "typed"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("-I", "-c", "print('ran')"), "-I"),
        (("-bE", "-c", "print('ran')"), "-E"),
        (("-W", "ignore", "-X", "dev", "-Wignore", "-S", "-c", "print('ran')"), "-S"),
        (("--check-hash-based-pycs", "never", "-I", "-c", "print('ran')"), "-I"),
    ],
)
def test_an_option_that_keeps_the_guard_out_is_named(words: tuple[str, ...], option: str) -> None:
    line = f"obs-sse-guard run: NOT GUARDED: {sys.executable}: {option} keeps the guard out\n"
    done = run(*GUARD, "python", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", line)
    done = run(*GUARD, "--require", "python", *words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


@posix
@pytest.mark.parametrize("shebang", [f"{sys.executable} -sE", f"/usr/bin/env -S {sys.executable} -sE"])
@pytest.mark.sampled
def test_an_option_in_the_first_line_of_a_script_is_named(shebang: str, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f"#!{shebang}\nprint('ran')\n", encoding="utf-8")
    tool.chmod(0o755)
    line = f"obs-sse-guard run: NOT GUARDED: {tool}: -E keeps the guard out\n"
    done = run(*GUARD, tool)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", line)
    done = run(*GUARD, "--require", tool)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


@pytest.mark.parametrize("name", ["python3-dbg", "python3.13t", "python3.13td", "pythonw.exe", "pypy3"])
def test_python_by_another_name(name: str) -> None:
    assert run_command._barring_option((name, "-I")) == "-I"


@pytest.mark.parametrize(
    "command",
    [
        ("python", "-m", "app", "-I"),
        ("/usr/bin/python3.9", "-c", "code", "-S"),
        ("python", "-Bc", "SIE"),
        ("python", "-mEIS"),
        ("python", "-Xdev", "-W", "-S", "app.py", "-E"),
        ("python", "-W"),
        ("pythonic", "-I"),
        (str(HOME), "-I"),
        ("sort", "-S", "1M"),
        ("python",),
    ],
)
def test_the_options_of_a_program_are_its_own(command: tuple[str, ...]) -> None:
    assert run_command._barring_option(command) == ""


@pytest.fixture
def broken(tmp_path: Path) -> tuple[str, ...]:
    """A launcher of a program in which the guard cannot be imported."""
    (tmp_path / "wrapt.py").write_text("raise ImportError('no wrapt,\\nnot here')", encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text("marker = 'set'", encoding="utf-8")
    # Before the guard, which may be installed beside the real wrapt.
    return ("sh", "-c", 'PYTHONPATH="${PYTHONPATH%%:*}:$0:${PYTHONPATH#*:}" exec "$@"', str(tmp_path))


RAN = (sys.executable, "-c", "import sitecustomize, http.client; print(sitecustomize.marker)")


@posix
def test_a_guard_that_fails_prints_one_line_and_the_program_runs(broken: tuple[str, ...]) -> None:
    done = run(*GUARD, *broken, *RAN)
    line = f"obs-sse-guard: NOT GUARDED: {sys.executable}: ImportError: no wrapt, not here\n"
    assert (done.returncode, done.stdout) == (0, "set\n"), done.stderr
    assert line in done.stderr


@posix
def test_with_require_a_guard_that_fails_stops_the_program(broken: tuple[str, ...]) -> None:
    done = run(*GUARD, "--require", *broken, *RAN)
    assert (done.returncode, done.stdout) == (1, "")
    assert "NOT GUARDED" in done.stderr


@posix
def test_with_require_a_guard_that_fails_stops_the_program_without_stderr_too(broken: tuple[str, ...]) -> None:
    done = run(*GUARD, "--require", *broken, "sh", "-c", 'exec "$@" 2>&-', "sh", *RAN)
    assert (done.returncode, done.stdout) == (1, "")


@posix
def test_a_guard_that_fails_without_stderr_breaks_nothing(broken: tuple[str, ...]) -> None:
    done = run(*GUARD, *broken, "sh", "-c", 'exec "$@" 2>&-', "sh", *RAN)
    assert (done.returncode, done.stdout) == (0, "set\n")


def test_a_script_that_cannot_be_read_has_no_first_line(tmp_path: Path) -> None:
    assert run_command._shebang("no-such-program") == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.which", lambda _: str(tmp_path))
        assert run_command._shebang("a folder") == []
