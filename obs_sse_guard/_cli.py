"""The command line ``obs-sse-guard``: one row per command."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard import __version__
from obs_sse_guard.rules import Encryption, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["COMMANDS", "Command", "main"]

DISTRIBUTION = "obs-sse-guard"
INTERRUPTED = 130
READER_GONE = 141  # as a shell reports SIGPIPE


class Command(NamedTuple):
    """One command.

    Attributes:
        name: the word that the user types.
        module: the module whose ``run(arguments) -> int`` does the work; imported only then.
        help: one line for ``--help``.
        arguments: what it takes, each a name and the options of ``ArgumentParser.add_argument``.
    """

    name: str
    module: str
    help: str
    arguments: tuple[tuple[str, Mapping[str, Any]], ...] = ()


def _one_of(words: Iterable[str], **options: Any) -> Mapping[str, Any]:
    """The options of an argument that takes one of these words, in any letter case."""
    choices = [str(word) for word in words]
    by_lower = {word.lower(): word for word in choices}
    return {"choices": choices, "type": lambda word: by_lower.get(word.lower(), word), **options}


COMMANDS: tuple[Command, ...] = (
    Command(
        "demo",
        "obs_sse_guard._demo",
        "show the guard at work: the real SDK, a local server over http and https, all 32 rows driven live",
    ),
    Command(
        "rules",
        "obs_sse_guard._rules_command",
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
        "obs_sse_guard._explain",
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
        "obs_sse_guard._doctor",
        "tell whether the guard protects this environment: SDKs, hooks, settings, known hazards, other patchers",
        (("--json", {"action": "store_true", "help": "for machines"}),),
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; those of the process by default.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 where something is missing, 130 after Ctrl-C,
        141 if whoever read the output has gone.

    Raises:
        SystemExit: the words make no sense (status 2), or they ask for help or the version (0).
    """
    arguments = _parser().parse_args(argv)
    try:
        status = int(importlib.import_module(arguments.module).run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # As in "… | head". What is left in the buffer would fail once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION,
        description="Refuses requests with server-side encryption that must not leave over plain HTTP.",
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for command in COMMANDS:
        word = commands.add_parser(command.name, help=command.help, description=command.help)
        word.set_defaults(module=command.module)
        for name, options in command.arguments:
            word.add_argument(name, **options)
    return parser
