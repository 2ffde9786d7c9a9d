"""What of mmengine's log reaches the console.

mmengine (all versions to 0.10.7) prints its whole environment, the config and a table of hooks
before the first step, each line behind a date and a logger's name. Here the log file keeps all of
it and the console gets warnings, errors and what is said by anybody but mmengine. Can go when
mmengine lets a user choose this.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import mmengine
from mmengine.logging import MMLogger

_MMENGINE = str(Path(mmengine.__file__).parent)
# Its optimizer constructor warns of each tensor that a config froze.
_FROZEN = "is skipped since its requires_grad=False"


class ConsoleHandler(logging.Handler):
    """Writes records to what ``sys.stdout`` is at that moment, not what it was at the start.

    So that progress bars, notebooks and test captures, which replace ``sys.stdout``, get the lines
    too. A record logged with ``extra=dict(file_only=True)`` is left to the log file.

    Args:
        level: the lowest level shown; at DEBUG mmengine's own lines are shown as well.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.setFormatter(_ShortFormatter())

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown; see the class."""
        if getattr(record, "file_only", False):
            return False
        if record.getMessage().endswith(_FROZEN):
            return False
        quiet = self.level > logging.DEBUG and record.levelno < logging.WARNING
        if quiet and record.pathname.startswith(_MMENGINE):
            return False
        return bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record and flush, so that a line is seen when it happens, in a pipe too."""
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except Exception:
            self.handleError(record)


def tell(text: str, level: int = logging.INFO, file_only: bool = False) -> None:
    """Log as the current run does, in the file and on the console.

    mmengine's ``print_log`` does it in its own name, and what mmengine says is kept off the console.
    """
    MMLogger.get_current_instance().log(level, text, stacklevel=2, extra={"file_only": file_only})


class _ShortFormatter(logging.Formatter):
    """``message``, or ``warning: message`` and ``error: message`` from that level on."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


def use_console_handler(logger: logging.Logger) -> None:
    """Replace the handlers of ``logger`` that write to the terminal by one `ConsoleHandler`.

    The level and the filters of the replaced handler stay (mmengine: errors only on ranks other
    than 0; a repeated warning once).
    """
    for position, old in enumerate(logger.handlers):
        if type(old) is logging.StreamHandler:
            new = ConsoleHandler(old.level)
            new.filters = list(old.filters)
            logger.handlers[position] = new
