"""Any detector of mmdet as one head among others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..registry import MODELS
from .evaluated_loss import check_box_scale, evaluated_loss


@MODELS.register_module()
class DetectorHead(BaseModule):
    """What a detector does after its backbone and neck, on feature maps that it is given.

    One adapter for all: single-stage, two-stage and query-based detectors are built as they are,
    with a backbone that hands its input on. So their train and test settings stay where mmdet
    keeps them.

    Args:
        detector: config of a detector without ``backbone`` and ``data_preprocessor``, such as
            ``dict(type='mmdet.FCOS', bbox_head=dict(...), test_cfg=dict(...))``. A ``neck`` in it
            is this head's own, after the shared one.
        init_cfg: mmengine's initialisation.

    Raises:
        ValueError: if the detector brings its own backbone.

    Attributes:
        default_input: reads the neck where there is one.
        counts_objects: its losses are means over the objects of all processes already.
    """

    default_input = "neck"
    counts_objects = True

    def __init__(
        self, detector: Mapping[str, Any], init_cfg: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(init_cfg)
        own = sorted({"backbone", "data_preprocessor"} & set(detector))
        if own:
            raise ValueError(
                f"the detector of a head has {' and '.join(own)}; it works on the feature maps of "
                "the shared backbone. Leave them out, or train the detector alone."
            )
        self.detector = MODELS.build(
            # mmdet reads its settings as attributes
            ConfigDict(
                {
                    "neck": None,  # some demand the argument
                    **detector,
                    "backbone": {"type": "tresnet_tasks.GivenFeatures"},
                    "data_preprocessor": {"type": "BaseDataPreprocessor"},
                }
            )
        )

    @staticmethod
    def new_sample(metainfo: Mapping[str, Any]) -> BaseDataElement:
        """A data sample for an image without boxes."""
        from mmdet.structures import DetDataSample

        return DetDataSample(metainfo=dict(metainfo))

    @classmethod
    def stand_in(cls, metainfo: Mapping[str, Any], like: Tensor) -> BaseDataElement:
        """A data sample on which there is nothing to detect, for a process without labels: mmdet's
        losses count their objects over all processes, and each has to take part.

        Args:
            metainfo: of an image of the batch.
            like: a tensor on the device.
        """
        from mmengine.structures import InstanceData

        sample = cls.new_sample(metainfo)
        nothing = InstanceData(bboxes=like.new_zeros((0, 4)), labels=like.new_zeros(0).long())
        sample.gt_instances = sample.ignored_instances = nothing
        return sample

    def forward(self, feats: Sequence[Tensor]) -> Any:
        """The detector's raw outputs."""
        return self.detector(tuple(feats), mode="tensor")

    def loss(
        self, feats: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> dict[str, Any]:
        """The detector's losses.

        Args:
            feats: feature maps of N images.
            data_samples: N mmdet ``DetDataSample`` with ``gt_instances``, boxes in pixels.
        """
        from mmdet.models.utils import samplelist_boxtype2tensor

        samples = list(data_samples)
        samplelist_boxtype2tensor(samples)
        losses: dict[str, Any] = self.detector(tuple(feats), samples, mode="loss")
        return losses

    def validation_loss(
        self, feats: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> dict[str, Any]:
        """The same in evaluation, of this process's objects alone; the samples stay as they are.

        Raises:
            ValueError: for boxes that are not those of the image as it was resized.
        """
        check_box_scale(data_samples)
        with evaluated_loss(self.detector):
            return self.loss(feats, [sample.detach() for sample in data_samples])

    def predict(
        self, feats: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> list[BaseDataElement]:
        """Set ``pred_instances`` (boxes in pixels of the original image) of each sample."""
        samples: list[BaseDataElement] = self.detector(
            tuple(feats), list(data_samples), mode="predict"
        )
        return samples
