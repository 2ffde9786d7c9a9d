from __future__ import annotations

import pytest
import torch
import torchvision
from mmcv.ops import SigmoidFocalLoss, SoftmaxFocalLoss, sigmoid_focal_loss, softmax_focal_loss
from torch.nn import functional

# The figures of mmcv's own tests.
CASES = [
    ([[1.0, 0.0], [0.0, 1.0]], [0, 1]),
    ([[1.0, 0.0, -1.0], [0.0, 1.0, 2.0]], [2, 1]),
    ([[1e-6, 2e-6, 3e-6], [4e-6, 5e-5, 6e-4], [7e-3, 8e-2, 9e-1]], [1, 2, 0]),
]
SOFTMAX = [0.00566451, 0.34956908, 0.15754992]
SIGMOID = [0.13562961, 1.10251057, 0.42287254]
SIGMOID_SLOPE = [[0.28808805, 0.11185755, -0.09602935], [0.11185755, -0.00657264, 0.40376765]]
SOFTMAX_SLOPE = [[0.10165970, 0.03739851, -0.13905823], [0.01227554, -0.10298023, 0.09070466]]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    ("loss", "expected"), [(sigmoid_focal_loss, SIGMOID), (softmax_focal_loss, SOFTMAX)]
)
def test_mmcvs_figures(loss: object, expected: list[float], number: int) -> None:
    logits, labels = (torch.tensor(values) for values in CASES[number])
    found = loss(logits, labels, 2.0, 0.25, None, "mean")  # type: ignore[operator]
    assert found.item() == pytest.approx(expected[number], rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "expected"), [(sigmoid_focal_loss, SIGMOID_SLOPE), (softmax_focal_loss, SOFTMAX_SLOPE)]
)
def test_mmcvs_slopes(loss: object, expected: list[list[float]]) -> None:
    logits, labels = torch.tensor(CASES[1][0], requires_grad=True), torch.tensor(CASES[1][1])
    loss(logits, labels, 2.0, 0.25, None, "mean").backward()  # type: ignore[operator]
    torch.testing.assert_close(logits.grad, torch.tensor(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("background", [5, -1, 100])
def test_torchvision_says_the_same(background: int) -> None:
    logits = 4 * torch.randn(20, 5, dtype=torch.float64)
    labels = torch.randint(6, (20,))
    dense = functional.one_hot(labels, 6)[:, :5].double()
    labels[labels == 5] = background
    expected = torchvision.ops.sigmoid_focal_loss(logits, dense, alpha=0.3, gamma=1.5)
    torch.testing.assert_close(sigmoid_focal_loss(logits, labels, 1.5, 0.3, None, "none"), expected)


@pytest.mark.parametrize("loss", [SigmoidFocalLoss, SoftmaxFocalLoss])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_gradients(loss: type[torch.nn.Module], gamma: float, weighted: bool) -> None:
    logits = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(4, dtype=torch.float64) if weighted else None
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    module = loss(gamma, 0.3, weight, "sum")
    assert torch.autograd.gradcheck(lambda x: module(x, labels), (logits,))


def test_class_weights_count_for_objects_and_not_for_background() -> None:
    logits, weight = torch.randn(3, 2, dtype=torch.float64), torch.tensor([2.0, 3.0]).double()
    labels = torch.tensor([0, 1, 2])
    plain = sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "none")
    found = sigmoid_focal_loss(logits, labels, 2.0, 0.25, weight, "none")
    torch.testing.assert_close(found, plain * torch.tensor([[2.0], [3.0], [1.0]]).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_confident_logits_stay_finite_and_keep_their_slope(dtype: torch.dtype) -> None:
    logits = torch.tensor([[200.0, -200.0]], dtype=dtype, requires_grad=True)
    loss = sigmoid_focal_loss(logits, torch.tensor([1]), 2.0, 0.25, None, "none")
    loss.sum().backward()
    torch.testing.assert_close(loss, torch.tensor([[150.0, 50.0]], dtype=dtype))
    torch.testing.assert_close(logits.grad, torch.tensor([[0.75, -0.25]], dtype=dtype))


def test_softmax_loss_of_certainty_has_no_slope() -> None:
    logits = torch.tensor([[900.0, 0.0]], requires_grad=True)
    softmax_focal_loss(logits, torch.tensor([0]), 0.5, 0.25, None, "sum").backward()
    assert torch.equal(logits.grad, torch.zeros(1, 2))


def test_softmax_loss_skips_negative_labels() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = softmax_focal_loss(logits, torch.tensor([-1, 1]), 2.0, 0.25, None, "none")
    assert loss[0] == 0
    softmax_focal_loss(logits, torch.tensor([-1, 1]), 2.0, 0.25, None, "sum").backward()
    assert torch.equal(logits.grad[0], torch.zeros(3))


@pytest.mark.parametrize("loss", [sigmoid_focal_loss, softmax_focal_loss])
def test_no_samples(loss: object) -> None:
    logits = torch.zeros(0, 3, requires_grad=True)
    total = loss(logits, torch.zeros(0, dtype=torch.int64), 2.0, 0.25, None, "sum")  # type: ignore[operator]
    total.backward()
    assert total.item() == 0
