"""The import finder that serves ``mmcv._ext``. Only the standard library is imported here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

SERVED = "mmcv._ext"


class MmcvExtFinder:
    """Finds ``mmcv._ext`` when nothing else does: it stands last in ``sys.meta_path``.

    A compiled extension is found by Python's own finders, which are asked first, so it always wins.
    """

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for ``mmcv._ext``, None for every other name."""
        if fullname != SERVED:
            return None
        return ModuleSpec(fullname, cast("Loader", MmcvExtLoader()), origin=__package__)


class MmcvExtLoader:
    """Makes an empty module and fills it with the operators."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType | None:
        """Leave it to Python."""
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Import torch and the operators, now that somebody wants them."""
        import_module(".extension", __package__).fill(module)


def install() -> None:
    """Put the finder at the end of ``sys.meta_path``, once."""
    if not any(isinstance(finder, MmcvExtFinder) for finder in sys.meta_path):
        sys.meta_path.append(MmcvExtFinder())
