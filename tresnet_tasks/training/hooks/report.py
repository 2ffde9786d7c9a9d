"""Pictures of how a run went, in ``reports/`` of its work dir."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from ...registry import HOOKS
from ...reports import draw_curves


@HOOKS.register_module()
class ReportHook(Hook):
    """Draws curves at the end of training, and what the metrics draw at the last validation and at a test.

    Written are ``reports/curves.png`` and, with ``Accuracy``, ``reports/confusion_matrix.png``.
    """

    # After ProgressHook has written the last scalars.
    priority = "VERY_LOW"

    def before_val(self, runner: Any) -> None:
        """Let the metrics draw, if this is the last validation."""
        if runner.epoch + 1 >= runner.max_epochs:
            _draw_into(runner, runner.val_loop)

    def before_test(self, runner: Any) -> None:
        """Let the metrics draw."""
        _draw_into(runner, runner.test_loop)

    def after_train(self, runner: Any) -> None:
        """Draw the curves of the run."""
        scalars = Path(runner.log_dir) / "vis_data" / "scalars.json"
        if is_main_process() and scalars.is_file():
            path = draw_curves(scalars, _folder(runner) / "curves.png", runner.experiment_name)
            runner.logger.info(f"curves: {path}")


def _folder(runner: Any) -> Path:
    return Path(runner.work_dir) / "reports"


def _draw_into(runner: Any, loop: Any) -> None:
    for metric in loop.evaluator.metrics:
        if getattr(metric, "out_dir", "") is None:
            metric.out_dir = _folder(runner)
