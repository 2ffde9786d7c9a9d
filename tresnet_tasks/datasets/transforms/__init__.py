"""Transforms: callables from one ``results`` dict to the next.

The augmentations of the field's recipes, each a line of a training pipeline. Pixels change, labels
and boxes do not, but for the first two, which move pixels and refuse images with boxes::

    dict(type="TorchVision", name="AutoAugment")
    dict(type="TorchVision", name="RandAugment", num_ops=2, magnitude=9)
    dict(type="Cutout", factor=0.5)
    dict(type="TorchVision", name="RandomErasing", p=0.5, value="random")
    dict(type="GridMask", keep=0.6, prob=0.8)
    dict(type="HideAndSeek", hide=0.5, prob=0.8)

They stand behind what loads and crops the image, before the step that packs it. Mixup and CutMix
work on whole batches, on the device, and on one label an image; with both, each batch draws one::

    model = dict(data_preprocessor=dict(mixes=[dict(type="MixUp", alpha=0.2)]))
    model = dict(data_preprocessor=dict(mixes=[dict(type="CutMix", alpha=1.0)]))

The command ``browse`` draws what comes out.
"""

from __future__ import annotations

from .albumentations import Albumentations
from .cutout import Cutout
from .grid_mask import GridMask
from .hide_and_seek import HideAndSeek
from .load_crop import LoadRandomResizedCrop
from .load_image import LoadImage
from .pack import PackClsInputs
from .pack_detection import PackDetSample
from .pack_tasks import PackTasks
from .torchvision import TorchVision

__all__ = [
    "Albumentations",
    "Cutout",
    "GridMask",
    "HideAndSeek",
    "LoadImage",
    "LoadRandomResizedCrop",
    "PackClsInputs",
    "PackDetSample",
    "PackTasks",
    "TorchVision",
]
