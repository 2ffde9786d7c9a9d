from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.training.launch import load_config
from tresnet_tasks.training.value_checks import check_values


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("train_dataloader.batch_size=0", "a whole number of 1 or more"),
        ("val_dataloader.batch_size=-1", "a whole number of 1 or more"),
        ("train_dataloader.batch_size=2.5", "a whole number of 1 or more"),
        ("train_dataloader.num_workers=-1", "a whole number of 0 or more"),
        ("train_cfg.max_epochs=0", "a whole number of 1 or more"),
        ("train_cfg.max_epochs=-1", "a whole number of 1 or more"),
        ("train_cfg.max_epochs=x", "a whole number of 1 or more"),
        ("train_cfg.max_epochs=True", "a whole number of 1 or more"),
        ("train_cfg.val_interval=0", "a whole number of 1 or more"),
        ("optim_wrapper.optimizer.lr=abc", "a number of 0 or more"),
        ("optim_wrapper.optimizer.lr=-0.1", "a number of 0 or more"),
        ("optim_wrapper.accumulative_counts=0", "a whole number of 1 or more"),
        ("model.head.dropout=2", "a number from 0 to 1"),
    ],
)
def test_an_impossible_number_is_told_before_the_run(
    option: str, expected: str, tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    printed = command(
        *("train", tiny_config(), "--work-dir", tmp_path / "run", "--cfg-options", option), status=1
    )
    place, _, value = option.partition("=")
    assert printed.startswith(f"error: {place} is ") and value in printed
    assert f"; expected {expected}. Correct it" in printed
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_rate_is_finite(value: str) -> None:
    with pytest.raises(ValueError, match=r"optim_wrapper\.optimizer\.lr"):
        check_values({"optim_wrapper": {"optimizer": {"lr": float(value)}}})


def test_each_of_several_heads_is_looked_at() -> None:
    with pytest.raises(ValueError, match=r"model\.heads\.species\.dropout is -1"):
        check_values({"model": {"heads": {"tags": {"dropout": 0.5}, "species": {"dropout": -1}}}})


def test_possible_numbers_pass(tiny_config: Callable[..., Path]) -> None:
    options = [
        "optim_wrapper.optimizer.lr=1",
        "model.head.dropout=1",
        "train_dataloader.num_workers=0",
    ]
    check_values(load_config(str(tiny_config()), options))
