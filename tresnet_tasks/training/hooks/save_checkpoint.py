"""Checkpoints during training: the latest few and the best."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner.base_loop import BaseLoop

from tresnet_tasks.registry import HOOKS
from tresnet_tasks.upstream.accumulation import optimizer_stepped
from tresnet_tasks.upstream.checkpoints import complete_file
from tresnet_tasks.upstream.resume_point import numbered_checkpoints

from ..rank_flag import RankFlag
from .chosen_metric import chosen_metric, rule_of


@HOOKS.register_module()
class SaveCheckpointHook(Hook):
    """Writes ``epoch_3.pth`` (or ``iter_500.pth``), ``last_checkpoint`` and ``best.pth`` into the
    work dir.

    Training goes on while a file is written: it stops for the copy of the state into CPU memory,
    and for a file before that is not complete yet. Every file is replaced in one go. ``best.pth``
    says in ``meta.best`` which metric, score, epoch and iteration it is of; each checkpoint has the
    best so far there. Checkpoints by steps or minutes are taken when the optimizer has stepped, so
    that none is amid accumulated gradients.

    Args:
        interval: between checkpoints, in what ``by`` says; the last one is saved in any case.
        by: ``'epoch'``, ``'step'`` (of the optimizer) or ``'minutes'``.
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
        interval: float = 1,
        by: str = "epoch",
        max_keep: int = 3,
        save_best: str | None = "auto",
        rule: str | None = None,
    ) -> None:
        if by not in ("epoch", "step", "minutes"):
            raise ValueError(
                f"SaveCheckpointHook got by={by!r}; expected 'epoch', 'step' or 'minutes'"
            )
        if interval <= 0 or (by != "minutes" and interval != int(interval)):
            what = "a number above 0" if by == "minutes" else "1, 2, ..."
            raise ValueError(
                f"SaveCheckpointHook got interval={interval} with by={by!r}; expected {what}"
            )
        if max_keep != -1 and max_keep < 1:
            raise ValueError(
                f"SaveCheckpointHook got max_keep={max_keep}; expected 1 or more, or -1 to keep all"
            )
        if rule not in (None, "greater", "less"):
            raise ValueError(
                f"SaveCheckpointHook got rule={rule!r}; expected 'greater', 'less' or None"
            )
        self.interval = interval
        self.by = by
        self.max_keep = max_keep
        self.save_best = save_best
        self.rule = rule
        self.best: dict[str, Any] | None = None
        self._files: list[Path] = []

    def before_run(self, runner: Any) -> None:
        """Begin without a best score."""
        self._resumed_best: dict[str, Any] | None = None

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """On resuming, take the best score over."""
        if runner._resume:
            self._resumed_best = checkpoint.get("meta", {}).get("best")

    def before_train(self, runner: Any) -> None:
        """Take over the files of a resumed run, and clear away what a killed one left half."""
        self._flag = RankFlag()
        self._saved_at, self._saved_iter = monotonic(), runner.iter
        work_dir = Path(runner.work_dir)
        best = [self._resumed_best if (work_dir / "best.pth").is_file() else None]
        broadcast_object_list(best)
        self.best, self._files = best[0], []
        if not is_main_process():
            return
        for unfinished in work_dir.glob(".*.[0-9]*.tmp"):
            unfinished.unlink()
        if runner.iter > 0:
            self._files = numbered_checkpoints(work_dir, until=runner.iter)
        elif (work_dir / "best.pth").is_file():
            self._keep_best_of_before(runner, work_dir / "best.pth")

    def _keep_best_of_before(self, runner: Any, best: Path) -> None:
        """A run that starts anew in the folder of another does not cost the best of that."""
        written = datetime.fromtimestamp(best.stat().st_mtime)
        kept = best.with_name(f"best_{written:%Y%m%d_%H%M%S}.pth")
        best.rename(kept)
        runner.logger.warning(
            f"{best.parent} has the best.pth of a run before; it is called {kept.name} from now on "
            "(--resume goes on with that run)"
        )

    def after_train_epoch(self, runner: Any) -> None:
        """Save at the end of an epoch."""
        if self.by == "epoch" and (
            self.every_n_epochs(runner, int(self.interval)) or self.is_last_train_epoch(runner)
        ):
            self.save(runner)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save after a step of the optimizer."""
        runner.writer.check()  # a full disk stops the run now, not at the next checkpoint
        if self.by == "epoch" or not optimizer_stepped(runner.optim_wrapper):
            return
        if self.by == "step":
            due = runner.train_loop.steps % self.interval == 0
        else:
            passed = monotonic() - self._saved_at
            due = bool(self._flag.highest(passed >= 60 * self.interval))
        if due or self.is_last_train_iter(runner):
            self.save(runner)

    def after_train(self, runner: Any) -> None:
        """Save the end of a run that was stopped early."""
        if self._saved_iter < runner.iter:
            self.save(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Save the best checkpoint, if this validation of a training run is the best so far."""
        if self.save_best is None or not isinstance(runner._train_loop, BaseLoop):
            return
        name = chosen_metric(metrics or {}, self.save_best, "save_best")
        score = float((metrics or {})[name])
        rule = self.rule or rule_of(name)
        if not math.isfinite(score):
            runner.logger.warning(
                f"{name} of this validation is {score}, so that no best.pth is saved for it. Has its data anything to "
                "find, and are the losses finite?"
            )
            return
        if not self._is_better(name, score, rule):
            return
        counters = {"epoch": runner.epoch, "iter": runner.iter}
        self.best = {"metric": name, "score": score, "rule": rule, **counters}
        meta = {**counters, "validated": True}
        runner.save_checkpoint(runner.work_dir, "best.pth", meta=meta, background=True)
        runner.logger.info(f"best {name} so far: {score:.4f}, saved as best.pth")

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Store the best score so far."""
        if self.save_best is not None:
            checkpoint["meta"]["best"] = self.best

    def save(self, runner: Any, background: bool = True) -> Path:
        """Save a checkpoint now; to be called by all ranks, where the optimizer has stepped.

        Args:
            runner: a `TaskRunner` in training.
            background: whether to return before the file is complete.

        Returns:
            Where it is, or will be: ``epoch_N.pth`` for saving by epochs at the end of one,
            ``iter_N.pth`` otherwise.
        """
        by_epoch = self.by == "epoch"
        position = runner.position(by_epoch)
        # In a run of iterations no epoch ever ends.
        whole = by_epoch and position.batches == 0 and position.epoch > 0
        name = f"epoch_{position.epoch}.pth" if whole else f"iter_{position.iter}.pth"
        path = Path(runner.work_dir) / name
        self._files = [file for file in self._files if file != path] + [path]
        kept = len(self._files) if self.max_keep == -1 else self.max_keep
        outdated, self._files = self._files[:-kept], self._files[-kept:]

        def finish() -> None:  # old ones go only now that the new one is complete
            with complete_file(path.parent / "last_checkpoint") as temporary:
                temporary.write_text(path.name, encoding="utf-8")
            for file in outdated:
                file.unlink(missing_ok=True)

        runner.save_checkpoint(
            runner.work_dir, name, by_epoch=by_epoch, background=background, then=finish
        )
        self._saved_at, self._saved_iter = monotonic(), position.iter
        return path

    def _is_better(self, name: str, score: float, rule: str) -> bool:
        best = self.best
        if not isinstance(best, dict) or (best.get("metric"), best.get("rule")) != (name, rule):
            return True
        previous = float(best["score"])
        return score > previous if rule == "greater" else score < previous
