"""Backbone and one classification head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor

from ..registry import MODELS
from ..structures import ClsDataSample
from .distillation import Distillation, is_labelled


@MODELS.register_module()
class Classifier(BaseModel):
    """Classify images; the head decides whether with one label or several.

    Attributes:
        distillation: what it learns from a teacher, beside its labels or in their place; None
            unless it is set.

    Args:
        backbone: config of the backbone.
        head: config of the head.
        neck: config of a module between them that takes and returns a tuple of feature maps.
        data_preprocessor: config of what happens to a batch on the device.
        init_cfg: mmengine's initialisation.
        predict_loss: whether mode ``predict`` also sets ``loss`` of each sample, (): the loss of
            its batch, if all samples of the batch are labelled. `ValidationLoss` reads it; in
            configs that metric turns it on.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        head: Mapping[str, Any],
        neck: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
        predict_loss: bool = False,
    ) -> None:
        preprocessor = {"type": "Preprocessor", **(data_preprocessor or {})}
        # Built here: the base class would look the name up in mmengine's registry alone.
        super().__init__(MODELS.build(preprocessor), init_cfg)
        self.backbone = MODELS.build(dict(backbone))
        self.neck = None if neck is None else MODELS.build(dict(neck))
        self.head = MODELS.build(dict(head))
        self.predict_loss = predict_loss
        self.distillation: Distillation | None = None

    def extract_feats(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of (N, 3, H, W) images, after the neck if there is one."""
        feats: tuple[Tensor, ...] = self.backbone(inputs)
        return feats if self.neck is None else self.neck(feats)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[ClsDataSample] | None = None,
        mode: str = "tensor",
    ) -> Tensor | dict[str, Tensor] | list[ClsDataSample]:
        """Run the model.

        Args:
            inputs: (N, 3, H, W) float in [0, 1].
            data_samples: N samples; needed by ``loss``.
            mode: ``tensor`` for logits (N, C), ``loss`` for a dict of losses, ``predict`` for the
                samples with ``pred_score`` and ``pred_label``.

        Raises:
            ValueError: for another mode, or ``loss`` without samples.
        """
        if mode not in ("tensor", "loss", "predict"):
            raise ValueError(f"mode={mode!r}; expected 'tensor', 'loss' or 'predict'.")
        if mode == "loss" and data_samples is None:
            raise ValueError("mode='loss' got no data_samples; pass one labelled sample an image.")
        feats = self.extract_feats(inputs)
        if mode == "tensor":
            logits: Tensor = self.head(feats)
            return logits
        if mode == "loss" and self.distillation is not None and data_samples is not None:
            return self.distillation.losses(self.head, inputs, feats, data_samples)
        if mode == "loss":
            losses: dict[str, Tensor] = self.head.loss(feats, data_samples)
            return losses
        samples: list[ClsDataSample] = self.head.predict(feats, data_samples)
        if self.predict_loss and samples and all(map(is_labelled, samples)):
            losses = self.head.loss(feats, samples)
            # Of what a head returns, mmengine too adds up what is called a loss.
            total = sum(value for name, value in losses.items() if "loss" in name)
            for sample in samples:
                sample.loss = total
        return samples
