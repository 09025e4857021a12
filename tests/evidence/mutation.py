"""Write docs/mutation.md: mutation results, and an explanation of each survivor.

``mutmut run`` mutates the modules listed in ``pyproject.toml``, one small change at a time, and runs the fast tests
against each mutant.

    tox -e mutation                      run mutmut and write the page
    python -m tests.evidence.mutation    write the page from the results of the last run; 1 if a survivor is unexplained
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.evidence import today

if TYPE_CHECKING:
    from collections.abc import Callable

MUTANTS = Path("mutants/obs_sse_guard")
PAGE = Path("docs/mutation.md")

KILLED = (1, 3)
"""Exit codes of pytest: a test failed, or the mutant cannot be imported."""
TIMED_OUT = (24, 36, 152, 255, -24)
UNTESTED = (5, 33)

_FRAMES = (
    "`test_a_warning_points_at_the_callers_line` detects this, but it cannot run under mutmut, "
    "which inserts stack frames."
)
_NO_ARGUMENTS = "Equivalent: logging does not format a message without arguments."
_ERROR_NUMBER = "Only the text of the error is shown. Its number says that no system call failed."
_LAST_BYTE = "Equivalent: only the last byte is left to read."
_TRUTH = "Equivalent: only the truth of the value matters."
_KEYS = "Equivalent: only the keys of the dict are read."
_OLDER_PYTHON = "Only Python 3.9 and 3.10 use the fallback; there the tests of the call site detect this."
_FASTER = "Equivalent: the branch only saves time."
_LOWER_CASE = "Equivalent: the text is in lower case, without an X."
_NO_FOLDERS = "Equivalent: a module that raises here has no folders either."
_REPLACED = "Equivalent: it is replaced before it is read."
_NO_MODULE = "Equivalent: no module has such a name."
_DEPTH = "The depth is arbitrary, but bounded; what is deeper is redacted as text."
_AFTER_A_NAME = "Equivalent: a name stands before the value, so that its end is never 0."
_BEFORE_A_VALUE = "Equivalent: a separator stands before the value, and none ends like this."
EXPLAINED = {
    "warnings.warn(message, SSEGuardWarning, )": _FRAMES,
    "warnings.warn(message, SSEGuardWarning, stacklevel=3)": _FRAMES,
    'logging.getLogger("obs_sse_guard").warning(message)': _NO_ARGUMENTS,
    "logger.warning(log_text(decision) if count == 1 else _repeated(decision, count), extra=extra)": _NO_ARGUMENTS,
    'raise OSError(None, "a line was cut short")': _ERROR_NUMBER,
    'raise OSError(1, "a line was cut short")': _ERROR_NUMBER,
    'return file.read(None) not in (b"\\n", b"")': _LAST_BYTE,
    'return file.read(2) not in (b"\\n", b"")': _LAST_BYTE,
    "_enabled = None": _TRUTH,
    "self.is_over = None": _TRUTH,
    "self.is_over: bool = None": _TRUTH,
    "return ipaddress.ip_network(entry, strict=None)": _TRUTH,
    "self._uploads.popitem(last=None)": _TRUTH,
    "self._counts.popitem(last=None)": _TRUTH,
    'self._uploads[endpoint, bucket, upload_id] = ""': _KEYS,
    'self._seen[key] = ""': _KEYS,
    "self._fields: dict[str, Any] = None": _REPLACED,
    "end = None": _REPLACED,
    "frame = None": _FASTER,
    "frame = _application_frame(None)": _FASTER,
    "return id(frame) if (frame is not None) and False else caller().id": _FASTER,
    "while end > 0 and text.endswith(_BACKSLASHES, start, end):": _AFTER_A_NAME,
    "while end >= 1 and text.endswith(_BACKSLASHES, start, end):": _AFTER_A_NAME,
    "return end if end > 0 else len(text)": _AFTER_A_NAME,
    "return end if end >= 1 else len(text)": _AFTER_A_NAME,
    "while end >= 0 and text.endswith(_BACKSLASHES, None, end):": _BEFORE_A_VALUE,
    (
        'repeated = f"; {count} occurrences, {count - count // 10} since last logged" if count > 2 else ""'
    ): "Equivalent: the counts that are logged are 1, 10, 100, and so on.",
    'return str(getattr(code, "co_qualname", None))': _OLDER_PYTHON,
    'return str(getattr(code, "co_qualname", ))': _OLDER_PYTHON,
    'text = host if (isinstance(host, str)) and False else to_text(host or "")': _FASTER,
    "mode = _verify_mode(context) if (type(context) is _PLAIN_CONTEXT) and False else context.verify_mode": _FASTER,
    "mode = _verify_mode(context) if type(None) is _PLAIN_CONTEXT else context.verify_mode": _FASTER,
    "return [str(value)] if (type(value).__str__ is _PLAIN_STR) and False else [str(value), repr(value)]": _FASTER,
    "lower = text.lower() if (text.isascii()) and False else fold(text).decode()": _FASTER,
    "lower = text.lower() if (text.isascii()) or True else fold(text).decode()": _FASTER,
    'return "encryption" in lower or "ssecustomerkey" in lower or "sseheader" not in lower': _FASTER,
    "yield blanks.end() if (blanks) or True else start, _line_end(text, start)": (
        "Equivalent: the pattern also matches where there are no blanks."
    ),
    "while end > 0 and (": _AFTER_A_NAME,
    "while end >= 1 and (": _AFTER_A_NAME,
    "if end <= 0:": _AFTER_A_NAME,
    "if end < 1:": _AFTER_A_NAME,
    (
        '(is_escaped and text.endswith(b"\\\\", None, end)) or not next_line.match(text, end + len(newline))'
    ): _BEFORE_A_VALUE,
    "return end - len(carriage_return) if text.endswith(carriage_return, None, end) else end": _BEFORE_A_VALUE,
    'text = text.strip().lower().rstrip("XX.XX").strip("[]")': _LOWER_CASE,
    'text = text.strip().lower().rstrip(".").strip("XX[]XX")': _LOWER_CASE,
    'return text if (text.isascii()) and False else ".".join(map(_encode_label, text.split(".")))': _FASTER,
    "return mask[:0].join([*parts, text[end:]]) if (parts) or True else text": _FASTER,
    "muted = _muted(context.host) if (decisions) or True else frozenset()": _FASTER,
    "return _told.get() or Caller(None, None)": "Equivalent: the id is only compared, and no frame has this one.",
    'labels = suffix.strip("XX.XX").split(".")': _LOWER_CASE,
    'folders += [f"{folder}{os.sep}" for folder in getattr(sys.modules.get(name), "__path__", None)]': _NO_FOLDERS,
    'folders += [f"{folder}{os.sep}" for folder in getattr(sys.modules.get(name), "__path__", )]': _NO_FOLDERS,
    **dict.fromkeys(
        (
            f"if {look} and type({context}) is _PLAIN_CONTEXT and _verify_mode(context):"
            for look, context in (
                ('_reported.get(None) == "unverified-host"', "context"),
                ('_reported.get(client) == "XXunverified-hostXX"', "context"),
                ('_reported.get(client) == "UNVERIFIED-HOST"', "context"),
                ('_reported.get(client) == "unverified-host"', "None"),
            )
        ),
        _FASTER,
    ),
    **dict.fromkeys(
        (f'module = frame.f_globals.get("__name__", {default})' for default in ("None", "", '"XXXX"')), _NO_MODULE
    ),
    "return next(filter(None, known), )": "Equivalent: the caller takes a failure for nothing.",
    **dict.fromkeys(
        (
            'text = "XX\\nXX".join(text for one in _chain(error) for text in _written(one))',
            'text = "XX\\nXX".join(texts)',
            'texts.append("XX\\nXX".join(value))',
            'joined = "XX\\nXX".join(names)',
            (
                "if not (values or mentions_key(text) or "
                '(wire_data and wire_data_mentions_key(b"XX\\nXX".join(wire_data)))):'
            ),
        ),
        "Equivalent: no name of a key begins in one text and ends in the next.",
    ),
    "values = _header_values(error, text) if (error) or True else []": _FASTER,
    "return names_sse(None) and parse_headers(named).target is Encryption.SSE_KMS": _FASTER,
    **dict.fromkeys(
        (
            "values = [message, *args] if (type(args) is tuple) and False else [message, args]",
            "values = [message, *args] if type(None) is tuple else [message, args]",
            'texts.append("\\n".join(None))',
        ),
        "Equivalent: what is in it is looked at next.",
    ),
    "kind = None": "Equivalent: what an object contains is also in its text, which is slower to write.",
    "args = tuple(map(_redacted, args)) if (isinstance(args, tuple)) and False else _redacted(args)": (
        "Equivalent, but that the second of two arguments is redacted if the first is the name of a key."
    ),
    "elif kind is dict and len(values) <= _MAX_VALUES:": _DEPTH,
    "elif kind in _SEQUENCES and len(values) <= _MAX_VALUES:": _DEPTH,
    "def _redacted(value: Any, depth: int = 1) -> Any:": _DEPTH,
    "if kind is dict and depth <= _MAX_DEPTH:": _DEPTH,
    "if kind in _SEQUENCES and depth <= _MAX_DEPTH:": _DEPTH,
    (
        "name: _mask(entry) if is_key_name(name) else _redacted(entry, depth + 2) for name, entry in [*value.items()]"
    ): _DEPTH,
    "return kind([_redacted(one, depth + 2) for one in [*value]])": _DEPTH,
    "self._notes[key] = weakref.ref(owner, lambda _: notes.pop(key, )), value": (
        "The note is there until this removes it; the default is a precaution."
    ),
    "self.reported = None": _TRUTH,
    "this_call = caller_id() if (calls) or True else 0": _FASTER,
    "this_call = caller_id() if calls else 1": "Equivalent: without calls there is nothing to compare it with.",
    "end = text.find(newline, end + 2)": "Equivalent: a newline that is followed by another ends the value.",
}
"""By mutated line without its comment, why no test can, or need, detect it."""

_KINDS = (
    (
        re.compile(r"""(?<=code\()(["'])(?:ascii|latin-1|punycode|utf-8)\1"""),
        lambda found: found[0].upper(),
        "Equivalent: the names of encodings are not case-sensitive.",
    ),
    (
        re.compile(r'(?<=check\(context\.operation, )"http"'),
        lambda found: found[0].upper(),
        "Equivalent: the names of schemes are not case-sensitive.",
    ),
    (
        re.compile(r"(?<=start\(\) - )60|(?<=start - )120"),
        lambda found: str(int(found[0]) + 1),
        "How far the scanner looks back is arbitrary, but bounded; no form of text needs as much.",
    ),
)
"""Kinds of mutants: what changes in the line, to what, and why none is detected."""


class Mutant(NamedTuple):
    """A surviving mutant: its name, the original line and the mutated line."""

    name: str
    was: str
    became: str

    @property
    def explanation(self) -> str:
        """Return why it may survive; empty if unexplained."""
        kinds = (why for pattern, change, why in _KINDS if self.became in _changed(self.was, pattern, change))
        return EXPLAINED.get(self.became.partition("  # ")[0]) or next(kinds, "")


def _changed(line: str, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]) -> list[str]:
    """Return the line with each match of a pattern changed in turn."""
    return [line[: found.start()] + change(found) + line[found.end() :] for found in pattern.finditer(line)]


def outcomes() -> dict[str, dict[str, int | None]]:
    """Return the exit code of every mutant, by module path within the package."""
    return {
        path.relative_to(MUTANTS).with_suffix("").as_posix(): json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        for path in sorted(MUTANTS.rglob("*.meta"))
    }


def kind(code: int | None) -> str:
    """Return the result of a mutant, as the page names it."""
    if code in KILLED:
        return "killed"
    if code in TIMED_OUT:
        return "timed out"
    return "untested" if code in UNTESTED else "survived"


def survivors(found: dict[str, dict[str, int | None]]) -> list[Mutant]:
    """Return the mutants that no test detects."""
    names = [name for codes in found.values() for name, code in codes.items() if kind(code) in ("survived", "untested")]
    return [_mutant(name) for name in names]


def _mutant(name: str) -> Mutant:
    diff = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    changed = re.findall(r"(?m)^([-+])(?![-+]{2} )\s*(.*)$", diff)
    was, became = (" ".join(line for sign, line in changed if sign == wanted) for wanted in "-+")
    return Mutant(name, was, became)


def page(found: dict[str, dict[str, int | None]], alive: list[Mutant], date: str) -> str:
    """Return the text of the page, with the figures of this run."""
    counts = {module: Counter(map(kind, codes.values())) for module, codes in found.items()}
    columns = ("killed", "timed out", "survived", "untested")
    rows = [
        f"| `{module}` | {sum(count.values())} | " + " | ".join(str(count[column]) for column in columns) + " |"
        for module, count in counts.items()
    ]
    whole = sum(counts.values(), Counter())
    total = sum(whole.values())
    detected = whole["killed"] + whole["timed out"]
    rows.append(f"| **all** | {total} | " + " | ".join(str(whole[column]) for column in columns) + " |")
    return _PAGE.format(
        date=date,
        mutmut=version("mutmut"),
        python=platform.python_version(),
        share=f"{detected / total:.1%}" if total else "none",
        rows="\n".join(rows),
        survivors="\n".join(map(_line, alive)) or "None.",
    )


def _line(mutant: Mutant) -> str:
    place = re.sub(r"^obs_sse_guard\.([\w.]+?)\.x(?:_|ǁ)(.*)__mutmut_\d+$", r"\1.\2", mutant.name).replace("ǁ", ".")
    return f"- `{place}`: `{mutant.was}` → `{mutant.became}`. {mutant.explanation or '**Unexplained.**'}"


_PAGE = """\
# Mutation testing

Generated by `tox -e mutation` on {date}, with mutmut {mutmut} on Python {python}.

mutmut mutates the modules that decide and enforce (the rules, the policy, the enforcement), one small change at a time,
and runs the fast tests of these modules against each mutant. A mutant that no test detects shows a missing test or a
change without effect. Each survivor is explained below; the command fails if one is not.

The tests detected {share} of the mutants.

| module | mutants | killed | timed out | survived | untested |
|---|---|---|---|---|---|
{rows}

mutmut mutates functions without decorators. It skips the properties of `Rule` and `RequestContext` and the context
managers of `_enforcement/enforce.py`. It also skips data outside of functions: `tests/support/expected_rules.py` and
`tests/support/oracle.py` hold independent copies of the tables in `rules.py` and `_policy/findings.py`.

## Survivors

{survivors}
"""


def main() -> int:
    """Write the page, and return 0 if every survivor is explained."""
    found = outcomes()
    alive = survivors(found)
    PAGE.write_text(page(found, alive, today()), "utf-8")
    unexplained = [mutant for mutant in alive if not mutant.explanation]
    for mutant in unexplained:
        sys.stdout.write(f"{mutant.name}\n  - {mutant.was}\n  + {mutant.became}\n")
    sys.stdout.write(f"{PAGE}: {len(alive)} survivors, {len(unexplained)} unexplained\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
