"""albumentations' transforms, from configs and with reproducible draws."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...registry import TRANSFORMS
from ...upstream.albumentations_offline import import_albumentations
from ...upstream.opencv import cv2
from ..nearest_name import nearest_name
from .box_targets import give_boxes, take_boxes
from .checked_arguments import check_arguments

_LOW_64_BITS = (1 << 64) - 1
_LOW_128_BITS = (1 << 128) - 1


@TRANSFORMS.register_module()
class Albumentations:
    """Transforms of albumentations, one after the other.

    albumentations draws from generators of its own, which start out the same in every worker. Here
    they are seeded at every call from Python's ``random``, which the data set seeds from (seed,
    epoch, index).

    Where a sample has ``gt_bboxes``, these, their labels, ``gt_ignore_flags`` and ``gt_masks`` (as
    mmdet's ``LoadAnnotations`` makes them) follow the image. Boxes that a crop has cut off are
    clipped to the image, those of which nothing is left are dropped. Masks come out as bitmaps.

    Args:
        transforms: config dicts, ``dict(type='RandomResizedCrop', size=(224, 224))``, nested ones
            as ``dict(type='OneOf', transforms=[...])``, or ready transforms. Interpolations and
            borders may be written as OpenCV's names, ``'INTER_CUBIC'``.
        keymap: which entry of ``results`` albumentations sees under which name; by default ``img``
            as ``image``.
        min_box_area: drop boxes that show less than so many square pixels.
        min_visibility: drop boxes of which a crop leaves less than this share.

    Raises:
        ValueError: for an unknown transform or argument (with the nearest right name), a bad value,
            or no transform.
    """

    # The names below this argument are albumentations', not a registry's.
    foreign_config = ("transforms",)

    def __init__(
        self,
        transforms: Sequence[Mapping[str, Any] | Any],
        keymap: Mapping[str, str] | None = None,
        min_box_area: float = 1.0,
        min_visibility: float = 0.0,
    ) -> None:
        if isinstance(transforms, Mapping) or not transforms:
            raise ValueError(
                f"transforms is {transforms!r}; give a list with at least one transform."
            )
        self.keymap = dict(keymap or {"img": "image"})
        self.transforms = [_build(transform) for transform in transforms]
        # One pair of generators for all; the seed given here is replaced at every call.
        self._bits = np.random.PCG64(0)
        self._python = random.Random(0)
        self._numpy = np.random.Generator(self._bits)
        for transform in self.transforms:
            transform.set_random_state(self._numpy, self._python)
        self._box_filter = {"min_area": min_box_area, "min_visibility": min_visibility}
        self._for_boxes: list[Any] | None = None

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Apply the transforms to the entries named in ``keymap``, and to boxes."""
        self._seed()
        data = {theirs: results[ours] for ours, theirs in self.keymap.items() if ours in results}
        has_boxes = "gt_bboxes" in results
        if has_boxes:
            data |= take_boxes(results)
        steps = self._with_boxes() if has_boxes else self.transforms
        for transform, step in zip(self.transforms, steps, strict=True):
            try:
                data = step(**data)
            except (
                Exception
            ) as error:  # a crop larger than the image, say; each has a type of its own
                raise ValueError(
                    f"albumentations' {type(transform).__name__} cannot take image "
                    f"{results.get('img_path', '')} of {'x'.join(map(str, results['img'].shape[:2]))} (height x "
                    f"width): {error}. Change its arguments, or put a Resize, PadIfNeeded or SmallestMaxSize before it."
                ) from error
        for ours, theirs in self.keymap.items():
            if theirs in data:
                results[ours] = data[theirs]
        results["img_shape"] = results["img"].shape[:2]
        if has_boxes:
            give_boxes(results, data)
        return results

    def _with_boxes(self) -> list[Any]:
        """Each transform in a composition of its own, which converts, checks and filters boxes."""
        if self._for_boxes is None:
            library = import_albumentations()
            params = library.BboxParams("pascal_voc", clip=True, **self._box_filter)
            self._for_boxes = [
                library.Compose([transform], bbox_params=params) for transform in self.transforms
            ]
            for step in self._for_boxes:
                step.set_random_state(self._numpy, self._python)
        return self._for_boxes

    def _seed(self) -> None:
        draw = random.getrandbits(320)
        self._python.seed(draw & _LOW_64_BITS)
        draw >>= 64
        # The state is set as it is: making a new generator from a seed takes ten times as long.
        self._bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": draw >> 128, "inc": (draw & _LOW_128_BITS) | 1},  # must be odd
            "has_uint32": 0,
            "uinteger": 0,
        }

    def __repr__(self) -> str:
        names = ", ".join(type(transform).__name__ for transform in self.transforms)
        return f"Albumentations({names})"


def _build(config: Mapping[str, Any] | Any) -> Any:
    library = import_albumentations()
    kinds = (library.BasicTransform, library.BaseCompose)
    if isinstance(config, kinds):
        return config
    if not isinstance(config, Mapping) or not isinstance(config.get("type"), str):
        raise ValueError(f"{config!r} is not a transform; expected a dict with the name as `type`.")
    arguments = {key: _value(value) for key, value in config.items() if key != "type"}
    name = config["type"].removeprefix("A.").removeprefix("albumentations.")
    transform = getattr(library, name, None)
    if not (isinstance(transform, type) and issubclass(transform, kinds)):
        known = [
            key
            for key, value in vars(library).items()
            if isinstance(value, type) and issubclass(value, kinds)
        ]
        raise ValueError(
            f"albumentations {library.__version__} has no transform {name!r}. "
            f"{nearest_name(name, known)}"
        )
    check_arguments(transform, arguments, f"albumentations' {name}")
    if "transforms" in arguments:
        arguments["transforms"] = [_build(inner) for inner in arguments["transforms"]]
    with warnings.catch_warnings():
        # albumentations answers some bad values with a warning and its defaults.
        warnings.simplefilter("error", UserWarning)
        try:
            return transform(**arguments)
        except (ValueError, TypeError, UserWarning) as error:
            raise ValueError(
                f"albumentations' {name} refuses its arguments {arguments}: {error}"
            ) from error


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.removeprefix("cv2.").startswith(("INTER_", "BORDER_")):
        name = value.removeprefix("cv2.")
        if not hasattr(cv2, name):
            known = [key for key in vars(cv2) if key.startswith(("INTER_", "BORDER_"))]
            raise ValueError(f"OpenCV has no constant {name!r}. {nearest_name(name, known)}")
        return getattr(cv2, name)
    return value
