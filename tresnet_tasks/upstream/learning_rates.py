"""Learning rates scaled with the batch (linear rule, arXiv 1706.02677).

mmengine's ``scale_lr`` (all versions to 0.10.7) takes micro-batches of accumulated gradients for
the batch, and leaves rates that schedules state themselves (``OneCycleLR.eta_max``, ``eta_min``) as
they are, so that a one-cycle schedule is not scaled at all. Can go when it does neither.
"""

from __future__ import annotations

from typing import Any

_ABSOLUTE = ("eta_max", "eta_min", "min_value")  # rates; the other numbers of schedules are ratios


def scaled_learning_rates(
    optim_wrapper: Any,
    schedules: Any,
    loader: dict[str, Any],
    auto_scale_lr: dict[str, Any],
) -> tuple[Any, str]:
    """Scale the optimizer's rates, in place, by batch / ``base_batch_size`` if that is enabled.

    Args:
        optim_wrapper: of one optimizer or several, built.
        schedules: configs of parameter schedules, a list or a dict of lists; None for none.
        loader: ``batch_size``, ``processes`` and ``accumulation``, whose product is the batch of an
            optimizer step.
        auto_scale_lr: mmengine's: ``enable`` and ``base_batch_size``.

    Returns:
        The configs of the schedules, scaled likewise, and a line that says what a step is made of.

    Raises:
        ValueError: if scaling is enabled without ``base_batch_size``, or the batch has no fixed size.
    """
    parts = (loader["batch_size"], loader["processes"], loader["accumulation"])
    batch = None if parts[0] is None else parts[0] * parts[1] * parts[2]
    note = ""
    if auto_scale_lr.get("enable", False):
        base = auto_scale_lr.get("base_batch_size")
        if not base or batch is None:
            raise ValueError(
                f"auto_scale_lr is enabled with base_batch_size={base} and batches of {batch} images; "
                "expected two numbers. Set auto_scale_lr.base_batch_size to the number of images a "
                "step that the learning rate was chosen for, and train_dataloader.batch_size."
            )
        for group in _groups(optim_wrapper):
            group["lr"] *= batch / base
        schedules = _scaled(schedules, batch / base)
        note = f", scaled by {batch / base:g} from a batch of {base}"
    rate = max([group["lr"] for group in _groups(optim_wrapper)], default=0.0)
    peak = max(_stated(schedules, "eta_max"), default=rate)
    made_of = f"{parts[1]} process(es) x {parts[0]} images x {parts[2]} accumulated"
    return schedules, f"a step of the optimizer: {batch} images ({made_of}), lr {peak:.4g}{note}"


def _groups(optim_wrapper: Any) -> list[dict[str, Any]]:
    inner = getattr(optim_wrapper, "optim_wrappers", {"": optim_wrapper})
    return [group for wrapper in inner.values() for group in wrapper.optimizer.param_groups]


def _scaled(schedules: Any, ratio: float) -> Any:
    """The same configs, rates of learning rate schedules multiplied."""
    if isinstance(schedules, (list, tuple)):
        return [_scaled(schedule, ratio) for schedule in schedules]
    if not isinstance(schedules, dict):
        return schedules
    if "type" not in schedules:  # lists of several optimizers
        return {name: _scaled(group, ratio) for name, group in schedules.items()}
    if not str(schedules["type"]).endswith("LR"):
        return schedules
    rates = {name: schedules[name] * ratio for name in _ABSOLUTE if schedules.get(name) is not None}
    return {**schedules, **rates}


def _stated(schedules: Any, name: str) -> list[float]:
    if isinstance(schedules, (list, tuple)):
        return [value for schedule in schedules for value in _stated(schedule, name)]
    if not isinstance(schedules, dict):
        return []
    if "type" not in schedules:
        return [value for group in schedules.values() for value in _stated(group, name)]
    return [schedules[name]] if isinstance(schedules.get(name), (int, float)) else []
