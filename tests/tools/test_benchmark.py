"""tools/benchmark.py: every benchmark tells what it does and runs; none of their times is tested."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

BENCHMARKS = sorted(
    path.stem for path in (Path(__file__).parents[2] / "tools" / "benchmarks").glob("*.py")
)


@pytest.fixture
def benchmark(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Any]:
    """Run tools/benchmark.py in this process: ``benchmark("train", ...)`` gives its output."""
    monkeypatch.syspath_prepend(repository / "tools")
    before = set(sys.modules)

    def run(*arguments: Any, status: int = 0) -> str:
        threads = torch.get_num_threads()
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["tools/benchmark.py", *words])
        try:
            got = import_module("benchmark").main()
        except SystemExit as end:  # argparse's, after --help
            got = end.code
        finally:
            torch.set_num_threads(threads)
        captured = capsys.readouterr()
        assert got == status, captured.out + captured.err
        return captured.out + captured.err

    yield run
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("benchmark", "benchmarks", "measuring"):
            del sys.modules[name]


def test_overview_names_every_benchmark(benchmark: Any) -> None:
    told = benchmark("--help")
    assert all(f"  {name}" in told for name in BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_says_what_is_measured(benchmark: Any, name: str) -> None:
    assert "usage: " in benchmark(name, "--help")


def test_an_unknown_name_is_answered_with_the_nearest(benchmark: Any) -> None:
    assert "Did you mean train?" in benchmark("trian", status=2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "--batch-size", "0"), "got 0; expected a whole number from 1 on"),
        (("data", "--rounds", "0"), "got 0; expected a whole number from 1 on"),
        (("memory", "--size", "65"), "got 65; TResNet takes multiples of 4, such as 68"),
        (("agree", "--steps", "0"), "got 0; expected a whole number from 1 on"),
        (("agree", "--size", "30"), "got 30; TResNet takes multiples of 4, such as 32"),
        (("train", "--device", "foo"), "got foo; expected a device such as cpu or cuda:0"),
        (("data", "--quality", "101"), "got 101; expected 1 to 100"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    benchmark: Any, arguments: tuple[str, ...], told: str
) -> None:
    assert told in benchmark(*arguments, status=2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(benchmark: Any) -> None:
    assert "no CUDA device here; try cpu" in benchmark("memory", "--device", "cuda", status=2)


def test_memory_writes_what_it_prints(benchmark: Any, tmp_path: Path) -> None:
    out, figure = tmp_path / "memory.json", tmp_path / "memory.png"
    small = ("--models", "ours", "--batch-size", "2", "--size", "32", "64", "--no-peak")
    benchmark("memory", *small, "--out", out, "--figure", figure)
    rows = json.loads(out.read_text())["rows"]
    assert [row["size"] for row in rows] == [32, 64]
    assert 0 < rows[0]["saved MB/img"] < rows[1]["saved MB/img"]
    assert figure.stat().st_size > 0


def test_the_peak_is_that_of_the_step_and_not_of_who_started_it(
    benchmark: Any, tmp_path: Path
) -> None:
    torch.ones(300_000_000)  # more than the step takes
    small = ("--models", "ours", "--batch-size", "2", "--size", "32", "--no-saved")
    benchmark("memory", *small, "--out", tmp_path / "memory.json")
    (row,) = json.loads((tmp_path / "memory.json").read_text())["rows"]
    assert row["peak MB"] > 100  # the gradients alone


def test_infer_compares_ours_with_timm(benchmark: Any, tmp_path: Path) -> None:
    small = ("--models", "timm", "ours", "--layouts", "nchw", "--batch-size", "1", "--size", "32")
    out = tmp_path / "infer.json"
    told = benchmark("infer", *small, "--rounds", "1", "--warmup", "0", "--out", out)
    assert "ours nchw eager" in told
    assert {row["network, layout, mode"] for row in json.loads(out.read_text())["rows"]} == {
        "timm nchw eager",
        "ours nchw eager",
    }


def test_data_reads_photos(benchmark: Any) -> None:
    told = benchmark("data", "--number", "2", "--size", "32", "--rounds", "1")
    assert "ours, exact" in told and "torchvision on PIL" in told


def test_data_takes_photos_of_a_folder(benchmark: Any, tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (40, 30), (90 * number, 0, 0)).save(tmp_path / f"{number}.JPEG", "JPEG")
    small = ("data", "--images", tmp_path, "--number", "2", "--size", "32", "--rounds", "1")
    assert "2 photos of" in benchmark(*small)
    (tmp_path / "0.JPEG").write_bytes(b"no photo")
    assert "0.JPEG" in benchmark(*small, status=1)
    for path in tmp_path.iterdir():
        path.unlink()
    assert "holds no .jpg or .jpeg" in benchmark(*small, status=1)
    tmp_path.rmdir()
    assert "there is no folder" in benchmark(*small, status=1)


def test_agree_tells_both_losses_of_every_step(benchmark: Any) -> None:
    told = benchmark("agree", "--steps", "2", "--size", "32", "--batch-size", "2")
    steps = re.findall(r"step (\d): loss plain ([\d.]+), memory ([\d.]+)", told)
    assert [step for step, *_ in steps] == ["1", "2"]
    assert steps[0][1:] != steps[1][1:]
    for _, plain, memory in steps:
        assert float(memory) == pytest.approx(float(plain), rel=1e-3)


def test_without_timm_it_says_what_to_install(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    told = benchmark("memory", "--models", "timm", "--size", "32", "--no-peak", status=1)
    assert "pip install timm" in told


def test_saved_bytes_are_those_of_distinct_storages(benchmark: Any) -> None:
    benchmark("--help")
    saved_bytes = import_module("measuring.saved_bytes").saved_bytes
    x = torch.rand(10, requires_grad=True)
    model = nn.Linear(10, 10)
    # tanh keeps its output, the product both factors, of which one is that output.
    assert saved_bytes(model, lambda: (y := x.tanh()) * y[:]) == 40
    # The input of the layer; its weight does not count.
    assert saved_bytes(model, lambda: model(x.clone())) == 40


def test_saved_bytes_count_what_hangs_on_a_context(benchmark: Any) -> None:
    benchmark("--help")
    saved_bytes = import_module("measuring.saved_bytes").saved_bytes

    class Hiding(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.hidden = [x * 2]
            return x + 1

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad

    x = torch.rand(10, requires_grad=True)
    assert saved_bytes(nn.Identity(), lambda: Hiding.apply(x) + 1) == 40


def test_scaling_draws_speed_and_memory(benchmark: Any, tmp_path: Path) -> None:
    out, figure = tmp_path / "scaling.json", tmp_path / "scaling.png"
    small = ("--models", "ours", "--batch-size", "2", "3", "--size", "32", "--rounds", "1")
    benchmark("scaling", *small, "--out", out, "--figure", figure)
    rows = json.loads(out.read_text())["rows"]
    assert [row["batch"] for row in rows] == [2, 3]
    assert all(row["img/s"] > 0 and row["saved MB/img"] > 0 for row in rows)
    assert figure.stat().st_size > 0


def test_an_unknown_variant_is_answered_with_those_there_are(benchmark: Any) -> None:
    assert "'tresnet_m'" in benchmark("train", "--arch", "tresnet_s", status=2)


@pytest.mark.parametrize(("fixed", "each", "limit"), [(100, 10, 999), (0, 7, 3000), (900, 50, 999)])
@pytest.mark.parametrize("bend", [0.0, 0.3])
def test_the_largest_batch_fits_and_a_larger_one_does_not(
    benchmark: Any, fixed: int, each: int, limit: int, bend: float
) -> None:
    benchmark("--help")
    largest_batch = import_module("measuring.largest_batch").largest_batch
    tried: dict[int, float] = {}

    def peak(size: int) -> int:
        used = fixed + int(each * size + bend * size**1.2)
        tried[size] = used
        if used > 2 * limit:  # far too much ends otherwise
            raise MemoryError
        return used

    found = largest_batch(peak, limit)
    assert tried[found] <= limit
    larger = min(size for size, used in tried.items() if used > limit)
    assert larger <= max(found * 1.02, found + 1)
    assert len(tried) < 14


def test_where_not_one_image_fits_the_largest_batch_is_none(benchmark: Any) -> None:
    benchmark("--help")
    assert import_module("measuring.largest_batch").largest_batch(lambda size: 100 * size, 99) == 0


def test_memory_finds_the_largest_batch(benchmark: Any, tmp_path: Path) -> None:
    out = tmp_path / "memory.json"
    small = ("--models", "ours", "--size", "256", "--no-saved", "--no-peak", "--out", out)
    benchmark("memory", *small, "--largest-in", "0.6")
    (row,) = json.loads(out.read_text())["rows"]
    assert 2 <= row["largest batch"] < 8
    assert "a number of GB" in benchmark("memory", "--largest-in", "0", status=2)


def test_the_roofline_takes_the_longer_of_arithmetic_and_traffic(benchmark: Any) -> None:
    benchmark("--help")
    roofline = import_module("measuring.roofline").Roofline
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Flatten(), nn.Linear(3 * 16, 5))
    images = torch.rand(2, 2, 4, 4)
    flops = 2 * (2 * 3 * 16) * (2 * 9) + 2 * (2 * 5) * 48
    assert roofline(1.0, float("inf"), 4).seconds(model, images, False) == flops
    numbers = (2 * 2 * 16 + 3 * 2 * 9 + 2 * 3 * 16) + (2 * 48 + 5 * 48 + 2 * 5)
    assert roofline(float("inf"), 1.0, 4).seconds(model, images, True) == 3 * 4 * numbers


def test_train_and_the_table_of_it(benchmark: Any, tmp_path: Path) -> None:
    out, page = tmp_path / "train.json", tmp_path / "README.md"
    small = ("--models", "ours", "--layouts", "channels_last", "--batch-size", "2", "--size", "32")
    benchmark("train", *small, "--rounds", "1", "--warmup", "0", f"--out={out}")
    (row,) = json.loads(out.read_text())["rows"]
    assert row["of the roofline"] > 0 and row["share of the peak"] > 0
    assert "| ours channels_last eager |" in benchmark("table", out)

    page.write_text("above\n", "utf-8")
    assert "lacks the lines" in benchmark("table", out, "--into", page, status=1)
    page.write_text("above\n<!-- benchmarks: begin -->\nold\n<!-- benchmarks: end -->\nbelow\n")
    for _ in range(2):  # again and again
        benchmark("table", out, "--into", page)
        text = page.read_text("utf-8")
        assert text.startswith("above\n<!--") and text.endswith("-->\nbelow\n")
        assert (
            text.count(f"`tools/benchmark.py train {' '.join(small)} --rounds 1 --warmup 0` (") == 1
        )
        assert "old" not in text


_ROWS = '{"command": "", "machine": "", "date": "", "torch": "", "about": [], "rows": %s}'


@pytest.mark.parametrize(
    "content", ["{", "{}", "[1]", *(_ROWS % rows for rows in ("[]", "3", '[{"a": 1}, {"b": 2}]'))]
)
def test_a_table_of_something_else_is_refused(benchmark: Any, tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    assert str(path) in benchmark("table", path, status=1)


def test_the_readme_shows_what_was_measured(benchmark: Any, repository: Path) -> None:
    files = sorted((repository / "docs" / "benchmarks").glob("*.json"))
    tables = benchmark("table", *files)
    assert files and tables.strip() in (repository / "README.md").read_text("utf-8")


def test_a_step_that_fails_is_not_taken_to_be_too_large(benchmark: Any) -> None:
    benchmark("--help")
    peak_bytes = import_module("measuring.peak").peak_bytes
    setting = import_module("measuring.options").Setting(torch.device("cpu"), "nchw", "fp32")
    with pytest.raises(ValueError, match="timm at batch 2, 32 px failed"):
        peak_bytes("timm", "no_such_network", 2, 32, setting)
