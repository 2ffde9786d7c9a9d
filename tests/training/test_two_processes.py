"""Two processes over gloo against one with the same batch: the single process is the oracle."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tresnet_tasks.upstream.checkpoints import read_checkpoint

SCRIPT = Path(__file__).with_name("two_processes.py")
CONFIG = """
_base_ = "{base}"
train_dataloader = dict(batch_size={batch_size}, dataset=dict(data_root="{data}"))
val_dataloader = dict(batch_size=2, dataset=dict(data_root="{data}"))
train_cfg = dict(max_epochs=10, val_interval=2)
param_scheduler = dict(T_max=10)
optim_wrapper = dict(clip_grad=dict(max_norm=5.0))
default_hooks = dict(
    _delete_=True,
    step_seed=dict(type="StepSeedHook"),
    logger=dict(type="ProgressHook", interval=100),
    checkpoint=dict(type="SaveCheckpointHook", interval=5, max_keep=-1, save_best=None),
)
custom_hooks = [dict(type="ModelEMAHook", decay=0.9)]
visualizer = dict(type="Visualizer", _delete_=True)
"""
KILLING = """
train_cfg = dict(max_epochs=5)
sync_bn = True
default_hooks["checkpoint"]["interval"] = 1
custom_hooks = [*custom_hooks, dict(type="KillOnceHook", at=7)]
"""


@dataclass(frozen=True)
class Found:
    """What each rank recorded, what the launcher printed, and where the work dirs are."""

    folder: Path
    ranks: list[dict[str, Any]]
    printed: str

    def losses(self, run: str) -> torch.Tensor:
        """Of each step, the mean over the ranks."""
        return torch.tensor([rank[run]["losses"] for rank in self.ranks]).mean(0)

    def checkpoint(self, run: str, epoch: int) -> dict[str, Any]:
        return read_checkpoint(self.folder / run / f"epoch_{epoch}.pth")


@pytest.fixture(scope="module")
def found(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """All runs of `two_processes.py`, and the single process's as the work dir ``single``."""
    folder = tmp_path_factory.mktemp("two_processes")
    data = shutil.copytree(tiny_run.data, folder / "data")
    (data / "val" / "red" / "0.png").unlink()  # 5 are left: one process has one more
    texts = {
        size: CONFIG.format(base=tiny_run.config, data=data, batch_size=size) for size in (3, 6)
    }
    (folder / "split.py").write_text(texts[3])
    (folder / "whole.py").write_text(texts[6])
    (folder / "killing.py").write_text(texts[3] + KILLING)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", "2", "--max-restarts", "1", "--monitor-interval", "0.2"]
    arguments = [str(folder / "split.py"), str(folder / "killing.py"), str(folder)]
    done = subprocess.run(
        [*torchrun, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    ranks = [json.loads((folder / f"found_{rank}.json").read_text()) for rank in range(2)]
    script = _script()
    singles = {
        "single": script.train(str(folder / "whole.py"), folder / "single"),
        "summed_single": script.train(
            str(folder / "whole.py"),
            folder / "summed_single",
            *script.SUMMED,
            "default_hooks.checkpoint.interval=2",
        ),
    }
    return Found(folder, [{**rank, **singles} for rank in ranks], printed)


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("two_processes", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _gap(one: dict[str, Any], other: dict[str, Any], key: str = "state_dict") -> float:
    """The largest difference between two checkpoints' tensors, relative to 1 or the value."""
    one, other = one[key], other[key]
    assert one.keys() == other.keys()
    gaps = [
        ((a - b).abs() / b.abs().clamp(min=1)).max().item()
        for a, b in ((one[name].double(), other[name].double()) for name in one)
    ]
    return max(gaps)


@pytest.mark.parametrize("run", ["replicated", "sharded"])
def test_two_processes_equal_one(found: Found, run: str) -> None:
    assert len(found.losses(run)) == 20
    assert found.losses(run).sub(found.losses("single")).abs().max() < 1e-5
    # Weights and running statistics, averaged (state_dict) and as trained (ema_state_dict).
    two, one = found.checkpoint(run, 10), found.checkpoint("single", 10)
    assert _gap(two, one) < 1e-5
    assert _gap(two, one, "ema_state_dict") < 1e-5


@pytest.mark.parametrize("run", ["replicated", "sharded", "apart"])
def test_each_of_an_odd_number_of_images_counts_once(found: Found, run: str) -> None:
    measured = found.ranks[0][run]["metrics"]
    assert [metrics["images"] for metrics in measured] == [5] * len(measured)
    if run != "apart":
        assert measured == found.ranks[0]["single"]["metrics"]


def test_a_sharded_run_goes_on_from_a_replicated_ones_checkpoint(found: Found) -> None:
    assert found.losses("resharded").sub(found.losses("single")[10:]).abs().max() < 1e-5
    assert _gap(found.checkpoint("resharded", 10), found.checkpoint("single", 10)) < 1e-5


def test_a_sharded_runs_checkpoint_is_whole(found: Found) -> None:
    whole, shared = found.checkpoint("replicated", 10), found.checkpoint("sharded", 10)
    for index, entry in whole["optimizer"]["state"].items():
        mine = shared["optimizer"]["state"][index]["momentum_buffer"]
        torch.testing.assert_close(mine, entry["momentum_buffer"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("run", ["plain", "recomputed", "channels_last"])
def test_the_form_of_the_computation_changes_nothing(found: Found, run: str) -> None:
    gap = found.losses(run) - found.losses("replicated")[:2]
    assert gap.abs().max() < 1e-5


def test_a_summed_loss_is_the_sum_over_all_processes(found: Found) -> None:
    single = found.losses("summed_single")
    assert found.losses("summed").sub(single).abs().max() < 1e-5 * single.max()
    assert (
        found.losses("summed")[0] > 3 * found.losses("single")[0] * 0.2
    )  # of 6 images, not a mean


def test_all_processes_validate_with_the_same_buffers(found: Found) -> None:
    one, other = (rank["apart"] for rank in found.ranks)
    assert one["losses"] != other["losses"]  # each normalised its own images
    assert one["buffers"] == other["buffers"]


@pytest.mark.parametrize("sizes", ["[3, 4]", "[7, 0]", "[1, 6]"])
def test_uneven_and_empty_batches_are_normalised_as_one(found: Found, sizes: str) -> None:
    for rank in found.ranks:
        assert max(rank["normalised"][sizes]) < 1e-5


def test_processes_that_were_given_other_settings_are_told_the_keys(found: Found) -> None:
    for rank in found.ranks:
        assert "rank 1 on" in rank["disagreement"]
        assert "config.lr: 0 -> 1" in rank["disagreement"]
        assert "seed" not in rank["disagreement"]


def test_a_killed_process_is_started_again_and_the_run_goes_on(found: Found) -> None:
    assert "epoch_3.pth: epoch 3, iteration 6" in found.printed
    assert _gap(found.checkpoint("killed", 5), found.checkpoint("replicated", 5)) < 1e-5


def test_the_batch_of_a_step_is_told(found: Found) -> None:
    assert "6 images (2 process(es) x 3 images x 1 accumulated)" in found.printed
