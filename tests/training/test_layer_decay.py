"""Rates of layers, against the formula rate x decay ** distance from the head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from tresnet_tasks.registry import MODELS
from tresnet_tasks.training.layer_decay import LayerDecayConstructor
from tresnet_tasks.upstream.checkpoints import read_checkpoint

BLOCKS = ("basic", "basic", "bottleneck", "bottleneck")
DECAY = (
    "\noptim_wrapper.update(constructor='LayerDecayConstructor', "
    "paramwise_cfg=dict(decay_rate=0.5, flat_decay_mult=0.0))"
    "\noptim_wrapper['optimizer'].update(lr=0.1, weight_decay=1e-4)"
)


def model() -> Any:
    arch = dict(layers=(1, 2, 1, 1), width_factor=0.125, blocks=BLOCKS)
    backbone = dict(type="TResNet", arch=arch)
    head = dict(type="LinearHead", num_classes=3, in_channels=256)
    return MODELS.build(dict(type="Classifier", backbone=backbone, head=head))


def rates(net: nn.Module, **settings: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Rate and weight decay of each parameter by name."""
    optimizer = dict(type="SGD", lr=0.1, weight_decay=1e-4)
    config = dict(type="OptimWrapper", optimizer=optimizer, paramwise_cfg=settings)
    config["constructor"] = "tresnet_tasks.LayerDecayConstructor"
    groups = build_optim_wrapper(net, config).optimizer.param_groups
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    both = [
        {names[id(p)]: g[key] for g in groups for p in g["params"]}
        for key in ("lr", "weight_decay")
    ]
    assert both[0].keys() == set(names.values())
    return both[0], both[1]


def test_each_stage_has_its_rate() -> None:
    found, _ = rates(model(), decay_rate=0.5)
    stages = {"head.": 0, "layer4": 1, "layer3": 2, "layer2": 3, "layer1": 4, "body.conv1": 5}
    for part, distance in stages.items():
        mine = {rate for name, rate in found.items() if part in name.replace(".0.", ".")}
        assert mine == {0.1 * 0.5**distance}, part


def test_each_block_has_its_rate() -> None:
    found, _ = rates(model(), decay_rate=0.5, decay_type="layer_wise")
    blocks = {"layer4.0.": 1, "layer3.0.": 2, "layer2.1.": 3, "layer2.0.": 4, "layer1.0.": 5}
    for part, distance in blocks.items():
        assert {rate for name, rate in found.items() if part in name} == {0.1 * 0.5**distance}
    assert found["backbone.body.conv1.conv.weight"] == 0.1 * 0.5**6


def test_biases_and_norms_go_on_without_weight_decay() -> None:
    net = model()
    _, decays = rates(net, decay_rate=0.5, flat_decay_mult=0.0)
    for name, parameter in net.named_parameters():
        assert decays[name] == (0.0 if parameter.ndim == 1 else 1e-4), name


def test_mmengines_own_settings_multiply() -> None:
    found, _ = rates(model(), decay_rate=0.5, custom_keys={"layer4": {"lr_mult": 3.0}})
    assert found["backbone.body.layer4.0.conv1.conv.weight"] == pytest.approx(0.1 * 3.0 * 0.5)


def test_a_resnet_of_torchvision_has_stages_too() -> None:
    net = nn.Module()
    net.backbone = MODELS.build(dict(type="TorchvisionBackbone", name="resnet18"))
    found, _ = rates(net, decay_rate=0.5)
    assert found["backbone.net.conv1.weight"] == 0.1 * 0.5**5


def test_a_one_cycle_run_keeps_the_proportions_and_logs_the_table(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        "param_scheduler = dict(type='OneCycleLR', eta_max=0.2, convert_to_iter_based=True)"
        f"{DECAY}\nauto_scale_lr = dict(enable=True, base_batch_size=8)"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w")
    assert "stage 4" in printed and "weight decay" in printed
    groups = read_checkpoint(tmp_path / "w/epoch_1.pth")["optimizer"]["param_groups"]
    peaks = {group["layer"]: group["max_lr"] for group in groups}
    layers = ("stem", "stage 1", "stage 2", "stage 3", "stage 4", "head")
    # Batches of 4, for which both rates are halved.
    expected = {layer: 0.1 * 0.5 ** (5 - place) for place, layer in enumerate(layers)}
    assert peaks == pytest.approx(expected)
    top = groups[-1]["lr"]
    for group in groups:
        share = expected[group["layer"]] / 0.1
        assert group["lr"] == pytest.approx(top * share)


def test_a_resumed_run_equals_the_straight_one(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config(f"param_scheduler['eta_min'] = 0.01{DECAY}")
    command("train", config, "--work-dir", tmp_path / "w", "--seed", "1")
    command("train", config, "--work-dir", tmp_path / "r", "--resume", tmp_path / "w/epoch_1.pth")
    one, two = (read_checkpoint(tmp_path / name / "epoch_2.pth") for name in ("w", "r"))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name
    # The cosine goes to a tenth of each group's own rate.
    left = [group["lr"] / group["initial_lr"] for group in one["optimizer"]["param_groups"]]
    assert left == pytest.approx([left[0]] * len(left)) and left[0] < 0.2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "decay_rate=None"),
        ({"decay_rate": 1.5}, "decay_rate=1.5"),
        ({"decay_rate": 0.5, "decay_type": "stage"}, "decay_type='stage'"),
        ({"decay_rat": 0.5}, "Did you mean 'decay_rate'"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LayerDecayConstructor({"optimizer": {"type": "SGD", "lr": 0.1}}, settings)


def test_a_backbone_without_stages_is_refused() -> None:
    net = nn.Module()
    net.backbone = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="no stages"):
        rates(net, decay_rate=0.5)


def test_a_misspelt_constructor_is_answered_with_the_nearest(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    config = tiny_config("optim_wrapper['constructor'] = 'LayerDecayConstructer'")
    printed = command("train", config, "--work-dir", tmp_path / "w", status=1)
    assert "Did you mean 'LayerDecayConstructor'" in printed
