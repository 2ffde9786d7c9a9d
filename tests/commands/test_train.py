"""The train command, run as a user runs it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tresnet_tasks.commands.main import main
from tresnet_tasks.upstream.checkpoints import read_checkpoint

Config = Callable[..., Path]


def seed_of(text: str) -> int:
    found = re.search(r"seed (\d+) \(drawn", text)
    assert found, text
    return int(found[1])


def test_a_run_leaves_checkpoints_records_scalars_and_pictures(tiny_run: Any) -> None:
    run = tiny_run.work_dir
    assert (run / "last_checkpoint").read_text() == "epoch_2.pth"
    for name in ("best.pth", "epoch_1.pth", "epoch_2.pth", "run.json", "reports/curves.png"):
        assert (run / name).stat().st_size > 0, name
    assert len(list(run.glob("*/vis_data/events.out.tfevents.*"))) == 1
    assert "epoch 2/2 val top1" in tiny_run.printed


def test_the_record_tells_what_was_run_and_with_which_versions(tiny_run: Any) -> None:
    record = json.loads((tiny_run.work_dir / "run.json").read_text())
    assert record["config"]["model"]["head"]["num_classes"] == 3  # resolved
    assert record["versions"]["torch"] == str(torch.__version__)
    meta = read_checkpoint(tiny_run.best)["meta"]
    assert meta["cfg"]["train_dataloader"]["dataset"]["classes"] == ["blue", "green", "red"]
    assert meta["seed"] == record["seed"]


def test_a_drawn_seed_is_printed_stored_and_taken_up_by_data_sets_too(
    tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    seed = seed_of(tiny_run.printed)
    shutil.copytree(tiny_run.work_dir, tmp_path / "run")
    options = ("--resume", "--cfg-options", "train_cfg.max_epochs=3")
    command("train", tiny_run.config, "--work-dir", tmp_path / "run", *options)
    cfg = read_checkpoint(tmp_path / "run" / "epoch_3.pth")["meta"]["cfg"]
    assert cfg["randomness"]["seed"] == seed
    for loader in ("train_dataloader", "val_dataloader"):
        assert cfg[loader]["dataset"]["seed"] == cfg[loader]["sampler"]["seed"] == seed


def test_the_same_seed_gives_the_same_weights(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    seed = seed_of(tiny_run.printed)
    command("train", tiny_run.config, "--work-dir", tmp_path, "--seed", seed)
    one, two = (read_checkpoint(f / "epoch_2.pth") for f in (tiny_run.work_dir, tmp_path))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name


def test_resume_goes_on_where_the_run_ended(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run.work_dir, run)
    options = ("--resume", "--cfg-options", "train_cfg.max_epochs=3")
    printed = command("train", tiny_run.config, "--work-dir", run, *options)
    assert "epoch 3/3 [1/3]" in printed and "epoch 1/3" not in printed
    meta = read_checkpoint(run / "epoch_3.pth")["meta"]
    assert (meta["epoch"], meta["iter"]) == (3, 9)


def test_resuming_a_finished_run_says_that_nothing_is_left(
    tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    last = tiny_run.work_dir / "epoch_2.pth"
    printed = command("train", tiny_run.config, "--work-dir", tmp_path, "--resume", last)
    assert "epoch 2 of 2: nothing is left to train" in printed


def test_resume_takes_a_path(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    first = tiny_run.work_dir / "epoch_1.pth"
    printed = command("train", tiny_run.config, "--work-dir", tmp_path, "--resume", first)
    assert "epoch 2/2 [1/3]" in printed and "epoch 1/2 [" not in printed


def test_resume_from_the_middle_ends_as_the_undisturbed_run(
    tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    first = tiny_run.work_dir / "epoch_1.pth"
    command("train", tiny_run.config, "--work-dir", tmp_path, "--resume", first)
    one, two = (read_checkpoint(f / "epoch_2.pth") for f in (tiny_run.work_dir, tmp_path))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name


def test_resume_can_be_asked_for_in_the_config(tiny_run: Any, command: Any, tmp_path: Path) -> None:
    first = tiny_run.work_dir / "epoch_1.pth"
    options = ("--cfg-options", "resume=True", f"load_from={first}")
    printed = command("train", tiny_run.config, "--work-dir", tmp_path, *options)
    assert "epoch 2/2 [1/3]" in printed and "epoch 1/2 [" not in printed


def test_resume_without_a_checkpoint_starts_and_says_so(
    tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    options = ("--resume", "--cfg-options", "train_cfg.max_epochs=1")
    printed = command("train", tiny_config(), "--work-dir", tmp_path / "new", *options)
    assert "nothing to resume" in printed
    assert (tmp_path / "new" / "epoch_1.pth").exists()


def test_bf16_trains_on_the_cpu(tiny_config: Config, command: Any, tmp_path: Path) -> None:
    options = ("--amp", "bf16", "--cfg-options", "train_cfg.max_epochs=1")
    command("train", tiny_config(), "--work-dir", tmp_path, *options)
    checkpoint = read_checkpoint(tmp_path / "epoch_1.pth")
    assert checkpoint["meta"]["cfg"]["optim_wrapper"]["type"] == "BFloat16OptimWrapper"
    assert checkpoint["state_dict"]["head.fc.weight"].dtype == torch.float32


def test_what_needs_a_gpu_is_refused_in_plain_words_without_one(
    tiny_config: Config,
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    printed = command(
        "train", tiny_config(), "--work-dir", tmp_path / "w", "--amp", "fp16", status=1
    )
    assert "CUDA" in printed and "--amp bf16" in printed
    assert not (tmp_path / "w").exists()


def test_channels_last_reaches_weights_and_images(
    tiny_config: Config, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tresnet_tasks.backbones import TResNet

    seen = []
    forward = TResNet.forward

    def watched(self: TResNet, x: torch.Tensor) -> Any:
        weight = self.body.conv1.conv.weight
        seen.extend(t.is_contiguous(memory_format=torch.channels_last) for t in (x, weight))
        return forward(self, x)

    monkeypatch.setattr(TResNet, "forward", watched)
    options = ("--channels-last", "--cfg-options", "train_cfg.max_epochs=1")
    command("train", tiny_config(), "--work-dir", tmp_path, *options)
    assert seen and all(seen)


def test_compile_compiles_the_backbone(
    tiny_config: Config, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tresnet_tasks.backbones import TResNet

    compiled = []  # what torch makes of it needs a compiler and half a minute
    monkeypatch.setattr(TResNet, "compile", lambda self: compiled.append(self), raising=False)
    options = ("--compile", "--cfg-options", "train_cfg.max_epochs=1")
    command("train", tiny_config(), "--work-dir", tmp_path, *options)
    assert len(compiled) == 1


def test_load_from_takes_timms_layout_and_leaves_a_head_of_another_size(
    tiny_run: Any, tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    command("convert", tiny_run.best, tmp_path / "timm.safetensors", "--format", "timm")
    config = tiny_config(
        f"load_from = {str(tmp_path / 'timm.safetensors')!r}\n"
        "train_cfg = dict(by_epoch=True, max_epochs=1)\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.0))\n"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w")
    assert "timm layout" in printed or "ours layout" in printed
    before, after = (
        read_checkpoint(file)["state_dict"]
        for file in (tiny_run.best, tmp_path / "w" / "epoch_1.pth")
    )
    for name in ("backbone.body.conv1.conv.weight", "head.fc.weight"):
        assert torch.equal(before[name], after[name])
    # Where the run started is part of its record.
    assert read_checkpoint(tmp_path / "w" / "epoch_1.pth")["meta"]["cfg"]["load_from"]


def test_load_from_comes_after_an_init_cfg(
    tiny_run: Any, tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    zeroed = read_checkpoint(tiny_run.best)["state_dict"]
    zeroed = {name: torch.zeros_like(value) for name, value in zeroed.items()}
    torch.save(zeroed, tmp_path / "zeros.pth")
    config = tiny_config(
        f"model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint={str(tmp_path / 'zeros.pth')!r})\n"
        f"load_from = {str(tiny_run.best)!r}\n"
        "train_cfg = dict(by_epoch=True, max_epochs=1)\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.0))\n"
    )
    command("train", config, "--work-dir", tmp_path / "w")
    name = "backbone.body.conv1.conv.weight"
    expected, got = (
        read_checkpoint(file)["state_dict"][name]
        for file in (tiny_run.best, tmp_path / "w" / "epoch_1.pth")
    )
    assert torch.equal(expected, got)


def test_dry_run_tells_time_and_memory_and_leaves_nothing_behind(
    tiny_config: Config, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    printed = command("train", tiny_config(), "--work-dir", tmp_path / "w", "--dry-run")
    assert re.search(r"s a step \([\d.e+]+ img/s\); 6 steps take \d:\d\d:\d\d", printed), printed
    assert "MiB at the peak" in printed
    assert not (tmp_path / "w").exists()
    assert not list((tmp_path / "tmp").iterdir())


def test_overrides_reach_the_run_with_their_types(
    tiny_config: Config, command: Any, tmp_path: Path
) -> None:
    command(
        *("train", tiny_config(), "--work-dir", tmp_path, "--cfg-options"),
        *("train_cfg.max_epochs=1", "optim_wrapper.optimizer.lr=1e-3"),
        *("train_dataloader.drop_last=false", "default_hooks.logger.interval=2"),
    )
    cfg = read_checkpoint(tmp_path / "epoch_1.pth")["meta"]["cfg"]
    assert cfg["train_cfg"]["max_epochs"] == 1
    assert cfg["optim_wrapper"]["optimizer"]["lr"] == 1e-3
    assert cfg["train_dataloader"]["drop_last"] is False


def test_the_published_recipe_says_where_imagenet_belongs(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = command("train", "cls/tresnet_m_imagenet", status=1)
    assert "data/imagenet/train/n01440764" in printed


@pytest.mark.parametrize("way", [["tools/train.py"], ["-m", "tresnet_tasks", "train"]])
def test_tool_and_module_tell_an_error_as_the_command_does(
    way: list[str], repository: Path, tiny_config: Config, command: Any
) -> None:
    config = tiny_config("resum = True")
    expected = command("train", config, status=1)
    done = subprocess.run(
        [sys.executable, *way, str(config)], cwd=repository, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, expected)


def test_an_unknown_option_is_answered_with_the_nearest(
    tiny_config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["train", str(tiny_config()), "--chanels-last"])
    assert exit_.value.code == 2
    assert "did you mean --channels-last" in capsys.readouterr().err
