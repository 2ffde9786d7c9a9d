"""What happens when the loss is NaN or infinite."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.hooks import Hook

from tresnet_tasks.registry import HOOKS
from tresnet_tasks.structures import MultiTaskDataSample
from tresnet_tasks.upstream.checkpoints import read_checkpoint
from tresnet_tasks.upstream.resume_point import newest_checkpoint

from ..rank_flag import RankFlag

_SHOWN = 8  # images that the error names; the log file names all
_COUNT = "rollbacks"  # in the message hub, and so in the checkpoints


class NonFiniteLossError(ValueError):
    """The loss is NaN or infinite and the run cannot or may not go on."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Looks at the losses of each step; all ranks act together if one of them is not finite.

    ``'stop'`` ends the run with the iteration, the losses, the images of the batch and the newest
    checkpoint whose numbers are all finite. ``'rollback'`` takes weights, average and optimizer
    state of that checkpoint and goes on with the next batch: counters, schedules and the order of
    the data run on, so the steps since then are not repeated and the batch in question is left
    behind.

    Gradients are not looked at: with fp16 some overflow now and then, and the scaler skips their
    step.

    Args:
        action: ``'stop'`` or ``'rollback'``.
        max_rollbacks: how often a run, with its resumptions, rolls back before it stops.

    Raises:
        ValueError: if an argument is out of range; in training a `NonFiniteLossError`.
    """

    # Before the loss is logged, the average takes the weights up and a checkpoint is written.
    priority = "HIGHEST"

    def __init__(self, action: str = "stop", max_rollbacks: int = 3) -> None:
        if action not in ("stop", "rollback"):
            raise ValueError(
                f"NonFiniteLossHook got action={action!r}; expected 'stop' or 'rollback'"
            )
        if max_rollbacks < 1:
            raise ValueError(
                f"NonFiniteLossHook got max_rollbacks={max_rollbacks}; expected 1 or more. To stop "
                "at the first, set action='stop'"
            )
        self.action = action
        self.max_rollbacks = max_rollbacks

    def before_train(self, runner: Any) -> None:
        """Connect the ranks."""
        self._flag = RankFlag()
        self._began = time.time()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the losses of this step."""
        bad = _non_finite(outputs or {})
        if not self._flag.highest(bool(bad)):
            return
        images = image_names(data_batch, [name.partition(".")[0] for name in bad]) if bad else []
        everyone = all_gather_object((bad, images))
        losses = ", ".join(dict.fromkeys(f"{k} {v}" for bad, _ in everyone for k, v in bad.items()))
        names = [name for _, images in everyone for name in images]
        told = f"the loss is not finite in iteration {runner.iter + 1}: {losses}."
        if names:
            runner.logger.info(
                f"images of that batch: {', '.join(names)}", extra={"file_only": True}
            )
            more = f" and {len(names) - _SHOWN} more (the log file has all)"
            told += f" Images of the batch: {', '.join(names[:_SHOWN])}"
            told += f"{more if len(names) > _SHOWN else ''}."
        found = self._last_good(runner)
        if self.action == "stop" or found is None:
            raise NonFiniteLossError(f"{told} {_advice(found)}")
        count = runner.message_hub.get_info(_COUNT, 0) + 1
        if count > self.max_rollbacks:
            raise NonFiniteLossError(
                f"{told} The run has been rolled back {count - 1} times already, which is "
                f"max_rollbacks. {_advice(found)}"
            )
        for name in bad:
            outputs.pop(name)  # the log's mean over the last steps would be NaN for long
        runner.message_hub.update_info(_COUNT, count)
        runner.roll_back(found, read_checkpoint(found))
        runner.logger.warning(
            f"{told} Rolled back to {found} ({count} of at most {self.max_rollbacks} times); this "
            "batch is left out."
        )

    def _last_good(self, runner: Any) -> Path | None:
        """This run's newest checkpoint all of whose numbers are finite; the same on all ranks."""

        def check(checkpoint: dict[str, Any], path: Path) -> None:
            _check_finite(checkpoint)
            if not runner._resume and path.stat().st_mtime < self._began:
                raise ValueError("it is an earlier run's")

        answer: list[Path | None] = [None]
        if is_main_process():
            runner.writer.wait()  # the newest may not be complete yet
            with suppress(ValueError):  # there are some, but none is good
                found = newest_checkpoint(runner.work_dir, runner.logger.warning, check)
                answer = [found and found[0]]
        broadcast_object_list(answer)
        return answer[0]


def image_names(data_batch: Any, heads: Sequence[str] = ()) -> list[str]:
    """The files of a batch, as far as its samples (a list under ``data_samples``) name them.

    Args:
        data_batch: as the data loader gives it.
        heads: of a joint model; where any of them has labels in the batch, only the images that it
            has some for.
    """
    samples = data_batch.get("data_samples") if isinstance(data_batch, dict) else None
    if samples is None or isinstance(samples, torch.Tensor):
        return []
    concerned = [
        sample
        for sample in samples
        if isinstance(sample, MultiTaskDataSample) and any(map(sample.labelled, heads))
    ]
    samples = concerned or samples
    names = [getattr(sample, "img_path", None) for sample in samples]
    return [str(name) for name in names if name is not None]


def _non_finite(outputs: dict[str, Any]) -> dict[str, float]:
    losses = {k: float(torch.as_tensor(v).detach()) for k, v in outputs.items() if "loss" in k}
    return {name: value for name, value in losses.items() if not math.isfinite(value)}


def _check_finite(value: Any, name: str = "") -> None:
    """Refuse what was written after the numbers had gone wrong.

    Raises:
        ValueError: naming the first tensor with a NaN or an infinity.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            _check_finite(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, torch.Tensor) and not torch.isfinite(value).all():
        raise ValueError(f"{name} is not finite")


def _advice(found: Path | None) -> str:
    cause = "a lower learning rate, optim_wrapper.clip_grad, or bf16 in place of fp16 may help"
    if found is None:
        return f"There is no good checkpoint yet to go back to; {cause}."
    return (
        f"The last good checkpoint is {found}. Look at the images; {cause}. Go on with --resume "
        f"{found}, or let runs go back by themselves: "
        "default_hooks.non_finite_loss.action=rollback."
    )
