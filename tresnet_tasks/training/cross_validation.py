"""Cross-validation: one run for each fold, and what they say together."""

from __future__ import annotations

import copy
import gc
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook

from ..metrics.class_details import is_class_detail
from ..registry import DATASETS
from ..upstream.checkpoints import complete_file, plain_data
from .checks import accepted_arguments, find_kind
from .launch import LaunchOptions, build_runner, prepare_config, run_training, work_dir_of
from .processes import join_processes


@dataclass(frozen=True)
class CrossValidation:
    """What the folds measured.

    Attributes:
        scores: for each fold the metrics of its last validation by name; NaN where there are none.
        path: of the file that has them, ``folds.json``.
    """

    scores: Sequence[Mapping[str, float]]
    path: Path

    def summary(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation (of the sample, n - 1) of each metric, over folds that have it."""
        found = {}
        for name in self._names():
            values = [fold[name] for fold in self.scores if math.isfinite(fold.get(name, math.nan))]
            if values:
                found[name] = (mean(values), stdev(values) if len(values) > 1 else math.nan)
        return found

    def _names(self) -> list[str]:
        names = list(dict.fromkeys(name for fold in self.scores for name in fold))
        return [name for name in names if not is_class_detail(name, names)]

    def __str__(self) -> str:
        """A table with a row a fold, then mean and spread."""
        summary = self.summary()
        width = max([10, *map(len, summary)]) + 2
        rows = [("fold", list(summary))]
        for number, fold in enumerate(self.scores, start=1):
            rows.append((str(number), [f"{fold.get(name, math.nan):.4f}" for name in summary]))
        rows.append(("mean", [f"{middle:.4f}" for middle, _ in summary.values()]))
        rows.append(("std", [f"{spread:.4f}" for _, spread in summary.values()]))
        lines = [f"{name:<6}" + "".join(f"{cell:>{width}}" for cell in row) for name, row in rows]
        return "\n".join([*lines, f"all numbers: {self.path}"])


def cross_validate(cfg: Config, options: LaunchOptions, folds: int) -> CrossValidation:
    """Train once for each fold of the training data, on the rest, and validate on the fold.

    The runs write into ``fold_1``, ``fold_2``, ... of the work dir, one after the other and with
    one seed. The config's own validation data are not used, its validation pipeline is. With
    ``options.resume`` folds that are done stay as they are.

    Args:
        cfg: as read; it is not changed.
        options: of all runs; ``resume`` must not be a path.
        folds: how many, K.

    Raises:
        ValueError: for fewer than 2 folds, training data that are no reader with a ``subset``, no
            validation, or a class with fewer images than folds.
    """
    _check(cfg, options, folds)
    join_processes(cfg, options.launcher, options)
    folder = Path(work_dir_of(cfg, options))
    path = folder / "folds.json"
    done, seed = _read(path, folds) if options.resume else ([], None)
    if options.seed is None:
        options = replace(options, seed=seed)
    for number in range(len(done) + 1, folds + 1):
        if is_main_process():
            print(f"fold {number} of {folds}", flush=True)
        own = replace(options, work_dir=str(folder / f"fold_{number}"))
        run = prepare_config(_of_fold(cfg, number, folds), own)
        # One seed for all, so that the spread is that of the data.
        options = replace(options, seed=run.randomness["seed"])
        _write(path, folds, done, options.seed)
        last = _LastScores()
        runner = build_runner(run, own)
        runner.register_hook(last)
        run_training(runner)
        if last.metrics is None:  # resumed where the run was over but for its numbers
            last.metrics = runner.val()
        numbers = {k: v for k, v in last.metrics.items() if isinstance(v, Real)}
        done.append({name: float(value) for name, value in numbers.items()})
        _write(path, folds, done, options.seed)
        del runner
        gc.collect()  # its data workers and memory, before the next one starts
    return CrossValidation(done, path)


def _check(cfg: Config, options: LaunchOptions, folds: int) -> None:
    if folds < 2:
        raise ValueError(f"--folds {folds}; expected 2 or more.")
    if isinstance(options.resume, str):
        raise ValueError(
            "--folds with the path of a checkpoint: each fold goes on from its own. Give --resume "
            "without one."
        )
    if cfg.get("train_dataloader") is None or cfg.get("val_dataloader") is None:
        raise ValueError(
            "--folds needs train_dataloader and val_dataloader, whose pipeline reads the held-out "
            "images."
        )
    reader = cfg.train_dataloader.get("dataset") or {}
    if "type" not in reader:
        return  # what is missing is said when the config is checked
    kind = find_kind(reader["type"], DATASETS)
    if "subset" not in (accepted_arguments(kind) or ()):
        raise ValueError(
            f"--folds needs training data whose reader takes a subset, such as ImageFolder, "
            f"ImageList, ImageCSV or the readers of tags; {reader['type']} does not."
        )


def _of_fold(cfg: Config, number: int, folds: int) -> Config:
    """The config of one fold: training on the rest, validation and test on the fold."""
    cfg = copy.deepcopy(cfg)
    reader = cfg.train_dataloader.dataset
    reader.subset = {**(reader.get("subset") or {}), "fold": (number, folds)}
    held_out = cfg.val_dataloader.dataset
    kept = {key: held_out[key] for key in ("pipeline", "on_error") if key in held_out}
    fold = {**copy.deepcopy(reader), **kept, "test_mode": True}
    fold["subset"] = {key: value for key, value in fold["subset"].items() if key != "per_class"}
    cfg.val_dataloader.dataset = fold
    cfg.test_dataloader, cfg.test_evaluator, cfg.test_cfg = None, None, None
    return cfg


class _LastScores(Hook):
    """Keeps the metrics of the last validation."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] | None = None

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Take them."""
        self.metrics = metrics


def _read(path: Path, folds: int) -> tuple[list[dict[str, float]], int | None]:
    """The scores of the folds that are done, and the seed of all."""
    stored: list[Any] = [None]
    if is_main_process() and path.is_file():
        stored = [json.loads(path.read_text(encoding="utf-8"))]
    broadcast_object_list(stored)
    if stored[0] is None:
        return [], None
    if stored[0]["folds"] != folds:
        raise ValueError(
            f"{path} is of {stored[0]['folds']} folds, not of {folds}. Go on with --folds "
            f"{stored[0]['folds']}, or choose another --work-dir."
        )
    found: list[dict[str, float]] = [
        {name: math.nan if value is None else value for name, value in fold.items()}
        for fold in stored[0]["scores"]
    ]
    return found, stored[0].get("seed")


def _write(path: Path, folds: int, scores: Sequence[Mapping[str, float]], seed: int | None) -> None:
    if not is_main_process():
        return
    plain = [{k: v if math.isfinite(v) else None for k, v in fold.items()} for fold in scores]
    record: dict[str, Any] = {"folds": folds, "seed": seed, "scores": plain}
    if len(scores) == folds:
        summary = CrossValidation(scores, path).summary().items()
        record["mean"] = {name: middle for name, (middle, _) in summary}
        record["std"] = {name: spread for name, (_, spread) in summary if math.isfinite(spread)}
    with complete_file(path) as temporary:
        temporary.write_text(json.dumps(plain_data(record), indent=2) + "\n", encoding="utf-8")
