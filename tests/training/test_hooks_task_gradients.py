from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tresnet_tasks.models import GradientBalance
from tresnet_tasks.training.hooks import TaskGradientsHook

PRODUCTS = torch.tensor([[25.0, -10.0, 0.0], [-10.0, 16.0, 0.0], [0.0, 0.0, 0.0]])


class Model(nn.Module):
    """Three heads, whose gradients are what ``PRODUCTS`` says."""

    def __init__(self) -> None:
        super().__init__()
        self.balance = GradientBalance(("a", "b", "c"))


@pytest.fixture
def runner() -> SimpleNamespace:
    logged: dict[str, list[float]] = {}
    said: list[str] = []
    return SimpleNamespace(
        model=Model(),
        epoch=0,
        logged=logged,
        said=said,
        message_hub=SimpleNamespace(
            update_scalar=lambda key, value: logged.setdefault(key, []).append(value)
        ),
        logger=SimpleNamespace(info=said.append, warning=said.append),
    )


def epoch(runner: SimpleNamespace, hook: TaskGradientsHook, *images: tuple[int, int, int]) -> None:
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    for step, counts in enumerate(images):
        hook.before_train_iter(runner, step)
        if runner.model.balance.wanted:
            runner.model.balance.products = PRODUCTS * (step + 1) ** 2
        outputs = {f"{h}.images": torch.tensor(n) for h, n in zip("abc", counts, strict=True)}
        hook.after_train_iter(runner, step, None, outputs)
    hook.after_train_epoch(runner)


def test_norms_and_cosines_are_read_at_the_interval(runner: SimpleNamespace) -> None:
    epoch(runner, TaskGradientsHook(2), *[(4, 4, 4)] * 4)
    assert runner.logged["train/grad_norm.a"] == [5.0, 15.0]
    assert runner.logged["train/grad_norm.b"] == [4.0, 12.0]
    assert runner.logged["train/grad_cos.a~b"] == [-0.5, -0.5]
    assert runner.logged["train/grad_cos.b~c"] == [0.0, 0.0]
    assert runner.said[0].startswith("epoch 1 trunk grad_norm.a 10 grad_norm.b 8 ")


def test_of_a_head_without_labels_in_the_batch_nothing_is_said(runner: SimpleNamespace) -> None:
    epoch(runner, TaskGradientsHook(1), (4, 4, 0), (4, 0, 4))
    assert runner.logged["train/grad_norm.b"] == [4.0]
    assert "train/grad_cos.b~c" not in runner.logged
    assert "grad_norm.b 4 " in runner.said[0]


def test_a_head_without_labels_in_a_whole_epoch_is_told(runner: SimpleNamespace) -> None:
    epoch(runner, TaskGradientsHook(1), (4, 4, 0), (4, 4, 0))
    assert "no image of this epoch had labels for the head c:" in runner.said[-1]


def test_a_model_that_is_split_over_the_processes_is_not_read(
    runner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "tresnet_tasks.training.hooks.task_gradients.is_sharded"
    monkeypatch.setattr(path, lambda _: True)
    epoch(runner, TaskGradientsHook(1), (4, 4, 4))
    assert not runner.logged
    assert "not logged: the model is sharded" in runner.said[0]


def test_a_model_without_heads_is_refused(runner: Any) -> None:
    runner.model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="got a Linear"):
        TaskGradientsHook().before_train(runner)
