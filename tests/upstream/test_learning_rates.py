"""Scaling by hand is the oracle: rate x batch / base."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper

from tresnet_tasks.upstream.learning_rates import in_proportion, scaled_learning_rates

LOADER = {"batch_size": 32, "processes": 2, "accumulation": 4}  # 256 images
SCHEDULES = [
    {"type": "LinearLR", "start_factor": 0.1},
    {"type": "CosineAnnealingLR", "T_max": 5, "eta_min": 1e-3},
    {"type": "CosineAnnealingMomentum", "T_max": 5, "eta_min": 0.8},
]


def wrapper(*rates: float) -> Any:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return OptimWrapper(torch.optim.SGD(groups, lr=0.1))


def test_rates_follow_the_batch_with_accumulation_counted() -> None:
    optim = wrapper(0.1, 0.01)
    schedules, told = scaled_learning_rates(
        optim, SCHEDULES, LOADER, {"enable": True, "base_batch_size": 128}
    )
    assert [group["lr"] for group in optim.optimizer.param_groups] == pytest.approx([0.2, 0.02])
    assert schedules == [SCHEDULES[0], {**SCHEDULES[1], "eta_min": 2e-3}, SCHEDULES[2]]
    assert SCHEDULES[1]["eta_min"] == 1e-3  # the config itself stays
    assert "256 images (2 process(es) x 32 images x 4 accumulated)" in told
    assert "lr 0.2, scaled by 2 from a batch of 128 (0.02 to 0.2 by paramwise_cfg)" in told


def test_the_peak_of_a_one_cycle_schedule_is_scaled_and_told() -> None:
    one_cycle = [{"type": "OneCycleLR", "eta_max": 0.4, "total_steps": 9}]
    schedules, told = scaled_learning_rates(
        wrapper(0.1), one_cycle, LOADER, {"enable": True, "base_batch_size": 512}
    )
    assert schedules[0]["eta_max"] == pytest.approx(0.2)
    assert "lr 0.2" in told


@pytest.mark.parametrize("auto", [{}, {"enable": False, "base_batch_size": 1}])
def test_nothing_is_scaled_unasked(auto: dict[str, Any]) -> None:
    optim = wrapper(0.1)
    schedules, told = scaled_learning_rates(optim, SCHEDULES, LOADER, auto)
    assert schedules is SCHEDULES
    assert optim.optimizer.param_groups[0]["lr"] == 0.1
    assert told.endswith("lr 0.1")


def test_scaling_without_a_base_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Set auto_scale_lr\.base_batch_size"):
        scaled_learning_rates(wrapper(0.1), None, LOADER, {"enable": True})


def test_rates_that_a_schedule_states_are_given_in_proportion_to_the_groups() -> None:
    optim = wrapper(0.1, 0.02)
    one_cycle = in_proportion({"type": "OneCycleLR", "eta_max": 0.5}, optim)
    assert one_cycle["eta_max"] == pytest.approx([0.5, 0.1, 0.5])
    cosine = in_proportion({"type": "CosineAnnealingLR", "eta_min": 0.01}, optim)
    assert cosine == {"type": "CosineAnnealingLR", "eta_min_ratio": pytest.approx(0.1)}
    momentum = {"type": "CosineAnnealingMomentum", "eta_min": 0.8}
    assert in_proportion(momentum, optim) is momentum


def test_schedules_of_groups_at_one_rate_stay() -> None:
    one_cycle = {"type": "OneCycleLR", "eta_max": 0.5}
    assert in_proportion(one_cycle, wrapper(0.1, 0.1)) is one_cycle


def test_groups_are_in_proportion_after_scaling_too() -> None:
    optim = wrapper(0.1, 0.02)
    auto = {"enable": True, "base_batch_size": 512}
    schedules, _ = scaled_learning_rates(
        optim, [{"type": "OneCycleLR", "eta_max": 0.4}], LOADER, auto
    )
    assert in_proportion(schedules[0], optim)["eta_max"] == pytest.approx([0.2, 0.04, 0.2])
