from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from torch import nn

from tresnet_tasks.training.hooks import ModelEMAHook
from tresnet_tasks.upstream.checkpoints import read_checkpoint


class Recorder(Hook):
    """Copies of the weights before training and after each step of the optimizer, in float64."""

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []
        self.shown: list[dict[str, torch.Tensor]] = []

    def before_train(self, runner: Any) -> None:
        self.seen.append(copied(runner.model))

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.optim_wrapper.should_update():
            self.seen.append(copied(runner.model))

    def after_val_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        self.shown.append(copied(runner.model))


def copied(model: nn.Module) -> dict[str, torch.Tensor]:
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return {
        name: value.double() if value.is_floating_point() else value
        for name, value in state.items()
    }


def expected(seen: list[dict[str, torch.Tensor]], decay: float, warmup: bool) -> dict[str, Any]:
    average = dict(seen[0])
    for t, weights in enumerate(seen[1:], start=1):
        d = min(decay, (1 + t) / (10 + t)) if warmup else decay
        for name, value in weights.items():
            float_value = value.is_floating_point()
            average[name] = d * average[name] + (1 - d) * value if float_value else value
    return average


def assert_close(a: dict[str, Any], b: dict[str, Any], **tolerance: float) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name].double(), b[name].double(), msg=name, **tolerance)


@pytest.mark.parametrize("warmup", [True, False])
@pytest.mark.parametrize(("accumulate", "steps"), [(1, 9), (2, 6)])
def test_average_follows_the_formula_once_an_optimizer_step(
    make_runner: Any, accumulate: int, steps: int, warmup: bool
) -> None:
    recorder, ema = Recorder(), ModelEMAHook(decay=0.2, warmup=warmup)
    runner = make_runner(
        accumulate=accumulate,
        train_cfg={"by_epoch": True, "max_epochs": 3},
        custom_hooks=[recorder, ema],
    )
    runner.train()
    assert ema.steps == len(recorder.seen) - 1 == steps
    want = expected(recorder.seen, 0.2, warmup)
    assert_close(ema._average, want, rtol=1e-5, atol=1e-6)
    assert ema._average["body.1.num_batches_tracked"] == 9


def test_validation_sees_the_average_and_training_goes_on_with_the_weights(
    make_runner: Any,
) -> None:
    recorder = Recorder()
    runner = make_runner(
        scores=[{"top1": 0.1}],
        train_cfg={"by_epoch": True, "max_epochs": 1},
        custom_hooks=[recorder, ModelEMAHook(decay=0.9)],
    )
    runner.train()
    assert_close(recorder.shown[0], expected(recorder.seen, 0.9, True), rtol=1e-5, atol=1e-6)
    assert_close(copied(runner.model), recorder.seen[-1], rtol=0, atol=0)


def test_checkpoint_holds_the_average_and_beside_it_the_weights(
    make_runner: Any, tmp_path: Any
) -> None:
    recorder = Recorder()
    runner = make_runner(
        scores=[{"top1": 0.1}, {"top1": 0.2}],
        train_cfg={"by_epoch": True, "max_epochs": 2},
        custom_hooks=[recorder, ModelEMAHook()],
    )
    runner.train()
    for name in ("epoch_2.pth", "best.pth"):
        found = read_checkpoint(tmp_path / "run" / name)
        assert_close(
            found["state_dict"], expected(recorder.seen, 0.9997, True), rtol=1e-5, atol=1e-6
        )
        assert found["ema_state_dict"].pop("steps") == 6
        weights = {k.removeprefix("module."): v for k, v in found["ema_state_dict"].items()}
        assert_close(weights, recorder.seen[-1], rtol=0, atol=0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_resumed_run_equals_the_undisturbed_one_bit_for_bit(
    make_runner: Any, tmp_path: Any, accumulate: int
) -> None:
    def scores() -> list[dict[str, float]]:
        return [{"top1": i / 10} for i in range(4)]

    def run(work_dir: str, **changes: Any) -> Any:
        hooks = [{"type": "ModelEMAHook", "decay": 0.9}, *changes.pop("custom_hooks", [])]
        changes = {"scores": scores(), "accumulate": accumulate, "custom_hooks": hooks, **changes}
        make_runner(work_dir, **changes).train()

    class Killed(Exception):
        pass

    class Kill(Hook):
        def before_train_epoch(self, runner: Any) -> None:
            if runner.epoch == 2:
                raise Killed

    run("straight")
    with pytest.raises(Killed):
        run("killed", custom_hooks=[Kill()])
    assert (tmp_path / "killed/last_checkpoint").read_text() == "epoch_2.pth"
    run("killed", resume=True, randomness={"seed": None})
    straight, resumed = (
        read_checkpoint(tmp_path / name / "epoch_4.pth") for name in ("straight", "killed")
    )
    for key in ("state_dict", "ema_state_dict"):
        assert_close(straight[key], resumed[key], rtol=0, atol=0)
    buffers = zip(
        straight["optimizer"]["state"].values(), resumed["optimizer"]["state"].values(), strict=True
    )
    for a, b in buffers:
        assert torch.equal(a["momentum_buffer"], b["momentum_buffer"])
    assert straight["optimizer"]["param_groups"] == resumed["optimizer"]["param_groups"]
    assert straight["param_schedulers"] == resumed["param_schedulers"]
    assert straight["meta"]["seed"] == resumed["meta"]["seed"] == 5


def test_a_parameter_under_two_names_is_averaged_once_and_saved_under_both(
    make_runner: Any, tmp_path: Any
) -> None:
    runner = make_runner(
        train_cfg={"by_epoch": True, "max_epochs": 1},
        scores=[{"top1": 1.0}],
        custom_hooks=[ModelEMAHook(decay=0.5)],
    )
    runner.model.alias = runner.model.fc
    before = runner.model.fc.weight
    runner.train()
    found = read_checkpoint(tmp_path / "run/epoch_1.pth")
    assert torch.equal(found["state_dict"]["alias.weight"], found["state_dict"]["fc.weight"])
    raw = found["ema_state_dict"]
    assert torch.equal(raw["module.alias.weight"], raw["module.fc.weight"])
    assert torch.equal(raw["module.fc.weight"], before)
    assert not torch.equal(raw["module.fc.weight"], found["state_dict"]["fc.weight"])


@pytest.fixture
def one_weight() -> Any:
    """What the hook needs of a runner whose model is one bfloat16 number, 1.0."""
    model = nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    return SimpleNamespace(model=model, optim_wrapper=SimpleNamespace(optimizer=optimizer))


def test_bfloat16_weights_are_averaged_in_float32(one_weight: Any) -> None:
    ema = ModelEMAHook(decay=0.999, warmup=False)
    ema.before_train(one_weight)
    nn.init.zeros_(one_weight.model.weight)
    for _ in range(3):
        one_weight.optim_wrapper.optimizer.step()
        ema.after_train_iter(one_weight, 0)
    assert ema._average["weight"].item() == pytest.approx(0.999**3, rel=1e-6)


def test_a_step_that_the_scaler_skips_does_not_count(one_weight: Any) -> None:
    ema = ModelEMAHook()
    ema.before_train(one_weight)
    ema.after_train_iter(one_weight, 0)
    assert ema.steps == 0


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= decay < 1"):
        ModelEMAHook(decay=decay)


def test_loading_without_resuming_takes_the_average_as_weights(
    make_runner: Any, tmp_path: Any
) -> None:
    make_runner("first", custom_hooks=[ModelEMAHook()]).train()
    second = make_runner("second", custom_hooks=[ModelEMAHook()])
    second.load_checkpoint(str(tmp_path / "first/epoch_4.pth"))
    want = read_checkpoint(tmp_path / "first/epoch_4.pth")["state_dict"]
    assert_close(copied(second.model), want, rtol=0, atol=0)
