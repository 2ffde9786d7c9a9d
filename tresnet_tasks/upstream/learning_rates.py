"""Learning rates scaled with the batch (linear rule, arXiv 1706.02677), and kept in proportion.

mmengine's ``scale_lr`` (all versions to 0.10.7) takes micro-batches of accumulated gradients for
the batch, and leaves rates that schedules state themselves (``OneCycleLR.eta_max``, ``eta_min``) as
they are, so that a one-cycle schedule is not scaled at all. Such a rate is also given to all groups
of parameters alike, whatever ``paramwise_cfg`` says of them. Can go when it does none of these.
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
    rates = [group["lr"] for group in _groups(optim_wrapper)] or [0.0]
    own = rates[-1]  # of several groups the last is one of mmengine's own, at the optimizer's rate
    peak = max(_stated(schedules, "eta_max"), default=own)
    if own and (min(rates) < own or max(rates) > own):
        low, high = (limit / own * peak for limit in (min(rates), max(rates)))
        note += f" ({low:.4g} to {high:.4g} by paramwise_cfg)"
    made_of = f"{parts[1]} process(es) x {parts[0]} images x {parts[2]} accumulated"
    return schedules, f"a step of the optimizer: {batch} images ({made_of}), lr {peak:.4g}{note}"


def in_proportion(settings: dict[str, Any], optim_wrapper: Any) -> dict[str, Any]:
    """A schedule whose rates each group of parameters gets in proportion to its own.

    Args:
        settings: config of a schedule; ``eta_max`` and ``eta_min`` are those of a group at the
            optimizer's own rate.
        optim_wrapper: of the optimizer whose groups it drives, before training.

    Returns:
        The config for mmengine: the same, unless groups differ in their rates.
    """
    kind = str(settings.get("type")).rpartition(".")[-1]
    # As above, the last is at the optimizer's rate.
    rates = [group.get("lr") for group in optim_wrapper.param_groups]
    base = rates[-1]
    if not base or not kind.endswith("LR") or all(rate == base for rate in rates):
        return settings
    found = dict(settings)
    if isinstance(found.get("eta_max"), (int, float)):
        found["eta_max"] = [found["eta_max"] * rate / base for rate in rates]
    if kind.startswith("Cosine") and found.get("eta_min"):  # no other kind takes a ratio
        found["eta_min_ratio"] = found.pop("eta_min") / base
    return found


def _groups(optim_wrapper: Any) -> list[dict[str, Any]]:
    """Of mmengine's wrappers, with the group that has the optimizer's own settings."""
    inner = getattr(optim_wrapper, "optim_wrappers", {"": optim_wrapper})
    return [group for wrapper in inner.values() for group in wrapper.param_groups]


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
