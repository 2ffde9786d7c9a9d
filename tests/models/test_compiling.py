"""torch.compile takes a whole classifier, forwards and backwards, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from tresnet_tasks.models import Classifier

ARCH = {
    "layers": (1, 1, 1, 1),
    "width_factor": 0.125,
    "blocks": ("basic", "basic", "bottleneck", "bottleneck"),
}


def _model(abn: str) -> Classifier:
    torch.manual_seed(0)
    model = Classifier(
        backbone={"type": "TResNet", "arch": ARCH, "abn": abn},
        head={"type": "LinearHead", "in_channels": 256, "num_classes": 5},
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model


def _step(
    run: Any, model: Classifier, batches: list[int]
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Logits of some batches in training, and the gradients that they leave."""
    torch.manual_seed(1)
    logits = []
    for number in batches:
        logits.append(run(torch.rand(number, 3, 32, 32)))
        nn.functional.cross_entropy(logits[-1], torch.arange(number) % 5).backward()
    return [out.detach() for out in logits], {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def _agree(backend: Any, abn: str, batches: list[int], **options: Any) -> None:
    expected, gradients = _step(model := _model(abn).train(), model, batches)
    model = _model(abn).train()
    compiled = torch.compile(model, backend=backend, fullgraph=True, **options)
    logits, compiled_gradients = _step(compiled, model, batches)
    for ours, theirs in zip(logits, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert compiled_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (compiled_gradients[name] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-6, name


@pytest.fixture(autouse=True)
def forget_what_was_compiled() -> Any:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_training_in_one_graph() -> None:
    counter = CompileCounterWithBackend("aot_eager")
    _agree(counter, "memory", [4, 4], dynamic=False)
    assert counter.frame_count == 1


def test_batches_of_other_sizes_share_a_graph() -> None:
    counter = CompileCounterWithBackend("aot_eager")
    _agree(counter, "plain", [4, 3, 6], dynamic=True)
    assert counter.frame_count < 3


def test_evaluation_of_images_of_several_sizes() -> None:
    model = _model("plain").eval()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    with torch.no_grad():
        for shape in ((2, 3, 32, 32), (3, 3, 64, 36)):
            x = torch.rand(shape)
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
def test_inductor_agrees(dynamic: bool) -> None:
    _agree("inductor", "memory", [4, 3] if dynamic else [4, 4], dynamic=dynamic)
