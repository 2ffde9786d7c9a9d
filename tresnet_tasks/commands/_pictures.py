"""Pictures drawn into a folder: predictions, or what is known of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..inference import Detections, Prediction
    from ..inference.predictor import Answer
    from ..reports import DrawnDetections

SHEET_IMAGES = 24  # more on one sheet are too small to read
_DRAWN_SIDE = 520  # pixels; no picture shows more


class Pictures:
    """Draws into a folder: ``<name>.png`` for every image, and a sheet of them.

    Args:
        folder: where to; it is made.
        paths: of the images to come.
        topk: how many classes of a prediction are shown.
        sheet: name of the sheet's file, without its ending.
        option: that names the folder, for errors.

    Raises:
        ValueError: if the folder cannot be made, or one of the images lies in it: it might be overwritten.
    """

    def __init__(
        self,
        folder: Path,
        paths: Sequence[str],
        topk: int = 5,
        sheet: str = "predictions",
        option: str = "--draw",
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:  # above all a file of that name
            raise ValueError(
                f"{option} {folder} cannot be made a folder: {error.strerror or error}. Name a folder; it is made if "
                "need be."
            ) from error
        inside = next((p for p in paths if Path(p).resolve().parent == folder.resolve()), None)
        if inside is not None:
            raise ValueError(
                f"{option} {folder} is the folder of {inside}, which might be overwritten. Name "
                "another folder; it is made if need be."
            )
        self.folder = folder
        self.topk = topk
        self.sheet: list[Any] = []
        self._sheet_name = sheet
        # Lower case: some file systems take A.png and a.png for one file.
        self._names = {sheet.lower()}

    def add(self, prediction: Answer) -> None:
        """Draw one prediction."""
        self.add_drawn(self._drawn(prediction), str(prediction.path))

    def add_drawn(self, drawn: Any, path: str) -> None:
        """Draw one picture; ``path`` is the image's, after which it is named."""
        self._draw([drawn], self.folder / f"{self._free_name(path)}.png")
        if len(self.sheet) < SHEET_IMAGES:
            self.sheet.append(drawn)

    def finish(self, columns: int | None = None) -> Path:
        """Draw the sheet of the first images, with so many in a row; returns its path."""
        return self._draw(self.sheet, self.folder / f"{self._sheet_name}.png", columns)

    def _draw(self, pictures: list[Any], path: Path, columns: int | None = None) -> Path:
        from ..reports import (
            DrawnDetections,
            DrawnJoint,
            draw_contact_sheet,
            draw_detections,
            draw_joint,
        )

        drawn = pictures[0] if pictures else None
        if isinstance(drawn, DrawnDetections):
            return draw_detections(pictures, path, columns)
        if isinstance(drawn, DrawnJoint):
            return draw_joint(pictures, path, columns)
        return draw_contact_sheet(pictures, path, columns)

    def _drawn(self, prediction: Any) -> Any:
        from ..inference import Detections, JointPrediction
        from ..reports import DrawnJoint, DrawnPrediction

        image, title = _small_image(str(prediction.path)), Path(prediction.path).name
        if isinstance(prediction, Detections):
            return _boxes_on(image, title, prediction)
        if isinstance(prediction, JointPrediction):
            boxes = [a for a in prediction.answers.values() if isinstance(a, Detections)]
            labels = {
                head: self._labels(answer)
                for head, answer in prediction.answers.items()
                if not isinstance(answer, Detections)
            }
            return DrawnJoint(_boxes_on(image, title, *boxes), labels)
        shown, chosen = prediction.shown(self.topk)
        return DrawnPrediction(
            image,
            [prediction.classes[label] for label in shown],
            [float(prediction.scores[label]) for label in shown],
            labels=shown,
            title=title,
            chosen=chosen,
        )

    def _labels(self, prediction: Prediction) -> list[tuple[str, float, bool]]:
        shown, chosen = prediction.shown(min(self.topk, 3))
        return [
            (prediction.classes[label], float(prediction.scores[label]), rank < chosen)
            for rank, label in enumerate(shown)
        ]

    def _free_name(self, path: str) -> str:
        """The image's name without its ending, with a number where an earlier one had it."""
        stem = name = Path(path).stem
        number = 1
        while name.lower() in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name.lower())
        return name


def _small_image(path: str) -> Any:
    """(H, W, 3) uint8 RGB, upright, at most as large as it is drawn."""
    import numpy as np
    from PIL import Image

    from ..datasets.image_io import decode_image, read_bytes

    pixels, _ = decode_image(read_bytes(path), name=path, min_side=_DRAWN_SIDE)
    image = Image.fromarray(pixels)
    image.thumbnail((_DRAWN_SIDE, _DRAWN_SIDE))
    return np.asarray(image)


def _boxes_on(image: Any, title: str, found: Detections | None = None) -> DrawnDetections:
    import numpy as np

    from ..reports import DrawnDetections

    if found is None:
        return DrawnDetections(image, np.zeros((0, 4), np.float32), [], [], [], title=title)
    number = found.above
    return DrawnDetections(
        image,
        found.bboxes[:number] * (image.shape[1] / found.size[1]),
        found.names[:number],
        found.scores[:number].tolist(),
        found.labels[:number].tolist(),
        masks=found.mask_pixels(number),
        title=title,
    )
