"""The command line ``obs-sse-guard``: one row per command."""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard import __version__
from obs_sse_guard._cli import output as _output
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["COMMANDS", "Command", "main"]

DISTRIBUTION = "obs-sse-guard"
INTERRUPTED = 130
NOT_WRITTEN = 2
READER_GONE = 141  # as a shell reports SIGPIPE


class Command(NamedTuple):
    """One command.

    Attributes:
        name: the word that the user types.
        module: the module whose ``run(arguments) -> int`` does the work; imported only then.
        help: one line for ``--help``.
        arguments: what it takes, each a name and the options of ``ArgumentParser.add_argument``.
        passes_on: for a command that takes another program's words: the options that may begin these.
            Such words go to ``arguments.words`` as they stand; argparse would look for options of its own in them.
        notes: what ``--help`` says at its end.
    """

    name: str
    module: str
    help: str
    arguments: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    passes_on: tuple[str, ...] = ()
    notes: str = ""


def _one_of(words: Iterable[str], **options: Any) -> Mapping[str, Any]:
    """The options of an argument that takes one of these words, in any letter case."""
    choices = [str(word) for word in words]
    by_lower = {word.lower(): word for word in choices}
    return {"choices": choices, "type": lambda word: by_lower.get(word.lower(), word), **options}


COMMANDS: tuple[Command, ...] = (
    Command(
        "demo",
        "obs_sse_guard._cli.demo",
        "show the guard at work: the real SDKs, a local server over http and https, all 32 rows driven live",
    ),
    Command(
        "run",
        "obs_sse_guard._cli.run",
        "run a program as it is, with the guard armed in it and in the Python processes that it starts",
        (
            ("program", {"help": "as the shell would find it: python, gunicorn; or -m MODULE, or a file SCRIPT.py"}),
            ("argument", {"nargs": "*", "default": (), "help": "the program's own; nothing among these is read here"}),
        ),
        passes_on=("--", "-m"),
        notes="The exit status is the program's; 2 if none is given, 127 if it is not found, 126 if it cannot be run. "
        "The way in is PYTHONPATH, so these stay without the guard: Python with -I, -E or -S, programs frozen into one "
        "file, and what is started with an environment of its own, as by sudo. Another launcher of this kind goes "
        "first: opentelemetry-instrument obs-sse-guard run python app.py.",
    ),
    Command(
        "audit",
        "obs_sse_guard._cli.audit",
        "sum up audit files: what enforce and strict would refuse, by rule, operation, host and call site",
        (
            ("paths", {"nargs": "+", "metavar": "path", "help": "a file that OBS_SSE_GUARD_AUDIT named; - is stdin"}),
            ("--format", {"choices": ("text", "json", "html"), "default": "text", "help": "text by default"}),
            ("--output", {"metavar": "file", "default": "", "help": "write there instead of to stdout"}),
        ),
    ),
    Command(
        "rules",
        "obs_sse_guard._cli.rules",
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
        "obs_sse_guard._cli.explain",
        "tell what the guard makes of one request, under both policies, and what the caller would read",
        (
            ("--operation", _one_of(Operation, required=True, metavar="NAME", help=", ".join(Operation))),
            (
                "--target",
                _one_of(
                    Encryption,
                    required=True,
                    metavar="ENCRYPTION",
                    help=f"of the object that is written or read: {', '.join(Encryption)}",
                ),
            ),
            ("--scheme", _one_of(("http", "https"), required=True, help="the transport")),
            (
                "--source",
                _one_of(Encryption, default="none", metavar="ENCRYPTION", help="of a copy's source, by default none"),
            ),
        ),
    ),
    Command(
        "doctor",
        "obs_sse_guard._cli.doctor",
        "tell whether the guard protects this environment: SDKs, hooks, settings, known hazards, other patchers",
        (("--json", {"action": "store_true", "help": "for machines"}),),
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; those of the process by default.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 where something is missing or cannot be written,
        130 after Ctrl-C, 141 if whoever read the output has gone.

    Raises:
        SystemExit: the words make no sense (status 2), or they ask for help or the version (0).
    """
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = _passed_on(words) or _parser().parse_args(words)
    try:
        status = int(importlib.import_module(arguments.module).run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:  # as in "… | head"
        _output.give_up()
        return READER_GONE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _output.give_up()
        sys.stderr.write(f"the output: {error.strerror}\n")
        return NOT_WRITTEN
    return status


def _passed_on(words: Sequence[str]) -> argparse.Namespace | None:
    """The words of a command that passes them on; nothing if the parser is to read, or to refuse, them."""
    name, *rest = words or ("",)
    command = next((command for command in COMMANDS if command.passes_on and command.name == name), None)
    if command and rest and (rest[0] in command.passes_on or not rest[0].startswith("-")):
        return argparse.Namespace(module=command.module, words=rest)
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION,
        description="Refuses requests with server-side encryption that must not leave over plain HTTP.",
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for command in COMMANDS:
        word = commands.add_parser(command.name, help=command.help, description=command.help, epilog=command.notes)
        word.set_defaults(module=command.module)
        for name, options in command.arguments:
            word.add_argument(name, **options)
    return parser
