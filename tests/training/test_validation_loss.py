from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tresnet_tasks.inference import Predictor
from tresnet_tasks.training.launch import LaunchOptions, build_runner, load_config, prepare_config
from tresnet_tasks.upstream.checkpoints import read_checkpoint


def test_the_loss_of_the_validation_is_logged_and_chooses_the_best(
    tiny_config: Callable[..., Path], tiny_data: Path, command: Any, tmp_path: Path
) -> None:
    config = tiny_config(
        "val_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='ValidationLoss')]\n"
        "default_hooks['checkpoint'] = dict(save_best='val/loss')"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w")
    assert "epoch 2/2 val top1" in printed and " val/loss " in printed
    best = read_checkpoint(tmp_path / "w/best.pth")["meta"]["best"]
    assert (best["metric"], best["rule"]) == ("val/loss", "less")
    [scalars] = (tmp_path / "w").glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    losses = [line["val/loss"] for line in lines if "val/loss" in line]
    assert len(losses) == 2 and min(losses) == best["score"]
    # Data without labels are predicted as ever.
    assert len(list(Predictor(tmp_path / "w/best.pth")(tiny_data / "val" / "red"))) == 2


def test_it_is_the_loss_of_the_head_over_the_set(
    tiny_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = tiny_config(
        "val_evaluator = dict(type='ValidationLoss')\n"
        "default_hooks.update(checkpoint=None, report=None)  # they belong to training"
    )
    options = LaunchOptions(work_dir=str(tmp_path / "w"), seed=0)
    runner = build_runner(prepare_config(load_config(str(config)), options), options)
    found = runner.val()["val/loss"]
    model = runner.model.eval()
    logits, labels = [], []
    for batch in runner.val_dataloader:
        data = model.data_preprocessor(batch, False)
        logits.append(model(data["inputs"]))
        labels += [sample.gt_label for sample in data["data_samples"]]
    smoothing = model.head.task.loss_module.label_smoothing
    expected = torch.nn.functional.cross_entropy(
        torch.cat(logits), torch.cat(labels), label_smoothing=smoothing
    )
    assert abs(found - expected.item()) < 1e-5
