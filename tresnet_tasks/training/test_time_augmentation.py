"""Several views of each test image, and one answer from all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from ..models import Classifier
from ..registry import MODELS
from .checks import find_kind
from .image_checks import check_detector_images

# The image as it is comes first: the merged sample is its sample.
_FLIPS = ({"type": "RandomFlip", "prob": 0.0}, {"type": "RandomFlip", "prob": 1.0})


def complete_views(cfg: Config) -> None:
    """Have the test data give several views of each image, and settle what merges the answers, in place.

    The views are those of ``tta_pipeline``; without one, the image as the test pipeline gives it and its mirror image.
    ``tta_model`` merges. Without one, a classifier's scores are averaged; of a detector, the boxes of all views are put
    together by the NMS, and up to the number, of the model's ``test_cfg``.

    Args:
        cfg: as prepared for a test.

    Raises:
        ValueError: if nothing merges this model's answers, the test data has no pipeline of its own, or the views do
            not suit TResNet, see :func:`check_detector_images`.
    """
    cfg.tta_model = cfg.get("tta_model") or _merging(cfg.model)
    dataset = cfg.test_dataloader["dataset"]
    while not dataset.get("pipeline") and isinstance(dataset.get("dataset"), Mapping):
        dataset = dataset["dataset"]  # inside a wrapper
    own = dataset.get("pipeline")
    if not own:
        raise ValueError(
            f"--tta needs a pipeline to put views into, and {dataset.get('type')} of the test data has none. Leave "
            "--tta out."
        )
    views = cfg.get("tta_pipeline")
    if views is None:
        # Before resizing and padding, which stands at the right and at the bottom, of a mirror image too.
        steps = [list(_FLIPS), *([step] for step in own[1:])]
        views = [own[0], {"type": "TestTimeAug", "transforms": steps}]
    dataset["pipeline"] = views
    check_detector_images(cfg.model, [dataset])


def merge_views(model: Any, cfg: Config) -> Any:
    """Put a model into one that asks it about each view and merges the answers.

    Args:
        model: as built, in a wrapper for several processes or not.
        cfg: its config, with ``tta_model``.

    Returns:
        A model with ``test_step``.

    Raises:
        ValueError: if masks were to be merged, which mmdet's class does not do.
    """
    merging = find_kind(cfg.tta_model["type"], MODELS)
    with_mask = getattr(getattr(model, "module", model), "with_mask", False)
    if with_mask and merging.__name__ == "DetTTAModel":
        raise ValueError(
            f"--tta merges boxes; {cfg.model['type']} finds masks as well, which mmdet's DetTTAModel cannot merge. "
            "Leave --tta out."
        )
    return MODELS.build(ConfigDict({**cfg.tta_model, "module": model}))


def _merging(model: Mapping[str, Any]) -> dict[str, Any]:
    kind = find_kind(model["type"], MODELS)
    if issubclass(kind, Classifier):
        return {"type": "AverageClsScoreTTA"}
    from mmdet.models import BaseDetector  # a second, which classification does without

    if not issubclass(kind, BaseDetector):
        raise ValueError(
            f"--tta is for a classifier or a detector, and the config's model is {model['type']}. Leave it out, or "
            "state tta_model=dict(type=...), a BaseTTAModel of mmengine that merges what this model predicts."
        )
    rules = model.get("test_cfg") or {}
    rules = rules.get("rcnn") or rules  # of two stages
    merging = {
        "nms": rules.get("nms") or {"type": "nms", "iou_threshold": 0.5},
        "max_per_img": rules.get("max_per_img", 100),
    }
    return {"type": "DetTTAModel", "tta_cfg": merging}
