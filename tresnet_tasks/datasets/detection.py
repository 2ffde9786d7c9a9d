"""What all detection readers share."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypedDict

from ..upstream.console import tell
from .box_faults import BoxFaults, box_fault, clipped_box
from .image_dataset import ImageDataset, NothingLeftError
from .image_io import UnreadableImageError
from .image_names import missing_files
from .instances import Instance, PackedInstances

_TRIES = 50  # images of which nothing is left, until something must be wrong


class DetectionInfo(TypedDict):
    """What a reader says of one image.

    Attributes:
        img_path: where it is.
        img_id: the name of the image in results; a whole number or a string.
        height, width: in pixels, as the image is shown; 0 where it cannot be read.
        instances: the objects on it; none makes it an example of background.
    """

    img_path: str
    img_id: int | str
    height: int
    width: int
    instances: Sequence[Instance]


class DetectionDataset(ImageDataset):
    """Images with boxes, and masks where they are asked for; the base of every detection reader.

    A sample starts with ``img_path``, ``img_id``, ``sample_idx``, ``height``, ``width`` and
    ``instances``, from which mmdet's ``LoadAnnotations`` makes boxes, labels and masks. So both
    mmdet's transforms and ours follow.

    Where a transform returns None in training, as mmdet's crops do that find no box, the next image
    takes its place.

    Boxes have an area inside their image: others are dropped, and one line tells of them. Boxes
    that reach out of the image are clipped to it; in test mode they stay as they are annotated,
    since COCO's evaluation counts them so. Crowds and difficult objects are marked to be ignored.

    Args:
        filter_empty: leave out, in training, images without any box that counts. By default they
            stay as examples of background.
        on_bad_box: ``'drop'`` drops faulty boxes, ``'raise'`` makes them an error.
        strict_classes: refuse annotations whose classes are not ``classes``. With False boxes of
            other classes are left out.
        with_masks: keep the masks; None keeps them where a transform has ``with_mask=True``.
        kwargs: ``pipeline``, ``classes``, ``test_mode``, ``on_error`` and ``seed`` of
            ``ImageDataset``. With ``on_error='raise'`` every file is looked for at once, with
            ``'skip'`` when its turn comes; then an image whose size is not the annotated one is
            left out too.

    Raises:
        FileNotFoundError: if an image does not exist.
        ValueError: if class names differ, if in training no image has a box, if a mask is missing;
            on drawing a sample, if the image has another size than its annotation says.
    """

    task = "detection"

    def __init__(
        self,
        *,
        filter_empty: bool = False,
        on_bad_box: str = "drop",
        strict_classes: bool = True,
        with_masks: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if on_bad_box not in ("drop", "raise"):
            raise ValueError(f"on_bad_box is {on_bad_box!r}; it must be 'drop' or 'raise'.")
        self.filter_empty = filter_empty
        self.on_bad_box = on_bad_box
        self.strict_classes = strict_classes
        self.with_masks = with_masks
        self._instances = PackedInstances()
        super().__init__(**kwargs)
        if self.on_error == "raise":
            self._check_files()
        if self.pipeline:  # behind the first transform, which loads the image
            self.pipeline.insert(1, check_image_size)

    def load_data_list(self) -> Iterable[DetectionInfo]:
        """Say for every image what is on it, in a list or lazily."""
        raise NotImplementedError(f"{type(self).__name__} must define load_data_list")

    def get_data_info(self, index: int) -> dict[str, Any]:
        """What the pipeline starts from, see the class and ``PackedInstances.fields``."""
        return {**super().get_data_info(index), **self._instances.fields(index)}

    def get_cat_ids(self, index: int) -> list[int]:
        """The labels of an image's boxes that count."""
        return self._instances.labels(index)

    def box_counts(self) -> list[int]:
        """How many boxes that count each class has."""
        return [int(count) for count in self._instances.counts(len(self.classes or ()))]

    def _prepare(self, index: int) -> Any:
        for step in range(min(len(self), _TRIES)):
            other = (index + step) % len(self)
            try:
                return super()._prepare(other)
            except NothingLeftError:
                if self.test_mode:
                    raise
            except UnreadableImageError:
                if not step or self.on_error == "raise":
                    raise
                self.unreadable[other] = True
        raise ValueError(
            f"the transforms leave nothing of {min(len(self), _TRIES)} images of {self} in a row. "
            "Enlarge the crop, or let it have no box (allow_negative_crop=True)."
        )

    def _pack(self, samples: Iterable[DetectionInfo]) -> Iterator[str]:
        if self.with_masks is None:
            self.with_masks = any(getattr(step, "with_mask", False) for step in self.pipeline)
        faults = BoxFaults()
        images = empty = 0
        for info in samples:
            kept = [self._kept(instance, info, faults) for instance in info["instances"]]
            instances = [instance for instance in kept if instance is not None]
            is_empty = all(instance["ignore"] for instance in instances)
            images += 1
            empty += is_empty
            if is_empty and self.filter_empty and not self.test_mode:
                continue
            self._instances.append(info["img_id"], info["height"], info["width"], instances)
            yield info["img_path"]
        self._tell_faults(faults)
        if images and empty == images and not self.test_mode:
            dropped = f" ({len(faults)} faulty ones were dropped)" if len(faults) else ""
            raise ValueError(
                f"none of the {images} images of {self} has a box{dropped}; there is nothing to "
                "learn from. Check the annotations and `classes`."
            )

    def _kept(self, instance: Instance, info: DetectionInfo, faults: BoxFaults) -> Instance | None:
        """The instance as it is stored; None for a faulty box."""
        box, height, width = instance["bbox"], info["height"], info["width"]
        fault = box_fault(box, height, width)
        if fault is not None:
            faults.add(fault, box, info["img_path"])
            return None
        if not self.test_mode:
            box = clipped_box(box, height, width)
        area = instance.get("area", 0.0)
        if not area > 0:
            area = (box[2] - box[0]) * (box[3] - box[1])
        kept: Instance = {
            "bbox": box,
            "label": instance["label"],
            "ignore": instance.get("ignore", False),
            "area": area,
        }
        if self.with_masks:
            if not instance.get("mask"):
                raise ValueError(
                    f"box {list(box)} of {info['img_path']} has no mask, but masks are asked for. "
                    "Annotate it, or train a detector without masks (with_mask=False)."
                )
            kept["mask"] = instance["mask"]
        return kept

    def _tell_faults(self, faults: BoxFaults) -> None:
        if not len(faults):
            return
        if self.on_bad_box == "raise":
            raise ValueError(
                f"{self} has faulty boxes: {faults}. A box is x1 < x2, y1 < y2 with some area in "
                "its image. Correct the annotations; on_bad_box='drop' leaves such boxes out."
            )
        boxes = "box" if len(faults) == 1 else "boxes"
        tell(
            f"{self}: {len(faults)} faulty {boxes} dropped: {faults}. on_bad_box='raise' makes "
            "them an error.",
            level=logging.WARNING,
        )

    def _check_files(self) -> None:
        missing = list(missing_files(self._paths))
        if missing:
            first = "".join(f"\n  {self._paths[index]}" for index in islice(missing, 5))
            raise FileNotFoundError(
                f"{len(missing)} of the {len(self)} images of {self} do not exist:{first}\n"
                "Correct data_root, data_prefix or the annotations; on_error='skip' leaves such "
                "images out."
            )


def check_image_size(results: dict[str, Any]) -> dict[str, Any]:
    """Check that a loaded image has the size that its boxes are measured in.

    Raises:
        UnreadableImageError: a ``ValueError`` with both sizes.
    """
    recorded = (results["height"], results["width"])
    shape = getattr(results.get("img"), "shape", recorded)[:2]
    if tuple(shape) == recorded:
        return results
    if tuple(results.get("ori_shape", shape)) == recorded:
        raise ValueError(
            f"{results['img_path']} was loaded at {shape[1]}x{shape[0]} of its "
            f"{recorded[1]}x{recorded[0]} pixels, which its boxes are measured in. Load the whole "
            "image: LoadImage() without scale."
        )
    turned = " Its EXIF orientation may turn it; annotate it as it is shown."
    raise UnreadableImageError(
        f"{results['img_path']} has {shape[1]}x{shape[0]} pixels (width x height), but its "
        f"annotation says {recorded[1]}x{recorded[0]}, so its boxes cannot be right."
        f"{turned if tuple(shape[::-1]) == recorded else ''} Correct the annotation or the image."
    )
