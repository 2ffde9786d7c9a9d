"""albumentations without its question to the network.

Why: ``import albumentations`` asks PyPI for a newer version, in every process, unless
    ``NO_ALBUMENTATIONS_UPDATE`` is
set; without a network that is a delay and a warning.

Needed: albumentations 1.4 to 2.0.8. Can go: with an albumentations that does not ask.

Use: ``import_albumentations()``. Importing this module sets the variable, so import it before
    anything that imports
albumentations by itself (``mmdet.datasets`` does). A value that the user has set is kept.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


def import_albumentations() -> ModuleType:
    """Import albumentations, after OpenCV so that a missing libGL gets its own message."""
    import_module("tresnet_tasks.upstream.opencv")
    return import_module("albumentations")
