"""Known data sets brought into the layout that the configs expect; see data/README.md.

Nothing heavy is imported here: the command lists the data sets in its help.
"""

from __future__ import annotations

from .catalogue import SOURCES
from .preparation import Prepared, prepare
from .source import Archive, DataSource, Split

__all__ = ["SOURCES", "Archive", "DataSource", "Prepared", "Split", "prepare"]
