"""Measure weights on the test data of a config."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mmengine.config import Config

from ..upstream.checkpoints import read_checkpoint
from ..weights import load_weights
from .launch import LaunchOptions, build_runner, prepare_config


def evaluate(
    cfg: Config, weights: str, options: LaunchOptions, out: str | None = None
) -> dict[str, float]:
    """Run the test loop.

    Args:
        cfg: as read.
        weights: a checkpoint, a published weights file or a hub name.
        options: of the run; ``work_dir`` takes logs and pictures.
        out: json file for the metrics.

    Returns:
        Metrics by name.
    """
    # Labels must mean what they meant in training, whatever classes the test folder happens to hold.
    classes = None
    if weights.endswith(".pth") and Path(weights).is_file():
        meta = read_checkpoint(weights).get("meta") or {}
        classes = (meta.get("dataset_meta") or {}).get("classes")
    for key in ("train_cfg", "train_dataloader", "optim_wrapper", "param_scheduler"):
        cfg[key] = None
    for key in ("val_cfg", "val_dataloader", "val_evaluator"):
        cfg[key] = None
    if cfg.get("custom_hooks"):
        # Averaging belongs to training; a checkpoint's state_dict already holds the averaged weights.
        cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook["type"] != "ModelEMAHook"]
    cfg.load_from = None
    cfg.model.get("backbone", {}).pop("init_cfg", None)  # whatever it would load is replaced
    runner = build_runner(prepare_config(cfg, options, classes), options)
    report = load_weights(getattr(runner.model, "module", runner.model), weights)
    if report.initialised:
        raise ValueError(
            f"{weights} lacks {', '.join(report.initialised)} as this config has it, so there is nothing to measure: "
            f"that part would be random. {report}"
        )
    runner.logger.info(str(report))
    metrics: dict[str, float] = runner.test()
    if out is not None:
        target = Path(out)
        part = target.with_name(f".{target.name}.{os.getpid()}")
        part.write_text(json.dumps(metrics, indent=2, default=float) + "\n", encoding="utf-8")
        part.replace(target)
    return metrics
