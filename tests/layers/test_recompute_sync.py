"""The memory path with the batch statistics of two processes, against one process with all images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn

from tresnet_tasks.backbones.residual_blocks import Bottleneck
from tresnet_tasks.layers import ABN, SyncABN

pytestmark = pytest.mark.skipif(
    not distributed.is_available(), reason="this torch has no torch.distributed"
)
IMAGES = 4


def _block(recompute: bool) -> nn.Module:
    torch.manual_seed(0)
    block = Bottleneck(6, 4, stride=2, slope=0.1, recompute=recompute)
    for norm in block.modules():
        if isinstance(norm, ABN):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return block.double().train()


def _run(block: nn.Module, share: slice) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(IMAGES, 6, 5, 6, generator=generator, dtype=torch.float64)[share]
    weights = torch.randn(IMAGES, 16, 3, 3, generator=generator, dtype=torch.float64)[share]
    x = x.clone().requires_grad_()
    out = block(x)
    (out * weights).sum().backward()
    gradients = {f"grad {name}": p.grad for name, p in block.named_parameters()}
    return {"out": out.detach(), "d_x": x.grad, **gradients, **dict(block.named_buffers())}


def _process(rank: int, first: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    block = SyncABN.convert(_block(recompute=True))
    share = slice(0, first) if rank == 0 else slice(first, None)
    torch.save(_run(block, share), folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.parametrize("first", [1, 0], ids=["1 and 3 images", "0 and 4 images"])
@pytest.mark.parametrize("fused", [False, True], ids=["plain", "as with kernels"])
def test_two_processes_are_one_with_all_images(
    first: int, fused: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if fused:
        request.getfixturevalue("twins")  # which the processes inherit
    context: Any = multiprocessing.get_context("fork")
    processes = [context.Process(target=_process, args=(r, first, tmp_path)) for r in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, expected in _run(_block(recompute=False), slice(None)).items():
        if name in ("out", "d_x"):
            together = torch.cat([part[name] for part in parts])
        elif name.startswith("grad"):
            together = parts[0][name] + parts[1][name]
        else:
            together = parts[0][name]
            assert torch.equal(together, parts[1][name]), name
        torch.testing.assert_close(together, expected, rtol=1e-9, atol=1e-9, msg=name)
