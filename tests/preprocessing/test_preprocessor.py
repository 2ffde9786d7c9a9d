from __future__ import annotations

from typing import Any

import pytest
import torch

from tresnet_tasks.preprocessing import Preprocessor
from tresnet_tasks.registry import MODELS
from tresnet_tasks.structures import ClsDataSample

MIX: dict[str, Any] = {"mixes": [{"type": "MixUp", "alpha": 1.0}], "num_classes": 4}


def _batch(*labels: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    shape = (len(labels), 3, 8, 12)
    return {
        "inputs": torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),
        "data_samples": [ClsDataSample().set_gt_label(label) for label in labels],
    }


def test_divides_by_255() -> None:
    batch = _batch(0, 1)
    inputs = Preprocessor()(batch)["inputs"]
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs, batch["inputs"].float() / 255)


def test_white_is_one_and_black_is_zero() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 4, 4)
    inputs = Preprocessor()({"inputs": images})["inputs"]
    assert inputs[0].max() == 0
    assert inputs[1].min() == 1


def test_the_batch_given_is_left_as_it_was() -> None:
    batch = _batch(0, 1)
    before = batch["inputs"].clone()
    Preprocessor()(batch)
    assert torch.equal(batch["inputs"], before)


def test_a_list_of_images_equals_a_stacked_batch() -> None:
    batch = _batch(0, 1)
    listed = {**batch, "inputs": list(batch["inputs"])}
    assert torch.equal(Preprocessor()(listed)["inputs"], Preprocessor()(batch)["inputs"])


def test_images_of_different_sizes_are_refused() -> None:
    images = [torch.zeros(3, *size, dtype=torch.uint8) for size in ((8, 8), (8, 12))]
    with pytest.raises(ValueError, match=r"\(8, 8\), \(8, 12\).*one size.*Resize"):
        Preprocessor()({"inputs": images})


def test_images_that_are_no_longer_uint8_are_refused() -> None:
    with pytest.raises(ValueError, match=r"torch\.float32; expected uint8"):
        Preprocessor()({"inputs": torch.rand(1, 3, 8, 8)})


def test_mixes_in_training() -> None:
    torch.manual_seed(0)
    batch = _batch(0, 1, 2, 3)
    plain = Preprocessor()(batch)["inputs"]
    out = Preprocessor(**MIX)(batch, training=True)
    assert not torch.allclose(out["inputs"], plain)
    assert out["inputs"].min() >= 0 and out["inputs"].max() <= 1
    scores = torch.stack([sample.gt_score for sample in out["data_samples"]])
    torch.testing.assert_close(scores.sum(1), torch.ones(4))
    assert [sample.gt_label.item() for sample in out["data_samples"]] == [0, 1, 2, 3]


def test_never_mixes_in_evaluation() -> None:
    batch = _batch(0, 1, 2, 3)
    out = Preprocessor(**MIX)(batch, training=False)
    assert torch.equal(out["inputs"], batch["inputs"].float() / 255)
    assert not any("gt_score" in sample for sample in out["data_samples"])


def test_images_without_labels_are_not_mixed() -> None:
    batch = {"inputs": _batch(0, 1)["inputs"]}
    out = Preprocessor(**MIX)(batch, training=True)
    assert torch.equal(out["inputs"], batch["inputs"].float() / 255)
    assert out["data_samples"] is None


def test_an_image_mixed_with_an_unlabelled_one_has_no_labels() -> None:
    torch.manual_seed(0)
    batch = _batch(0, 1, 2, 3)
    batch["data_samples"][1] = ClsDataSample(metainfo={"img_path": "a.png"})
    out = Preprocessor(**MIX)(batch, training=True)
    labelled = ["gt_label" in sample or "gt_score" in sample for sample in out["data_samples"]]
    assert labelled == [True, False, False, True]  # each is mixed with the one before it
    assert out["data_samples"][1].img_path == "a.png"
    assert "gt_label" in batch["data_samples"][2]  # the batch given is left as it was


def test_mixes_without_the_number_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="num_classes"):
        Preprocessor(mixes=MIX["mixes"])


def test_mixing_images_of_several_labels_is_refused() -> None:
    batch = _batch(0, 1)
    batch["data_samples"][0].set_gt_label([1, 2])
    with pytest.raises(ValueError, match="2 images to mix have 3 labels"):
        Preprocessor(**MIX)(batch, training=True)


def test_mixing_labels_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 4 but .* num_classes=4"):
        Preprocessor(**MIX)(_batch(0, 4), training=True)


@pytest.mark.parametrize("arguments", [{}, MIX])
@pytest.mark.parametrize("packed", [torch.contiguous_format, torch.channels_last])
def test_channels_last_changes_the_layout_alone(
    arguments: dict[str, Any], packed: torch.memory_format
) -> None:
    batch = _batch(0, 1)
    inputs = torch.stack(list(batch["inputs"]))
    expected = Preprocessor()({**batch, "inputs": inputs})["inputs"]
    assert expected.is_contiguous()
    for channels_last in (False, True):
        preprocessor = Preprocessor(channels_last=channels_last, **arguments)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        given = {**batch, "inputs": inputs.contiguous(memory_format=packed)}
        assert torch.equal(preprocessor(given)["inputs"], expected)
        assert preprocessor(given)["inputs"].is_contiguous(memory_format=layout)
        assert preprocessor(given, training=True)["inputs"].is_contiguous(memory_format=layout)


def test_is_built_by_name() -> None:
    assert isinstance(MODELS.build({"type": "Preprocessor"}), Preprocessor)
