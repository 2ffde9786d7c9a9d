"""A teacher beside the labels, or in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...heads import MultiLabel
from ...losses import Divergence
from ...models import Classifier, Distillation
from ...registry import HOOKS
from ..teacher import Teacher, teacher_from_checkpoint, teacher_from_timm


@HOOKS.register_module()
class DistillationHook(Hook):
    """Lets a `Classifier` learn the answers of a trained network.

    The teacher gets each batch as the student does, augmented and mixed, and needs no labels: the
    training data may hold images without (`UnlabelledFolder`, `ConcatImages`). It stays as it is
    and outside the model, so checkpoints are those of the student alone.

    Args:
        weights: the teacher's: a checkpoint of this project, or with ``config`` any weights that
            `Predictor` reads. Its classes must be the student's, in any order.
        config: path or name of its config, for weights that carry none.
        timm: name of a model of timm, which is then the teacher, with ``weights`` from a file or,
            if None, timm's own. Its number of classes must be the student's.
        size: pixels, one number or (height, width), that images are resized to for the teacher;
            None for the student's size.
        divergence: 'js' or 'kl', see `Divergence`; 'js' is SSLD's (arXiv 2103.05959).
        temperature: see `Divergence`.
        teacher_weight: factor of the divergence.
        label_weight: factor of the head's own loss over the images that have labels; 0, SSLD's way,
            learns from the teacher alone.

    Raises:
        ValueError: for an argument out of range or no teacher; in training, if the model is no
            `Classifier`, or for a teacher of other classes or another task.
        FileNotFoundError: in training, if there are no such weights.
    """

    def __init__(
        self,
        weights: str | None = None,
        config: str | None = None,
        timm: str | None = None,
        size: int | Sequence[int] | None = None,
        divergence: str = "js",
        temperature: float = 1.0,
        teacher_weight: float = 1.0,
        label_weight: float = 0.0,
    ) -> None:
        if weights is None and timm is None:
            raise ValueError(
                "DistillationHook got no teacher. Set weights='work_dirs/teacher/best.pth', or "
                "timm='...', the name of a pretrained model of timm."
            )
        if timm is not None and config is not None:
            raise ValueError(
                f"DistillationHook got config={config!r} and timm={timm!r}, which names the model "
                "by itself. Leave one out."
            )
        self.weights = weights
        self.config = config
        self.timm = timm
        self.size = _sides(size)
        if not label_weight >= 0:
            raise ValueError(f"label_weight={label_weight}; expected 0 or more.")
        self.label_weight = label_weight
        self.loss = Divergence(divergence, temperature, loss_weight=teacher_weight)

    def before_train(self, runner: Any) -> None:
        """Read the teacher, compare its classes with the data's, and set it before the model."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        task = getattr(getattr(model, "head", None), "task", None)
        if not isinstance(model, Classifier) or task is None:
            raise ValueError(
                f"DistillationHook got a {type(model).__name__}; expected a Classifier whose head "
                "has a task, such as LinearHead. Leave the hook out."
            )
        self.loss.multi_label = isinstance(task, MultiLabel)
        classes = runner.train_dataloader.dataset.metainfo["classes"]
        teacher = self._teacher(classes, next(model.parameters()).device)
        model.distillation = Distillation(teacher, self.loss, self.label_weight)
        runner.logger.info(
            f"teacher: {self.timm or self.weights}, "
            f"{sum(p.numel() for p in teacher.network.parameters()) / 1e6:.1f} M parameters"
        )

    def after_train(self, runner: Any) -> None:
        """Let the teacher go."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.distillation = None

    def _teacher(self, classes: Sequence[str], device: Any) -> Teacher:
        if self.timm is not None:
            return teacher_from_timm(self.timm, len(classes), device, self.weights, self.size)
        return teacher_from_checkpoint(
            str(self.weights), classes, self.loss.multi_label, device, self.config, self.size
        )


def _sides(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(
            f"DistillationHook got size={size!r}; expected a number of pixels, such as 224, or "
            "(height, width)."
        )
    return sides
