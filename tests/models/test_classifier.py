from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from tresnet_tasks.models import Classifier
from tresnet_tasks.registry import MODELS
from tresnet_tasks.structures import ClsDataSample

ARCH = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.25,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}
CONFIG: dict[str, Any] = {
    "type": "Classifier",
    "backbone": {"type": "TResNet", "arch": ARCH},
    "head": {"type": "LinearHead", "num_classes": 4, "in_channels": 512},
}


@pytest.fixture
def model() -> Classifier:
    torch.manual_seed(0)
    built: Classifier = MODELS.build(CONFIG)
    for parameter in built.parameters():
        if parameter.dim() == 1 and not parameter.any():
            nn.init.normal_(parameter)  # every block counts
    return built


def _samples(*labels: int) -> list[ClsDataSample]:
    return [ClsDataSample().set_gt_label(label) for label in labels]


def test_tensor_mode_gives_logits(model: Classifier) -> None:
    x = torch.rand(2, 3, 32, 32)
    logits = model.eval()(x)
    assert logits.shape == (2, 4)
    assert torch.equal(logits, model.head.fc(model.backbone(x)[0].mean((2, 3))))


def test_loss_mode_gives_a_loss_that_reaches_every_parameter(model: Classifier) -> None:
    losses = model(torch.rand(4, 3, 64, 64), _samples(0, 1, 2, 3), mode="loss")
    assert list(losses) == ["loss"]
    losses["loss"].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_predict_mode_gives_samples(model: Classifier) -> None:
    samples = _samples(0, 1)
    out = model.eval()(torch.rand(2, 3, 32, 32), samples, mode="predict")
    assert all(a is b for a, b in zip(out, samples, strict=True))
    assert all(sample.pred_score.shape == (4,) for sample in out)


def test_predicting_a_batch_equals_predicting_single_images(model: Classifier) -> None:
    x = torch.rand(3, 3, 32, 44)
    batched = model.eval()(x, mode="predict")
    for image, sample in zip(x, batched, strict=True):
        (single,) = model(image[None], mode="predict")
        torch.testing.assert_close(single.pred_score, sample.pred_score, rtol=1e-4, atol=1e-5)


def test_an_unknown_mode_is_refused(model: Classifier) -> None:
    with pytest.raises(ValueError, match="mode='train'; expected 'tensor', 'loss' or 'predict'"):
        model(torch.rand(1, 3, 32, 32), mode="train")


def test_a_loss_without_samples_is_refused(model: Classifier) -> None:
    with pytest.raises(ValueError, match="no data_samples"):
        model(torch.rand(1, 3, 32, 32), mode="loss")


def test_bfloat16_autocast_trains_and_predicts_close_to_float32(model: Classifier) -> None:
    x = torch.rand(4, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.train()(x, _samples(0, 1, 2, 3), mode="loss")["loss"]
        loss.backward()
        samples = model.eval()(x, mode="predict")
    assert loss.dtype == torch.float32
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    expected = model(x, mode="predict")
    for sample, other in zip(samples, expected, strict=True):
        assert sample.pred_score.dtype == torch.float32
        torch.testing.assert_close(sample.pred_score, other.pred_score, rtol=0.1, atol=0.05)


def test_state_dict_keys(model: Classifier) -> None:
    keys = model.state_dict()
    assert {key.split(".")[0] for key in keys} == {"backbone", "head"}
    assert "backbone.body.conv1.conv.weight" in keys
    assert "head.fc.weight" in keys


def test_a_neck_stands_between_backbone_and_head() -> None:
    @MODELS.register_module(name="DoublingNeck", force=True)
    class DoublingNeck(nn.Module):
        def forward(self, feats: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return tuple(2 * feat for feat in feats)

    try:
        model = MODELS.build({**CONFIG, "neck": {"type": "DoublingNeck"}}).eval()
    finally:
        del MODELS.module_dict["DoublingNeck"]
    x = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(model.extract_feats(x)[0], 2 * model.backbone(x)[0])


def test_the_config_is_left_as_it_was() -> None:
    before = repr(CONFIG)
    MODELS.build(CONFIG)
    assert repr(CONFIG) == before


def test_val_step_takes_a_collated_batch_of_uint8(model: Classifier) -> None:
    batch = {
        "inputs": torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8),
        "data_samples": _samples(0, 1),
    }
    out = model.eval().val_step(batch)
    assert [sample.gt_label.item() for sample in out] == [0, 1]
    assert all(sample.pred_score.sum().item() == pytest.approx(1) for sample in out)


def test_learns_eight_random_images_by_heart() -> None:
    torch.manual_seed(0)
    model = MODELS.build(CONFIG).train()
    batch = {
        "inputs": torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8),
        "data_samples": _samples(*(0, 1, 2, 3) * 2),
    }
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=3e-3))
    losses = [model.train_step(batch, wrapper)["loss"].item() for _ in range(60)]
    assert losses[-1] < losses[0] / 10
