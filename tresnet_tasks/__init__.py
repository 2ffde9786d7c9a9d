"""One TResNet backbone for classification, multi-label tagging and detection.

Importing this package is cheap: nothing heavier than the standard library is loaded until a public
name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .upstream.mmcv_ops.finder import install as _install_mmcv_ext

__version__ = "0.1.0"

__all__ = ["Predictor", "TResNet", "__version__", "load_weights"]

if TYPE_CHECKING:
    from .backbones import TResNet
    from .inference import Predictor
    from .weights import load_weights

# mmdet then imports without compiled mmcv, whoever imports it and whenever.
_install_mmcv_ext()

_HOMES = {"Predictor": "inference", "TResNet": "backbones", "load_weights": "weights"}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562), so that ``import tresnet_tasks`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
