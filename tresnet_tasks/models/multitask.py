"""One backbone, any number of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from mmengine.model import BaseModel, ModuleDict
from torch import Tensor, nn

from ..registry import MODELS
from ..structures import ClsDataSample, MultiTaskDataSample
from .gradient_balance import GradientBalance
from .joint_losses import Feats, Samples, joint_losses, labelled_images, total_loss
from .uncertainty import UncertaintyWeights


@MODELS.register_module()
class MultiTaskModel(BaseModel):
    """Classify, tag and detect from one forward pass of backbone and neck.

    An image trains the heads that it has labels for. Where an image of the batch lacks them for a
    head, on this process or on another, the head's loss is the mean over those that have them, of
    all processes.

    Args:
        backbone: config of the backbone.
        heads: config of each head by its name. A head has ``loss(feats, data_samples)`` and
            ``predict(feats, data_samples)``. It may also have ``default_input`` ('neck'),
            ``new_sample(metainfo)``, ``stand_in(metainfo, like)`` and ``counts_objects``, see
            :class:`DetectorHead`.
        neck: config of the neck, or None.
        inputs: for a head, the feature maps that it reads: ``'backbone'`` or ``'neck'``, or one of
            them and a level, ``('neck', 0)``. By default detectors read the neck, others the
            backbone, whose last map is theirs.
        loss_weights: factor of each head's losses; 1 where not named.
        uncertainty: whether the heads' losses are weighed by learned uncertainties as well, see
            :class:`UncertaintyWeights`.
        frozen: names of heads, ``'backbone'`` and ``'neck'``: these stay as they are, statistics of
            batch normalisation included. So a head can be added to a trained model whose other
            answers do not change by a bit.
        balance: ``'sum'``, ``'norm'`` or ``'pcgrad'``, see :class:`GradientBalance`.
        balance_interval: each that many-th batch is measured for it; the price of one is a backward
            pass through the trunk for each head.
        predict_loss: whether mode ``predict`` also sets ``loss`` of each labelled sub-sample, (): the
            weighted loss of its head over those of its batch. `ValidationLoss` reads it; in configs
            that metric turns it on.
        data_preprocessor: config of what happens to a batch on the device.
        init_cfg: mmengine's initialisation.

    Raises:
        ValueError: for no heads, a name that cannot be one, or settings of a head that is none.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        heads: Mapping[str, Mapping[str, Any]],
        neck: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str | Sequence[Any]] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        uncertainty: bool = False,
        frozen: Sequence[str] = (),
        balance: str = "sum",
        balance_interval: int = 1,
        predict_loss: bool = False,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        preprocessor = {"type": "MultiTaskPreprocessor", **(data_preprocessor or {})}
        super().__init__(MODELS.build(preprocessor), init_cfg)
        _check_names(heads, inputs=inputs, loss_weights=loss_weights)
        self.backbone = MODELS.build(dict(backbone))
        self.neck = None if neck is None else MODELS.build(dict(neck))
        # mmengine's: torch's would not pass init_weights on.
        self.heads = ModuleDict({name: MODELS.build(dict(head)) for name, head in heads.items()})
        self.loss_weights = {name: float((loss_weights or {}).get(name, 1)) for name in heads}
        self.sources = {name: self._source(name, (inputs or {}).get(name)) for name in self.heads}
        if self.neck is not None and not self._readers("neck"):
            raise ValueError(
                f"the model has a neck, but of its heads ({', '.join(heads)}) none reads it. Leave "
                "the neck out, or name a reader: inputs=dict(NAME=('neck', 0))."
            )
        self.frozen = tuple(frozen)
        self._freeze()
        self.predict_loss = predict_loss
        training = [name for name in heads if name not in self.frozen]
        self.uncertainty = UncertaintyWeights(training) if uncertainty else None
        self.balance = GradientBalance(training, balance, balance_interval)

    def train(self, mode: bool = True) -> MultiTaskModel:
        """Choose training or evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        for name in self.frozen:
            self._part(name).eval()
        return self

    def forward(
        self,
        inputs: Tensor | Sequence[Tensor],
        data_samples: Samples | Sequence[Samples] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """Run the model.

        Args:
            inputs: (N, 3, H, W) float in [0, 1], or a list of such groups, each of one size.
            data_samples: N samples, or a list of them for each group; needed by ``loss``.
            mode: ``tensor`` for each head's raw output by name (of one group), ``loss`` for a dict
                of losses called ``HEAD.loss...``, ``predict`` for the samples, all heads' answers in
                each, in the order of the groups.

        Raises:
            ValueError: for another mode, or ``loss`` without samples.
        """
        if mode not in ("tensor", "loss", "predict"):
            raise ValueError(f"mode={mode!r}; expected 'tensor', 'loss' or 'predict'.")
        if mode == "loss" and data_samples is None:
            raise ValueError("mode='loss' got no data_samples; pass one labelled sample an image.")
        if mode == "tensor":
            feats = self.extract_feats(cast(Tensor, inputs))
            return {name: head(feats[name]) for name, head in self.heads.items()}
        if isinstance(inputs, Tensor):
            samples = data_samples or [MultiTaskDataSample() for _ in inputs]
            groups = [(inputs, cast(Samples, samples))]
        else:
            groups = list(zip(inputs, cast("Sequence[Samples]", data_samples), strict=True))
        if mode == "loss":
            return self._loss(groups)
        return [sample for images, samples in groups for sample in self._predict(images, samples)]

    def extract_feats(self, inputs: Tensor) -> dict[str, Feats]:
        """The feature maps that each head reads, by its name, of (N, 3, H, W) images."""
        maps: dict[str, Feats] = {"backbone": tuple(self.backbone(inputs))}
        if self.neck is not None:
            maps["neck"] = tuple(self.neck(maps["backbone"]))
        found = {}
        for name, (source, level) in self.sources.items():
            feats = maps[source] if level is None else (maps[source][level],)
            found[name] = self.balance.scaled(name, feats)
        return found

    def _freeze(self) -> None:
        parts = ["backbone", *(["neck"] if self.neck is not None else []), *self.heads]
        for name in self.frozen:
            if name not in parts:
                raise ValueError(
                    f"frozen names {name!r}, but the parts of the model are {', '.join(parts)}."
                )
            self._part(name).requires_grad_(False)

    def _part(self, name: str) -> nn.Module:
        part: nn.Module = self.heads[name] if name in self.heads else getattr(self, name)
        return part

    def _readers(self, source: str) -> list[str]:
        return [name for name, (read, _) in self.sources.items() if read == source]

    def _source(self, name: str, given: str | Sequence[Any] | None) -> tuple[str, int | None]:
        if given is None:
            wanted = getattr(self.heads[name], "default_input", "backbone")
            return ("backbone" if self.neck is None else wanted), None
        source, level = (given, None) if isinstance(given, str) else tuple(given)
        if source not in ("backbone", "neck") or (source == "neck" and self.neck is None):
            raise ValueError(
                f"inputs[{name!r}] is {given!r}; expected 'backbone' or 'neck', of which the "
                f"model {'has none' if self.neck is None else 'has one'}, or such a word and a "
                "level, ('neck', 0)."
            )
        return str(source), level

    # ------------------------------------------------------------------------------------- loss

    def _loss(self, groups: Sequence[tuple[Tensor, Samples]]) -> dict[str, Tensor]:
        training = {name: head for name, head in self.heads.items() if name not in self.frozen}
        terms = joint_losses(training, groups, self.extract_feats, self.loss_weights)
        if self.uncertainty is not None:
            terms = self.uncertainty(terms)
        if self.training and torch.is_grad_enabled():
            self.balance.weigh({n: total_loss(terms, f"{n}.") for n in training}, self.backbone)
        return terms

    # ---------------------------------------------------------------------------------- predict

    def _predict(self, images: Tensor, samples: Samples) -> Samples:
        feats = self.extract_feats(images)
        height, width = images.shape[-2:]
        size = (height, width)
        metainfo = {
            **{key: size for key in ("ori_shape", "img_shape", "batch_input_shape", "pad_shape")},
            "scale_factor": (1.0, 1.0),
        }
        head: Any
        for name, head in self.heads.items():
            new = getattr(head, "new_sample", _new_sample)
            before = []
            for sample in samples:
                known = sample.task(name)
                before.append(new({**metainfo, **sample.metainfo}) if known is None else known)
            loss = self._validation_loss(name, feats[name], samples) if self.predict_loss else None
            for sample, answer in zip(samples, head.predict(feats[name], before), strict=True):
                if loss is not None and sample.labelled(name):
                    answer.loss = loss
                sample.set_task(name, answer)
        return samples

    def _validation_loss(self, name: str, feats: Feats, samples: Samples) -> Tensor | None:
        head: Any = self.heads[name]
        chosen, targets = labelled_images(feats, name, samples)
        if not targets:
            return None
        losses = getattr(head, "validation_loss", head.loss)(chosen, targets)
        return total_loss(losses) * self.loss_weights[name]


def _new_sample(metainfo: Mapping[str, Any]) -> ClsDataSample:
    return ClsDataSample(metainfo=dict(metainfo))


def _check_names(heads: Mapping[str, Any], **settings: Mapping[str, Any] | None) -> None:
    if not heads:
        raise ValueError("MultiTaskModel got no heads; name at least one: heads=dict(cls=...).")
    for name in heads:
        if not name.isidentifier() or "loss" in name:
            raise ValueError(
                f"a head is called {name!r}; expected a name of letters, digits and underscores "
                "without the word 'loss', by which the logged losses are told from the rest."
            )
        MultiTaskDataSample().set_task(name, ClsDataSample())  # refuses the names of its methods
    for setting, values in settings.items():
        unknown = sorted(set(values or {}) - set(heads))
        if unknown:
            raise ValueError(
                f"{setting} names {', '.join(unknown)}, but the heads are {', '.join(heads)}. "
                "Use their names."
            )
