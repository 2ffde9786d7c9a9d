from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tresnet_tasks.upstream.checkpoints import read_checkpoint
from tresnet_tasks.upstream.resume_point import (
    check_resumable,
    newest_checkpoint,
    numbered_checkpoints,
)
from tresnet_tasks.weights import convert_weights


def write(folder: Path, name: str, iteration: int, time: str = "2026-01-01T10") -> Path:
    path = folder / name
    meta = {"epoch": 0, "iter": iteration, "time": time}
    weights = {"w": torch.arange(1000.0)}
    torch.save({"state_dict": weights, "meta": meta, "optimizer": {}}, path)
    return path


def found(folder: Path, say: Any = pytest.fail) -> Path | None:
    answer = newest_checkpoint(folder, say)
    return answer and answer[0]


def flip_a_bit(path: Path) -> None:
    """In the numbers of the tensor, which torch itself reads without a word."""
    data = bytearray(path.read_bytes())
    data[data.index(torch.arange(1000.0).numpy().tobytes()) + 2000] ^= 1
    path.write_bytes(data)
    assert len(torch.load(path, weights_only=True)["state_dict"]["w"]) == 1000


def test_the_highest_iteration_counts_and_not_the_file_system(tmp_path: Path) -> None:
    newest = write(tmp_path, "iter_9.pth", 9)
    older = write(tmp_path, "epoch_2.pth", 6)
    os.utime(older, (4e9, 4e9))
    (tmp_path / "last_checkpoint").write_text("epoch_2.pth")
    assert found(tmp_path) == newest


def test_an_earlier_longer_run_does_not(tmp_path: Path) -> None:
    write(tmp_path, "epoch_90.pth", 900, "2026-01-01T10")
    newest = write(tmp_path, "epoch_1.pth", 10, "2026-01-01T11")
    assert found(tmp_path) == newest


def test_a_flipped_bit_is_named_and_passed_over(tmp_path: Path) -> None:
    good, bad = write(tmp_path, "iter_1.pth", 1), write(tmp_path, "iter_2.pth", 2)
    flip_a_bit(bad)
    said: list[str] = []
    assert found(tmp_path, said.append) == good
    assert len(said) == 1
    assert f"{bad} is passed over" in said[0] and "checksum" in said[0]


def test_a_cut_file_is_named_and_passed_over(tmp_path: Path) -> None:
    good, bad = write(tmp_path, "iter_1.pth", 1), write(tmp_path, "iter_2.pth", 2)
    bad.write_bytes(bad.read_bytes()[:-1000])
    said: list[str] = []
    assert found(tmp_path, said.append) == good
    assert f"{bad} is passed over" in said[0]


def test_files_up_to_an_iteration_come_in_order(tmp_path: Path) -> None:
    files = [write(tmp_path, f"iter_{i}.pth", i) for i in (2, 10, 7)]
    write(tmp_path, "best.pth", 5)
    (tmp_path / "iter_8.pth").write_bytes(b"half")
    assert numbered_checkpoints(tmp_path, until=9) == [files[0], files[2]]


def test_a_converted_file_has_no_state_of_a_run(tiny_run: Any, tmp_path: Path) -> None:
    convert_weights(tiny_run.best, tmp_path / "converted.pth")
    converted = read_checkpoint(tmp_path / "converted.pth")
    assert "iter" in converted["meta"]
    with pytest.raises(
        ValueError, match=r"converted\.pth has weights at most; expected a checkp.*load_from"
    ):
        check_resumable(converted, tmp_path / "converted.pth")
