"""The command line ``obs-sse-guard``: one row per command."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from obs_sse_guard import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["COMMANDS", "Command", "main"]

DISTRIBUTION = "obs-sse-guard"
INTERRUPTED = 130


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


COMMANDS: tuple[Command, ...] = (
    Command(
        "demo",
        "obs_sse_guard._demo",
        "show the guard at work: the real SDKs, a local server over http and https, all 32 rows driven live",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; those of the process by default.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 where something is missing, 130 after Ctrl-C.

    Raises:
        SystemExit: the words make no sense (status 2), or they ask for help or the version (0).
    """
    arguments = _parser().parse_args(argv)
    try:
        return int(importlib.import_module(arguments.module).run(arguments))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


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
