"""The loss of detectors in evaluation."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn

from tresnet_tasks.heads import DetectorHead, evaluated_loss

# FCOS puts out pixels when it does not train, and strides, which its loss expects, when it does.
FCOS = {
    "type": "mmdet.FCOS",
    "bbox_head": {
        "type": "mmdet.FCOSHead",
        "num_classes": 2,
        "in_channels": 8,
        "feat_channels": 8,
        "stacked_convs": 1,
        "strides": [8],
        "regress_ranges": ((-1, 1e8),),
        "norm_on_bbox": True,
        "norm_cfg": {"type": "BN"},
    },
}


@pytest.fixture
def head() -> DetectorHead:
    torch.manual_seed(0)
    made = DetectorHead(FCOS)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    return made


@pytest.fixture
def batch() -> tuple[Any, list[DetDataSample]]:
    size = {"img_shape": (64, 64), "batch_input_shape": (64, 64), "img_path": "a.png"}
    objects = InstanceData(bboxes=torch.tensor([[4.0, 6, 50, 60]]), labels=torch.tensor([1]))
    nothing = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    sample = DetDataSample(metainfo=size, gt_instances=objects, ignored_instances=nothing)
    return (torch.rand(1, 8, 8, 8) * 3,), [sample]


def test_it_is_the_training_s_loss_with_the_statistics_of_evaluation(
    head: DetectorHead, batch: Any
) -> None:
    oracle = copy.deepcopy(head).train()
    for module in oracle.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    found = head.eval().validation_loss(*batch)
    expected = oracle.loss(*batch)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    plain = head.loss(*batch)
    assert plain["loss_bbox"] != found["loss_bbox"]  # what evaluation mode alone would tell
    assert not any(module.training for module in head.modules())


def test_the_samples_stay_as_they_were(head: DetectorHead, batch: Any) -> None:
    feats, samples = batch
    before = samples[0].gt_instances.bboxes
    head.eval().validation_loss(feats, samples)
    assert samples[0].gt_instances.bboxes is before


def test_objects_of_other_processes_are_not_waited_for(
    head: DetectorHead, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmdet.utils import dist_utils

    alone = head.eval().validation_loss(*batch)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("processes met")

    monkeypatch.setattr(dist_utils.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist_utils.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist_utils.dist, "all_reduce", never)
    assert head.validation_loss(*batch).keys() == alone.keys()
    with pytest.raises(AssertionError, match="met"):
        head.loss(*batch)


def test_an_error_leaves_everything_in_evaluation(head: DetectorHead) -> None:
    with pytest.raises(RuntimeError, match="inside"), evaluated_loss(head.eval()):
        raise RuntimeError("inside")
    assert not any(module.training for module in head.modules())


def test_boxes_that_were_loaded_behind_the_resize_are_refused(
    head: DetectorHead, batch: Any
) -> None:
    feats, samples = batch
    instances = [{"bbox": [4.0, 6, 50, 60], "ignore_flag": 0}]
    samples[0].set_metainfo({"scale_factor": (2.0, 2.0), "instances": instances})
    with pytest.raises(ValueError, match="Put LoadAnnotations before Resize"):
        head.eval().validation_loss(feats, samples)
