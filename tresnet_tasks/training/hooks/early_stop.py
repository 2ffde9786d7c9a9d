"""Ending a run that gets no better."""

from __future__ import annotations

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner.base_loop import BaseLoop

from tresnet_tasks.registry import HOOKS

from .chosen_metric import chosen_metric, rule_of
from .save_checkpoint import SaveCheckpointHook

_STATE = "early_stop"  # in the message hub, and so in the checkpoints


@HOOKS.register_module()
class EarlyStopHook(Hook):
    """Ends training when a metric of the validation has not improved for some validations.

    Unlike mmengine's EarlyStoppingHook it goes on counting when a run is resumed, takes any
    improvement for one by default but an equal score for none, and refuses a metric that there is
    not.

    Args:
        monitor: a metric of the validation (``accuracy/top1``, or ``top1`` if only one ends so).
        rule: ``'greater'`` or ``'less'``; None goes by the name: less for a loss, error or
            perplexity.
        min_delta: by how much a score must be better than the best to count.
        patience: validations without an improvement after which training ends.
        check_finite: whether a score that is NaN or infinite ends it too.
        stopping_threshold: a score better than this one ends it at once.

    Raises:
        ValueError: if an argument is out of range or, in training, the metric is not among those
            validated.
    """

    # Before a checkpoint of this validation is written: it is to hold the count.
    priority = "LOW"

    def __init__(
        self,
        monitor: str,
        rule: str | None = None,
        min_delta: float = 0.0,
        patience: int = 5,
        check_finite: bool = True,
        stopping_threshold: float | None = None,
    ) -> None:
        if rule not in (None, "greater", "less"):
            raise ValueError(f"EarlyStopHook got rule={rule!r}; expected 'greater', 'less' or None")
        if patience < 1 or min_delta < 0:
            raise ValueError(
                f"EarlyStopHook got patience={patience}, min_delta={min_delta}; expected patience "
                "of 1 or more and min_delta of 0 or more"
            )
        self.monitor = monitor
        self.sign = 1 if (rule or rule_of(monitor)) == "greater" else -1
        self.min_delta = min_delta
        self.patience = patience
        self.check_finite = check_finite
        self.stopping_threshold = stopping_threshold

    def before_train(self, runner: Any) -> None:
        """Take over what a resumed run had counted."""
        fresh = {"best": -self.sign * math.inf, "waited": 0}
        self._state = dict(runner.message_hub.get_info(_STATE, fresh))

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Count, and decide."""
        if not isinstance(runner._train_loop, BaseLoop):
            return
        name = chosen_metric(metrics or {}, self.monitor, "EarlyStopHook.monitor")
        reason = self._reason_to_stop(float((metrics or {})[name]))
        runner.message_hub.update_info(_STATE, dict(self._state))
        if reason:
            runner.train_loop.stop_training = True
            runner.logger.info(f"training ends early: {name} {reason}")
            for hook in runner.hooks:
                if isinstance(hook, SaveCheckpointHook):
                    hook.save(runner)  # the last one is saved in any case

    def _reason_to_stop(self, score: float) -> str:
        """Count a score; empty if training is to go on."""
        if not math.isfinite(score):
            return f"is {score}" if self.check_finite else ""
        threshold = self.stopping_threshold
        if threshold is not None and self.sign * (score - threshold) > 0:
            return f"has reached {score:.4f}, better than {threshold}"
        if self.sign * (score - self._state["best"]) > self.min_delta:
            self._state = {"best": score, "waited": 0}
            return ""
        self._state["waited"] += 1
        if self._state["waited"] < self.patience:
            return ""
        return (
            f"has not improved on {self._state['best']:.4f} in {self._state['waited']} validations"
        )
