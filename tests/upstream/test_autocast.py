from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel
from torch import nn

from tresnet_tasks.upstream.autocast import BFloat16OptimWrapper


class Net(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.seen: list[torch.dtype] = []

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        logits = self.fc(inputs)
        self.seen.append(logits.dtype)
        return {"loss": logits.float().square().mean()} if mode == "loss" else logits


def wrapped(net: nn.Module, **more: Any) -> BFloat16OptimWrapper:
    return BFloat16OptimWrapper(torch.optim.SGD(net.parameters(), lr=0.1), **more)


def test_forward_runs_in_bfloat16_and_weights_stay_float32() -> None:
    net = Net()
    before = net.fc.weight.detach().clone()
    losses = net.train_step({"inputs": torch.ones(3, 4), "data_samples": None}, wrapped(net))
    assert net.seen == [torch.bfloat16]
    assert losses["loss"].dtype == torch.float32
    assert net.fc.weight.dtype == torch.float32
    assert not torch.equal(net.fc.weight, before)


def test_the_step_is_torchs_own() -> None:
    torch.manual_seed(0)
    net, twin = Net(), Net()
    twin.load_state_dict(net.state_dict())
    images = torch.randn(3, 4)
    net.train_step({"inputs": images, "data_samples": None}, wrapped(net))
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = twin(images, mode="loss")["loss"]
    loss.backward()
    optimizer.step()
    assert torch.equal(net.fc.weight, twin.fc.weight)


def test_outside_of_a_step_nothing_is_cast() -> None:
    net = Net()
    with wrapped(net).optim_context(net):
        pass
    assert net(torch.ones(1, 4)).dtype == torch.float32


def test_gradients_accumulate_over_micro_batches() -> None:
    net = Net()
    wrapper = wrapped(net, accumulative_counts=2)
    wrapper.initialize_count_status(net, 0, 4)
    before = net.fc.weight.detach().clone()
    batch = {"inputs": torch.ones(3, 4), "data_samples": None}
    net.train_step(batch, wrapper)
    assert torch.equal(net.fc.weight, before)
    net.train_step(batch, wrapper)
    assert not torch.equal(net.fc.weight, before)
