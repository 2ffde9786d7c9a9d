"""Checkpoints during training: the latest few and the best."""

from __future__ import annotations

import math
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner.base_loop import BaseLoop

from tresnet_tasks.registry import HOOKS
from tresnet_tasks.upstream.checkpoints import complete_file, read_checkpoint
from tresnet_tasks.upstream.resume_point import checkpoint_number

_LOWER = ("loss", "error", "perplexity")


@HOOKS.register_module()
class SaveCheckpointHook(Hook):
    """Writes ``epoch_3.pth`` (or ``iter_500.pth``), ``last_checkpoint`` and ``best.pth`` into the
    work dir.

    Every file is replaced in one go. ``best.pth`` says in ``meta.best`` which metric, score, epoch
    and iteration it is of; that file is also what a resumed run takes the best score from.

    Args:
        interval: epochs between checkpoints (iterations with ``by_epoch=False``); the last one is
            saved in any case.
        by_epoch: whether to count epochs or iterations.
        max_keep: how many of the regular checkpoints stay; -1 for all. Files of an earlier run that
            this one was not resumed from are left alone.
        save_best: a metric of the validation (``accuracy/top1``, or ``top1`` if only one ends so),
            ``'auto'`` for the first one, None for no ``best.pth``.
        rule: ``'greater'`` or ``'less'``; None goes by the name: less for a loss, error or
            perplexity.

    Raises:
        ValueError: if an argument is out of range or, in training, the metric is not among those
            validated.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        interval: int = 1,
        by_epoch: bool = True,
        max_keep: int = 3,
        save_best: str | None = "auto",
        rule: str | None = None,
    ) -> None:
        if interval < 1:
            raise ValueError(f"SaveCheckpointHook got interval={interval}; expected 1 or more")
        if max_keep != -1 and max_keep < 1:
            raise ValueError(
                f"SaveCheckpointHook got max_keep={max_keep}; expected 1 or more, or -1 to keep all"
            )
        if rule not in (None, "greater", "less"):
            raise ValueError(
                f"SaveCheckpointHook got rule={rule!r}; expected 'greater', 'less' or None"
            )
        self.interval = interval
        self.by_epoch = by_epoch
        self.max_keep = max_keep
        self.save_best = save_best
        self.rule = rule
        self.best: dict[str, Any] | None = None
        self._files: list[Path] = []

    def before_train(self, runner: Any) -> None:
        """On a resumed run, take over its checkpoints and its best score."""
        self.best, self._files = None, []
        if runner.iter == 0 or not is_main_process():
            return
        prefix, count = self._counter(runner, runner.epoch, runner.iter)
        files = Path(runner.work_dir).glob(f"{prefix}_*.pth")
        self._files = sorted(
            (path for path in files if 0 <= checkpoint_number(path) <= count), key=checkpoint_number
        )
        best = Path(runner.work_dir) / "best.pth"
        if self.save_best is not None and best.exists():
            try:
                self.best = read_checkpoint(best).get("meta", {}).get("best")
            except ValueError as error:
                runner.logger.warning(f"the best score so far is lost: {error}")

    def after_train_epoch(self, runner: Any) -> None:
        """Save at the end of an epoch."""
        if self.by_epoch and (
            self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)
        ):
            self._save(runner, runner.epoch + 1, runner.iter)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save after an iteration."""
        if not self.by_epoch and (
            self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)
        ):
            self._save(runner, runner.epoch, runner.iter + 1)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Save the best checkpoint, if this validation of a training run is the best so far."""
        if self.save_best is None or not isinstance(runner._train_loop, BaseLoop):
            return
        name = self._metric(metrics or {})
        score = float((metrics or {})[name])
        rule = self.rule or _rule_of(name)
        if not math.isfinite(score) or not self._is_better(name, score, rule):
            return
        counters = {"epoch": runner.epoch, "iter": runner.iter}
        self.best = {"metric": name, "score": score, "rule": rule, **counters}
        meta = {**counters, "best": self.best}
        runner.save_checkpoint(runner.work_dir, "best.pth", meta=meta, by_epoch=self.by_epoch)
        runner.logger.info(f"best {name} so far: {score:.4f}, saved as best.pth")

    def _save(self, runner: Any, epoch: int, iteration: int) -> None:
        prefix, count = self._counter(runner, epoch, iteration)
        path = Path(runner.work_dir) / f"{prefix}_{count}.pth"
        meta = {"epoch": epoch, "iter": iteration}
        runner.save_checkpoint(runner.work_dir, path.name, meta=meta, by_epoch=self.by_epoch)
        if not is_main_process():
            return
        with complete_file(path.parent / "last_checkpoint") as temporary:
            temporary.write_text(path.name, encoding="utf-8")
        # Old ones go only now that the new one is complete.
        self._files = [file for file in self._files if file != path] + [path]
        while self.max_keep != -1 and len(self._files) > self.max_keep:
            self._files.pop(0).unlink(missing_ok=True)

    def _counter(self, runner: Any, epoch: int, iteration: int) -> tuple[str, int]:
        return ("epoch", epoch) if self.by_epoch else ("iter", iteration)

    def _metric(self, metrics: dict[str, float]) -> str:
        names = [
            name for name, value in metrics.items() if isinstance(value, (int, float, np.number))
        ]
        if not names:
            raise ValueError(
                f"save_best={self.save_best!r} needs a metric, but the validation gave no number. "
                "Set val_evaluator, or save_best=None."
            )
        if self.save_best == "auto":
            return names[0]
        fitting = [
            name for name in names if self.save_best == name or name.endswith(f"/{self.save_best}")
        ]
        if len(fitting) == 1 or self.save_best in fitting:
            return fitting[0] if len(fitting) == 1 else str(self.save_best)
        near = get_close_matches(str(self.save_best), names, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"save_best={self.save_best!r} is not one metric of the validation, which gave "
            f"{', '.join(names)}.{hint}"
        )

    def _is_better(self, name: str, score: float, rule: str) -> bool:
        best = self.best
        if not isinstance(best, dict) or (best.get("metric"), best.get("rule")) != (name, rule):
            return True
        previous = float(best["score"])
        return score > previous if rule == "greater" else score < previous


def _rule_of(name: str) -> str:
    return "less" if any(word in name.lower() for word in _LOWER) else "greater"
