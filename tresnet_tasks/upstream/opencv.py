"""OpenCV, or one line that says how to get it.

Why: mmcv-lite asks for ``opencv-python`` and albumentations for ``opencv-python-headless``. Both
    write the same folder
``cv2``; the last one installed wins, and removing either leaves a broken folder. The first needs
libGL, which slim containers lack, so that ``import cv2`` ends in "libGL.so.1: cannot open shared
object file".

Needed: with every version of the two packages so far (seen with 4.x and 5.0).
Can go: when mmcv-lite no longer asks for ``opencv-python``.

Use: ``from tresnet_tasks.upstream.opencv import cv2``. OpenCV's own threads are off: data loaders
    run one process a
core, and threads of each would only take the cores from one another (and can hang after a fork).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

REMEDY = (
    "pip uninstall -y opencv-python && "
    "pip install --force-reinstall --no-deps opencv-python-headless"
)


def _import_opencv() -> ModuleType:
    try:
        module = import_module("cv2")
    except ImportError as error:
        raise ImportError(
            f"OpenCV cannot be imported ({error}); the build without a display is needed. Run:\n  "
            f"{REMEDY}"
        ) from error
    if not hasattr(module, "imdecode"):
        # What one of the two packages leaves behind when the other is uninstalled: a folder without
        # the library.
        raise ImportError(
            f"The installed OpenCV is incomplete: it has no imdecode. Run:\n  {REMEDY}"
        )
    module.setNumThreads(0)
    return module


cv2 = _import_opencv()
