"""Batches one ahead. On a CPU the streams do nothing, but all else is the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from tresnet_tasks.upstream.device_copies import copied_ahead, one_ahead

CPU = torch.device("cpu")
NUMBERS: list[int] = list(range(6))


def _batches(fetched: list[int], as_list: bool = False) -> Iterator[dict[str, Any]]:
    for number in range(4):
        fetched.append(number)
        image = torch.full((3, 2, 2), number)
        yield {"inputs": [image, image + 1] if as_list else image, "data_samples": [number]}


@pytest.mark.parametrize("as_list", [False, True])
def test_all_batches_come_in_order_and_the_next_is_fetched_before_each(as_list: bool) -> None:
    fetched: list[int] = []
    for number, batch in enumerate(one_ahead(_batches(fetched, as_list), CPU)):
        assert batch["data_samples"] == [number]
        image = batch["inputs"][0] if as_list else batch["inputs"]
        assert torch.equal(image, torch.full((3, 2, 2), number))
        assert fetched == list(range(min(number + 2, 4)))
    assert number == 3


def test_no_batches_and_batches_of_another_kind() -> None:
    assert list(one_ahead(iter([]), CPU)) == []
    others: list[Any] = [[1], {"images": 2}, {"inputs": {"teacher": [3]}}, {"inputs": None}]
    assert list(one_ahead(iter(others), CPU)) == others


def test_without_a_gpu_batches_are_left_alone() -> None:
    batches = iter([{"inputs": torch.zeros(1)}])
    loader = DataLoader(NUMBERS, num_workers=1)
    assert copied_ahead(batches, loader, CPU) is batches


def test_without_workers_nothing_is_fetched_early() -> None:
    batches = iter([{"inputs": torch.zeros(1)}])
    assert copied_ahead(batches, DataLoader(NUMBERS), torch.device("cuda")) is batches


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_images_arrive_on_the_gpu_before_they_are_used() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    images = torch.arange(8 * 3 * 512 * 512, dtype=torch.float32).view(8, 3, 512, 512)
    loader = DataLoader(
        [{"inputs": image} for image in images], batch_size=2, num_workers=1, pin_memory=True
    )
    found = [batch["inputs"] * 2 for batch in copied_ahead(iter(loader), loader, device)]
    assert all(batch.device == device for batch in found)
    assert torch.equal(torch.cat(found).cpu(), images * 2)
