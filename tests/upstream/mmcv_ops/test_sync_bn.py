from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmcv.ops import SyncBatchNorm
from torch import distributed, nn


@pytest.fixture
def group_of_one(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("group_of_one")
@pytest.mark.parametrize("mode", ["default", "N"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_one_process_gets_batch_norm(mode: str, dtype: torch.dtype) -> None:
    mine, theirs = SyncBatchNorm(3, stats_mode=mode), nn.BatchNorm2d(3)
    nn.init.normal_(mine.weight)
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(4, 3, 5, 2).add(1).to(dtype)
    inputs = [x.clone().requires_grad_(), x.float().requires_grad_()]
    outputs = [mine(inputs[0]), theirs(inputs[1])]
    weights = torch.randn_like(outputs[1])
    for out in outputs:
        (out.float() * weights).sum().backward()
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 2e-2}
    torch.testing.assert_close(outputs[0].float(), outputs[1], **close)
    torch.testing.assert_close(inputs[0].grad.float(), inputs[1].grad, **close)
    for name in ("weight", "bias"):
        slopes = [getattr(module, name).grad for module in (mine, theirs)]
        torch.testing.assert_close(*slopes, **close)
    torch.testing.assert_close(mine.running_mean, theirs.running_mean)
    torch.testing.assert_close(mine.running_var, theirs.running_var)


@pytest.mark.usefixtures("group_of_one")
def test_evaluation_uses_the_running_statistics() -> None:
    layer = SyncBatchNorm(3).eval()
    x = torch.randn(2, 3, 4, 4)
    expected = x / (1 + 1e-5) ** 0.5 * layer.weight.view(1, 3, 1, 1)
    torch.testing.assert_close(layer(x), expected)
