"""The command line ``obs-sse-guard``: one row per command."""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import itertools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard import __version__
from obs_sse_guard._cli import output
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["COMMANDS", "Command", "main"]

DISTRIBUTION = "obs-sse-guard"
INTERRUPTED = 130
NOT_WRITTEN = 2
READER_GONE = 141  # as a shell reports SIGPIPE


class Command(NamedTuple):
    """One command; the module of the same name is imported only when it runs.

    Attributes:
        name: the word that the user types.
        help: one line for ``--help``.
        arguments: what it takes, each a name and the options of ``ArgumentParser.add_argument``.
        passes_on: the words that may start the command line of another program, besides its name. That command line
            goes to ``arguments.words`` unread, because argparse would look for its own options in it. The command's
            own options, all of them flags, stand before it.
        notes: the end of the command's ``--help``.
    """

    name: str
    help: str
    arguments: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    passes_on: tuple[str, ...] = ()
    notes: str = ""

    @property
    def module(self) -> str:
        """The module whose ``run(arguments) -> int`` does the work."""
        return f"obs_sse_guard._cli.{self.name}"


def _one_of(words: Iterable[str], **options: Any) -> Mapping[str, Any]:
    """Return the options of an argument that is one of these words, in any case."""
    choices = [str(word) for word in words]
    by_lower = {word.lower(): word for word in choices}

    def chosen(word: str) -> str:
        if word.lower() in by_lower:
            return by_lower[word.lower()]
        message = f"unknown word {word!a}; {_did_you_mean(word, by_lower)}choose from {', '.join(choices)}"
        raise argparse.ArgumentTypeError(message)

    return {"choices": choices, "type": chosen, **options}


def _did_you_mean(word: str, by_lower: Mapping[str, str]) -> str:
    """Return a question with the words nearest to a wrong one; empty if none is near."""
    nearest = [by_lower[near] for near in difflib.get_close_matches(word.lower(), by_lower)]
    return f"did you mean {' or '.join(nearest)}? " if nearest else ""


_SDKS = (
    *("esdk-obs-python", "boto3", "botocore", "aiobotocore", "awscrt", "huaweicloudsdkobs", "minio"),
    *("http.client", "requests", "urllib3", "httpx", "aiohttp", "obstore", "polars", "deltalake", "pylance"),
)
"""What ``--sdk`` takes.

Listed here so that parsing does not import the SDK modules.
"""


COMMANDS: tuple[Command, ...] = (
    Command(
        "demo",
        "show the guard at work: real SDKs, a local server over http and https, and a call for each of the 32 rules",
    ),
    Command(
        "run",
        "run an unmodified program with the guard active in it and in every Python process that it starts",
        (
            (
                "--require",
                {"action": "store_true", "help": "exit with 1 instead of running a Python without the guard"},
            ),
            (
                "program",
                {
                    "help": "python, always that of this environment; any other program, such as gunicorn, looked up "
                    "on the PATH; -m MODULE; or SCRIPT.py"
                },
            ),
            ("argument", {"nargs": "*", "default": (), "help": "passed to the program unchanged"}),
        ),
        passes_on=("--", "-m"),
        notes="Exits with the program's status, or with 2 if no program is given, 127 if it is not found, 126 if it "
        "cannot be executed. A Python without the guard prints one line, NOT GUARDED, and runs; with --require, it "
        "exits with 1, as does each such Python that the program starts. Injected through PYTHONPATH; cannot reach "
        "Python started with -I, -E or -S, frozen applications, or processes started with a clean environment, such as "
        "by sudo. Put other launchers first: opentelemetry-instrument obs-sse-guard run python app.py.",
    ),
    Command(
        "enable",
        "activate the guard in every Python of this environment, by a file in its site-packages",
        notes="Python reads the file when it starts, also with -I and -E, but not with -S. The first import of an SDK "
        "activates the guard. Exits with 1 if site-packages cannot be written.",
    ),
    Command("disable", "undo enable"),
    Command(
        "env",
        "print the environment variables to hand on to worker processes: the settings, and what activates the guard",
        (("--format", {"choices": ("shell", "json"), "default": "shell", "help": "shell by default"}),),
        notes="An environment that is enabled needs no PYTHONPATH.",
    ),
    Command(
        "audit",
        "summarize audit files of any number of hosts: what enforce and strict would refuse, where, and who is armed",
        (
            (
                "paths",
                {
                    "nargs": "+",
                    "metavar": "path",
                    "help": "an audit file (OBS_SSE_GUARD_AUDIT), also .gz or .zst; a directory; a pattern; - is stdin",
                },
            ),
            (
                "--format",
                {"choices": ("text", "json", "html", "parquet"), "default": "text", "help": "text by default"},
            ),
            ("--output", {"metavar": "file", "default": "", "help": "write to this file instead of to stdout"}),
            (
                "--expect",
                {
                    "metavar": "hosts",
                    "default": "",
                    "help": "a file, or - for stdin, with a host name per line; exit with 1 if one never reported",
                },
            ),
            (
                "--fail-on",
                {
                    "choices": ("refuse", "any"),
                    "default": "",
                    "help": "exit with 1 if a finding was refused or would be, or if there is any finding",
                },
            ),
        ),
        notes="Exits with 0; 1 if --fail-on or --expect says so, if a file cannot be read, or if most lines are "
        "damaged; 2 if nothing can be read or the report cannot be written. Needs pip install 'obs-sse-guard[report]'.",
    ),
    Command(
        "rules",
        "print the 32 rules",
        (
            (
                "--format",
                _one_of(("text", "markdown", "json", "svg"), default="text", help="text (the default) or a document"),
            ),
        ),
    ),
    Command(
        "explain",
        "explain a rule or finding by its id, or show how each policy treats a request",
        (
            ("id", {"nargs": "?", "metavar": "ID", "help": "as in an error or log record, such as table-1/PutObject"}),
            ("--operation", _one_of(Operation, metavar="NAME", help=", ".join(Operation))),
            (
                "--target",
                _one_of(
                    Encryption,
                    metavar="ENCRYPTION",
                    help=f"of the object that is written or read: {', '.join(Encryption)}",
                ),
            ),
            ("--scheme", _one_of(("http", "https"), help="the transport")),
            ("--source", _one_of(Encryption, metavar="ENCRYPTION", help="of the source of a copy, none by default")),
            ("--sdk", _one_of(_SDKS, metavar="NAME", help=f"the SDK whose terms the message uses: {', '.join(_SDKS)}")),
        ),
    ),
    Command(
        "doctor",
        "check whether the guard protects this environment: SDKs, hooks, settings, known hazards, other patchers",
        (
            ("--json", {"action": "store_true", "help": "print JSON"}),
            ("--verbose", {"action": "store_true", "help": "list every hook, and every hazard with its remedy"}),
            (
                "--strict",
                {"action": "store_true", "help": "exit with 1 also if an installed library sends around the hooks"},
            ),
        ),
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; those of the process by default.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 if the arguments make no sense together, something is
        missing, or the output cannot be written, 126 if ``run`` cannot execute the program, 127 if it cannot find it,
        130 after Ctrl-C, 141 if the reader of the output has gone (0 from ``audit``). On Windows, ``run`` returns the
        program's own status; elsewhere, the program replaces this process.

    Raises:
        SystemExit: the words are invalid (status 2) or ask for help or the version (0), or the reader of ``demo``'s
            output has gone (1, raised by rich).
        OSError: the output cannot be written, but not because the disk is full.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = _passed_on(words) or _parsed(words)
    try:
        status = int(importlib.import_module(arguments.module).run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:  # as in "... | head"
        output.discard()
        return READER_GONE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        output.discard()
        sys.stderr.write(f"cannot write the output: {error.strerror}\n")
        return NOT_WRITTEN
    return status


def _passed_on(words: Sequence[str]) -> argparse.Namespace | None:
    """Return the arguments if a command passes on the words; ``None`` to parse them."""
    name, *rest = words or ("",)
    command = next((command for command in COMMANDS if command.passes_on and command.name == name), None)
    if command is None:
        return None
    flags = [argument for argument, _ in command.arguments if argument.startswith("--")]
    given = [*itertools.takewhile(flags.__contains__, rest)]
    rest = rest[len(given) :]
    if rest and (rest[0] in command.passes_on or not rest[0].startswith("-")):
        options = {flag.lstrip("-"): flag in given for flag in flags}
        return argparse.Namespace(module=command.module, words=rest, **options)
    return None


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    parser, names = _parser(), {command.name: command.name for command in COMMANDS}
    hint = _did_you_mean(words[0], names) if words and words[0] not in names else ""
    if hint:
        parser.error(f"unknown command {words[0]!a}; {hint}commands are {', '.join(names)}")
    return parser.parse_args(words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION,
        description="Refuses S3 and OBS requests with server-side encryption over plaintext HTTP.",
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help, description=command.help, epilog=command.notes)
        subparser.set_defaults(module=command.module)
        for name, options in command.arguments:
            subparser.add_argument(name, **options)
    return parser
