"""Measure weights on the test data of a config."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config

from ..upstream.checkpoints import complete_file, plain_data
from ..weights import find_weights, load_weights
from ..weights.files import read_own_weights
from .launch import LaunchOptions, build_runner, prepare_config
from .test_thresholds import TestThresholds
from .test_time_augmentation import complete_views, merge_views

_TRAINING_ONLY = (
    *("train_cfg", "train_dataloader", "optim_wrapper", "param_scheduler", "auto_scale_lr"),
    *("val_cfg", "val_dataloader", "val_evaluator", "load_from", "resume"),
)


def evaluate(
    cfg: Config,
    weights: str,
    options: LaunchOptions,
    out: str | None = None,
    thresholds: TestThresholds | None = None,
    tta: bool = False,
) -> dict[str, float]:
    """Run the test loop; where a config has no test data, on its validation data.

    Logs and pictures go to the folder ``test`` of the work dir, whose own records are those of the training.

    Args:
        cfg: as read.
        weights: a checkpoint, a published weights file or a hub name.
        options: of the run.
        out: json file for the metrics.
        thresholds: of a multi-label model, which to use and whether to find others; None uses those of the
            checkpoint, if it has some.
        tta: whether to give the model several views of each image, see :func:`complete_views`.

    Returns:
        Metrics by name.

    Raises:
        FileNotFoundError: if there are no such weights, or no data.
        ValueError: if the weights are refused, do not fit the config's model or lack a part of it; if ``tta`` is not
            for such a model.
    """
    path = find_weights(weights)
    if out is not None and Path(out).is_dir():
        raise ValueError(f"--out {out} is a folder; expected the name of a json file.")
    if cfg.get("test_dataloader") is None:
        cfg.test_dataloader, cfg.test_evaluator = (
            cfg.get("val_dataloader"),
            cfg.get("val_evaluator"),
        )
    for key in _TRAINING_ONLY:
        cfg[key] = None
    if cfg.get("custom_hooks"):
        # Averaging belongs to training; a checkpoint's state_dict already holds the averaged weights.
        cfg.custom_hooks = [
            hook for hook in cfg.custom_hooks if hook.get("type") not in ("ModelEMAHook", "EMAHook")
        ]
    if options.seed is None and (cfg.get("randomness") or {}).get("seed") is None:
        options = replace(options, seed=0)  # nothing is drawn in a test: none to be told of
    # Labels must mean what they meant in training, whatever classes the test folder happens to hold.
    file = read_own_weights(path)
    cfg = prepare_config(cfg, options, file.classes, training=False)
    if tta:
        complete_views(cfg)
    cfg.work_dir = str(Path(cfg.work_dir) / "test")
    runner = build_runner(cfg, options)
    report = load_weights(getattr(runner.model, "module", runner.model), weights)
    if report.initialised:
        raise ValueError(
            f"{weights} lacks {', '.join(report.initialised)} as this config has it, so there is nothing to measure: "
            f"that part would be random. {report}"
        )
    runner.logger.info(str(report))
    thresholds = thresholds or TestThresholds()
    thresholds.use(runner, file.meta.get("thresholds"), weights)
    model = runner.model
    if tta:
        runner.model = merge_views(model, cfg)
    metrics: dict[str, float] = runner.test()
    runner.model = model
    thresholds.find_and_write(runner)
    if out is not None:
        with complete_file(out) as temporary:
            # JSON knows no NaN, the score of what cannot be measured.
            told = {k: None if math.isnan(v) else v for k, v in plain_data(metrics).items()}
            temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return metrics
