from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tresnet_tasks.upstream.checkpoints import read_checkpoint

AMP = "optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')\ntrain_cfg['max_epochs'] = 1"


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_fp16_of_a_config_is_refused_in_plain_words(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    printed = command("train", tiny_config(AMP), "--work-dir", tmp_path / "w", status=1)
    assert "AmpOptimWrapper" in printed and "needs a CUDA device" in printed
    assert "--amp bf16" in printed
    assert not (tmp_path / "w").exists()


def test_the_same_config_trains_with_bf16_or_without(
    tiny_config: Callable[..., Path], command: Any, tmp_path: Path
) -> None:
    for amp, kind in (("bf16", "BFloat16OptimWrapper"), ("off", "OptimWrapper")):
        folder = tmp_path / amp
        command("train", tiny_config(AMP), "--work-dir", folder, "--amp", amp)
        checkpoint = read_checkpoint(folder / "epoch_1.pth")
        assert checkpoint["meta"]["cfg"]["optim_wrapper"]["type"] == kind
