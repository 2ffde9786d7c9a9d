"""The way into every command: finds it, parses its arguments, runs it and words its errors."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import NoReturn
from unittest.mock import patch

from .. import __version__
from . import __path__ as _folder
from ._errors import is_ours, plain_message

PROGRAM = "tresnet-tasks"


class CommandParser(argparse.ArgumentParser):
    """An argument parser that answers an unknown option with the nearest right one."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and ``message`` with the nearest option, and exit with status 2."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            unknown = message.removeprefix(prefix).split()
            message += "".join(self._nearest(word) for word in unknown if word.startswith("-"))
        super().error(message)

    def _nearest(self, word: str) -> str:
        near = get_close_matches(word.split("=")[0], self._option_string_actions, n=1)
        return f"; did you mean {near[0]} instead of {word}?" if near else ""


def command_names() -> list[str]:
    """Names of all commands: the modules of this folder other than this one."""
    names = (module.name for module in iter_modules(_folder))
    return sorted(name for name in names if name != "main" and not name.startswith("_"))


def load_command(name: str) -> ModuleType:
    """The module of a command.

    Raises:
        ValueError: if there is no such command; the message gives the nearest name and lists all.
    """
    names = command_names()
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown command {name!r}.{hint} The commands are: {', '.join(names)}.")
    return import_module(f"{__package__}.{name}")


def command_parser(name: str, prog: str | None = None) -> argparse.ArgumentParser:
    """The argument parser of one command.

    Args:
        name: the command.
        prog: how the usage line calls it; the script's own name when left out.
    """
    command = load_command(name)
    parser = CommandParser(
        prog=prog,
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # An abbreviation that works today breaks when an option with the same beginning joins.
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    parser.add_argument(
        "--traceback",
        action="store_true",
        default=os.environ.get("TRESNET_TASKS_TRACEBACK", "0") not in ("", "0"),
        help="on an error show where it was raised (or set TRESNET_TASKS_TRACEBACK=1)",
    )
    return parser


def main(argv: Sequence[str] | None = None, name: str | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments; those of this process when left out.
        name: the command; the first of ``argv`` when left out.

    Returns:
        The exit status: the command's own; 1 after a user's error, told on stderr in one message; 2
        for a command line that makes no sense; 130 after Ctrl-C.

    Raises:
        Exception: any error that is not a user's, or any at all with ``--traceback``.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    prog = None
    if name is None:
        if not arguments:
            print(_overview(), file=sys.stderr)
            return 2
        if arguments[0] in ("-h", "--help"):
            print(_overview())
            return 0
        if arguments[0] == "--version":
            print(f"{PROGRAM} {__version__}")
            return 0
        name = arguments.pop(0)
        prog = f"{PROGRAM} {name}"
    try:
        parser = command_parser(name, prog)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    args = parser.parse_args(arguments)
    try:
        with patch.object(warnings, "formatwarning", _worded):
            return int(load_command(name).run(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has read enough
        # Python flushes stdout once more at exit and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        message = plain_message(error)
        if message is None or args.traceback:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1


_format = warnings.formatwarning


def _worded(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Our own warnings are about the user's data: the line of our source tells nothing."""
    if category is UserWarning and is_ours(filename):
        return f"warning: {message}\n"
    return _format(message, category, filename, lineno, line)


def _overview() -> str:
    width = max(map(len, command_names()), default=0)
    lines = [f"usage: {PROGRAM} COMMAND ... ({PROGRAM} COMMAND --help tells its arguments)", ""]
    for name in command_names():
        doc = (load_command(name).__doc__ or "").strip()
        lines.append(f"  {name:<{width}}  {doc.splitlines()[0] if doc else ''}".rstrip())
    return "\n".join(lines)
