"""What loading weights did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LoadReport:
    """What ``load_weights`` read, took and left.

    Attributes:
        path: the file that was read; for a hub name, the one in the cache.
        name: what ``load_weights`` was asked for: a path or a hub name.
        layout: ``official``, ``timm``, ``paddle`` or ``ours``.
        container: key of the checkpoint that held the weights, such as ``model`` or
            ``state_dict_ema``; empty for a flat file.
        variant: published name of the network in the file, or ``dict(layers=..., ...)`` for another
            one.
        loaded: number of tensors copied into the model.
        initialised: layers of the model that are as they were before, such as ``head.fc``.
        ignored: layers of the file that the model has no place for.
        negative: InPlace-ABN weights that were negative and count as |w| + 1e-5.
        classes: class names in the order of the head's outputs, where the file says them.
        notes: sentences for the user; the ones that matter were also logged as a warning.
    """

    path: Path
    name: str
    layout: str
    container: str
    variant: str
    loaded: int
    initialised: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    negative: int = 0
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One paragraph for the log."""
        where = f", key {self.container!r}" if self.container else ""
        parts = [
            f"{self.name}: {self.variant}, {self.layout} layout{where}, {self.loaded} tensors "
            "loaded."
        ]
        if self.initialised:
            parts.append(f"As initialised: {', '.join(self.initialised)}.")
        if self.ignored:
            parts.append(f"Not used: {', '.join(self.ignored)}.")
        return " ".join((*parts, *self.notes))
