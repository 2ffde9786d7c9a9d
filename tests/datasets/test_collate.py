"""From samples to a batch, and from a worker to the main process."""

from __future__ import annotations

import pickle
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
import torch
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS

from tresnet_tasks.datasets import collate
from tresnet_tasks.datasets.by_value import ByValueList
from tresnet_tasks.registry import FUNCTIONS
from tresnet_tasks.structures import ClsDataSample


def _sample(height: int = 4, width: int = 5, label: int = 0) -> dict[str, Any]:
    image = torch.full((3, height, width), label, dtype=torch.uint8)
    sample = ClsDataSample(metainfo=dict(img_path=f"{label}.jpg")).set_gt_label(label)
    return dict(inputs=image, data_samples=sample)


def test_images_of_one_size_are_stacked() -> None:
    batch = collate([_sample(label=0), _sample(label=1)])
    assert batch["inputs"].shape == (2, 3, 4, 5)
    assert batch["inputs"].dtype == torch.uint8
    assert [sample.gt_label.tolist() for sample in batch["data_samples"]] == [[0], [1]]


@pytest.mark.parametrize("number", [1, 3])
def test_pixels_packed_as_in_the_file_stay_so(number: int) -> None:
    pixels = torch.arange(number * 60, dtype=torch.uint8).view(number, 4, 5, 3)
    samples = [dict(_sample(), inputs=image.permute(2, 0, 1)) for image in pixels]
    inputs = collate(samples)["inputs"]
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(inputs, pixels.permute(0, 3, 1, 2))


def test_pixels_packed_in_both_ways() -> None:
    one, other = torch.arange(120, dtype=torch.uint8).view(2, 3, 4, 5)
    packed = other.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    inputs = collate([dict(_sample(), inputs=image) for image in (one, packed)])["inputs"]
    assert torch.equal(inputs, torch.stack([one, other]))


def test_images_of_several_sizes_stay_a_list() -> None:
    batch = collate([_sample(4, 5), _sample(5, 4)])
    assert [tuple(image.shape) for image in batch["inputs"]] == [(3, 4, 5), (3, 5, 4)]


def test_images_left_out_are_dropped() -> None:
    batch = collate([None, _sample(label=3), None])
    assert batch["inputs"].shape[0] == len(batch["data_samples"]) == 1


def test_a_batch_without_a_readable_image() -> None:
    with pytest.raises(ValueError, match=r"every image of this batch \(2\) was unreadable"):
        collate([None, None])


def test_mmengine_finds_it_by_name() -> None:
    assert ROOT_FUNCTIONS.get("collate") is FUNCTIONS.get("collate") is collate


def test_samples_travel_by_value_and_arrive_as_a_list() -> None:
    samples = ByValueList([_sample(label=7)["data_samples"]])
    samples[0].set_gt_score(torch.tensor([0.25, 0.75]))
    sent = ForkingPickler.dumps(samples)
    arrived = pickle.loads(sent)
    assert type(arrived) is list
    assert arrived[0].gt_label.tolist() == [7]
    assert arrived[0].gt_score.tolist() == [0.25, 0.75]
    assert arrived[0].img_path == "7.jpg"
    arrived[0].gt_label += 1  # the memory is the receiver's own


def test_kinds_that_numpy_lacks_travel_too() -> None:
    arrived = pickle.loads(pickle.dumps(ByValueList([torch.tensor([1.5], dtype=torch.bfloat16)])))
    assert arrived[0].dtype == torch.bfloat16
    assert arrived[0].tolist() == [1.5]
