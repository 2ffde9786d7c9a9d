"""Pictures of how a run went, in ``reports/`` of its work dir."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from ...registry import HOOKS
from ...reports import draw_curves


@HOOKS.register_module()
class ReportHook(Hook):
    """Draws curves at the end of training, and what the metrics draw at the last validation and at a test.

    Written are ``reports/curves.png`` (of a resumed run, from its first start on) and, with ``Accuracy``,
    ``reports/confusion_matrix.png``.
    """

    # After ProgressHook has written the last scalars.
    priority = "VERY_LOW"

    def before_val(self, runner: Any) -> None:
        """Let the metrics draw and show their tables, if this is the last validation."""
        last = runner.epoch >= runner.max_epochs or runner.iter >= runner.max_iters
        for metric in runner.val_loop.evaluator.metrics:
            metric.show_table = last
        if last:
            _draw_into(runner, runner.val_loop)

    def before_test(self, runner: Any) -> None:
        """Let the metrics draw."""
        _draw_into(runner, runner.test_loop)

    def after_train(self, runner: Any) -> None:
        """Draw the curves of the run."""
        if not is_main_process():
            return
        lines = _scalars(Path(runner.log_dir), resumed=bool(runner._resume))
        if not lines:
            return
        with tempfile.TemporaryDirectory() as folder:
            scalars = Path(folder) / "scalars.json"
            scalars.write_text("\n".join(lines), encoding="utf-8")
            path = draw_curves(scalars, _folder(runner) / "curves.png", runner.experiment_name)
        runner.logger.info(f"curves: {path}")


def _scalars(log_dir: Path, resumed: bool) -> list[str]:
    """The lines of this run, after those of the runs that it goes on from."""
    own = log_dir / "vis_data" / "scalars.json"
    # The folders are named after the time, so that sorting brings them in order.
    files = sorted(log_dir.parent.glob("*/vis_data/scalars.json")) if resumed else [own]
    lines: list[str] = []
    for file in files:
        if file > own or not file.is_file():
            continue
        added = file.read_text(encoding="utf-8").splitlines()
        # A run that begins where the first began was started anew; what came before is not its past.
        if lines and _step(added) <= _step(lines):
            lines = []
        lines += added
    return lines


def _step(lines: list[str]) -> float:
    """The iteration of the first training line."""
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # cut short when the run was killed
            continue
        if isinstance(record, dict) and "iter" in record:
            return float(record["iter"])
    return float("inf")


def _folder(runner: Any) -> Path:
    return Path(runner.work_dir) / "reports"


def _draw_into(runner: Any, loop: Any) -> None:
    by_head = getattr(loop.evaluator, "by_head", {"": loop.evaluator.metrics})
    drawing = {
        head: [metric for metric in metrics if getattr(metric, "out_dir", "") is None]
        for head, metrics in by_head.items()
    }
    several = sum(bool(metrics) for metrics in drawing.values()) > 1
    for head, metrics in drawing.items():
        for metric in metrics:
            # Two heads would draw into one file.
            metric.out_dir = _folder(runner) / head if several else _folder(runner)
