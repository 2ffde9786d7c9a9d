from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.hooks import Hook

from tresnet_tasks.training.hooks import NonFiniteLossHook

RATE, NORM = 0.5, 0.01


class Moves(Hook):
    """How far all weights together move in each iteration."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.norms: list[float] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.before = torch.nn.utils.parameters_to_vector(runner.model.parameters()).detach()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        after = torch.nn.utils.parameters_to_vector(runner.model.parameters()).detach()
        self.seen.append((after - self.before).norm().item())
        if "train/grad_norm" in runner.message_hub.log_scalars:
            self.norms.append(runner.message_hub.get_scalar("train/grad_norm").current())


def train(make_runner: Any, *, accumulate: int = 1, **wrapper: Any) -> Moves:
    moves = Moves()
    optimizer = {"type": "SGD", "lr": RATE}
    make_runner(
        optim_wrapper={
            "optimizer": optimizer,
            "clip_grad": {"max_norm": NORM},
            "accumulative_counts": accumulate,
            **wrapper,
        },
        param_scheduler=None,
        train_cfg={"by_epoch": True, "max_epochs": 1},
        custom_hooks=[moves],
        hooks={"non_finite_loss": NonFiniteLossHook()},
    ).train()
    return moves


@pytest.mark.parametrize("kind", ["OptimWrapper", "BFloat16OptimWrapper"])
def test_a_step_is_no_longer_than_the_norm_allows(make_runner: Any, kind: str) -> None:
    moves = train(make_runner, type=kind)
    assert min(moves.norms) > NORM  # the norm before clipping is what is logged
    assert moves.seen == pytest.approx([RATE * NORM] * 3, rel=1e-3)


def test_accumulated_gradients_are_clipped_as_one(make_runner: Any) -> None:
    moves = train(make_runner, accumulate=3, type="OptimWrapper")
    assert moves.seen == pytest.approx([0, 0, RATE * NORM], rel=1e-3)
