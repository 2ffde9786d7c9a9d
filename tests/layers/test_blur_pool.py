from __future__ import annotations

import pytest
import torch
from timm.layers import BlurPool2d

from tresnet_tasks.layers import BlurPool

SIZES = [(2, 2), (8, 8), (7, 10), (5, 3)]


@pytest.mark.parametrize("size", SIZES)
def test_equals_an_explicit_convolution_with_reflected_borders(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    h, w = size
    x = torch.randn(2, 3, h, w, dtype=torch.float64)
    taps = (0.25, 0.5, 0.25)

    def reflect(i: int, length: int) -> int:
        i = abs(i)
        return i if i < length else 2 * (length - 1) - i

    expected = torch.zeros(2, 3, -(-h // 2), -(-w // 2), dtype=torch.float64)
    for row in range(expected.shape[2]):
        for column in range(expected.shape[3]):
            for dy in range(3):
                for dx in range(3):
                    y, z = reflect(2 * row + dy - 1, h), reflect(2 * column + dx - 1, w)
                    expected[:, :, row, column] += taps[dy] * taps[dx] * x[:, :, y, z]
    torch.testing.assert_close(BlurPool().double()(x), expected)


@pytest.mark.parametrize("size", SIZES)
def test_equals_timm(size: tuple[int, int]) -> None:
    x = torch.randn(2, 6, *size)
    torch.testing.assert_close(BlurPool()(x), BlurPool2d(channels=6)(x), rtol=1e-6, atol=1e-6)


def test_a_constant_stays_constant() -> None:
    assert torch.equal(BlurPool()(torch.full((1, 2, 9, 6), 3.0)), torch.full((1, 2, 5, 3), 3.0))


def test_has_neither_parameters_nor_state() -> None:
    assert not BlurPool().state_dict()
    assert not list(BlurPool().parameters())


def test_works_in_the_type_of_its_input() -> None:
    assert BlurPool()(torch.ones(1, 2, 4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
