from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim.optimizer import amp_optimizer_wrapper

from tresnet_tasks.structures import ClsDataSample, MultiTaskDataSample
from tresnet_tasks.training.hooks import ModelEMAHook, NonFiniteLossHook
from tresnet_tasks.training.hooks.non_finite_loss import NonFiniteLossError, image_names
from tresnet_tasks.upstream.checkpoints import read_checkpoint

EVERY_STEP = {"type": "SaveCheckpointHook", "interval": 1, "by": "step", "max_keep": -1}


class Spoil(Hook):
    """Puts NaN into the images of some iterations and notes the weights after each."""

    priority = "LOWEST"

    def __init__(self, iterations: tuple[int, ...]) -> None:
        self.iterations = iterations
        self.weights: list[torch.Tensor] = []
        self.rates: list[float] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])
        if runner.iter in self.iterations:
            data_batch["inputs"].fill_(float("nan"))

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.weights.append(runner.model.fc.weight.detach().clone())


def run(make_runner: Any, *iterations: int, hook: Any = None, **changes: Any) -> Spoil:
    spoil = Spoil(iterations)
    hooks = {
        "checkpoint": changes.pop("checkpoint", EVERY_STEP),
        "non_finite_loss": hook or NonFiniteLossHook(),
    }
    make_runner(
        hooks=hooks, custom_hooks=[spoil, *changes.pop("custom_hooks", [])], **changes
    ).train()
    return spoil


def test_it_stops_with_iteration_loss_and_the_last_good_checkpoint(
    make_runner: Any, tmp_path: Path
) -> None:
    with pytest.raises(NonFiniteLossError, match=r"in iteration 6: loss nan\.") as told:
        run(make_runner, 5)
    good = tmp_path / "run/iter_5.pth"
    assert f"last good checkpoint is {good}." in str(told.value)
    assert f"--resume {good}" in str(told.value)
    assert not (tmp_path / "run/iter_6.pth").exists()


def test_a_checkpoint_of_weights_gone_wrong_is_not_the_good_one(
    make_runner: Any, tmp_path: Path
) -> None:
    class Break(Hook):  # the loss of this step is still finite
        priority = "NORMAL"

        def after_train_iter(self, runner: Any, **_: Any) -> None:
            if runner.iter == 4:
                runner.model.fc.bias.data.fill_(float("inf"))

    with pytest.raises(NonFiniteLossError, match=r"last good checkpoint is \S+iter_4.pth"):
        run(make_runner, custom_hooks=[Break()])


def test_without_a_good_checkpoint_it_says_so(make_runner: Any) -> None:
    with pytest.raises(NonFiniteLossError, match="no good checkpoint yet"):
        run(make_runner, 0, hook=NonFiniteLossHook("rollback"))


def test_an_earlier_runs_checkpoint_is_not_gone_back_to(make_runner: Any) -> None:
    run(make_runner)
    with pytest.raises(NonFiniteLossError, match="no good checkpoint yet"):
        run(make_runner, 0, hook=NonFiniteLossHook("rollback"))


def test_rollback_takes_the_weights_back_and_goes_on_with_the_next_batch(make_runner: Any) -> None:
    spoil = run(make_runner, 5, hook=NonFiniteLossHook("rollback"))
    assert len(spoil.weights) == 12  # to the end
    assert torch.equal(spoil.weights[5], spoil.weights[4])
    assert all(weight.isfinite().all() for weight in spoil.weights)
    assert not torch.equal(spoil.weights[6], spoil.weights[5])


def test_rollback_leaves_the_schedule_alone(make_runner: Any) -> None:
    rolled = run(make_runner, 5, hook=NonFiniteLossHook("rollback"))
    straight = run(make_runner, work_dir="straight")
    assert rolled.rates == pytest.approx(straight.rates)


def test_rollback_takes_momentum_and_average_back(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, 5, hook=NonFiniteLossHook("rollback"), custom_hooks=[ModelEMAHook()])
    before, after = (read_checkpoint(tmp_path / f"run/iter_{n}.pth") for n in (5, 6))
    for key in ("state_dict", "ema_state_dict"):
        for name, value in before[key].items():
            assert torch.equal(value, after[key][name]), name
    for number, state in before["optimizer"]["state"].items():
        momentum = after["optimizer"]["state"][number]["momentum_buffer"]
        assert torch.equal(state["momentum_buffer"], momentum)


def test_rollbacks_are_counted_over_resumptions(make_runner: Any) -> None:
    hook = NonFiniteLossHook("rollback", max_rollbacks=2)
    two = {"by_epoch": True, "max_epochs": 2}
    run(make_runner, 2, 4, hook=hook, train_cfg=two)
    with pytest.raises(NonFiniteLossError, match="rolled back 2 times already"):
        run(make_runner, 7, hook=hook, resume=True)


def test_a_gradient_that_overflows_does_not_stop(
    make_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overflow(Hook):
        def before_train_iter(self, runner: Any, **_: Any) -> None:
            if runner.iter == 5:
                weight = runner.model.fc.weight
                self.handle = weight.register_hook(lambda grad: grad * float("inf"))

        def after_train_iter(self, runner: Any, **_: Any) -> None:
            if runner.iter == 5:
                self.handle.remove()

    # mmengine's wrapper for CUDA, with torch's scaler for the CPU.
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", partial(torch.amp.GradScaler, "cpu"))
    optim_wrapper = {
        "type": "AmpOptimWrapper",
        "dtype": "bfloat16",
        "optimizer": {"type": "SGD", "lr": 0.1},
        "clip_grad": {"max_norm": 1.0},  # its norm is infinite then
    }
    spoil = run(make_runner, custom_hooks=[Overflow()], optim_wrapper=optim_wrapper)
    assert torch.equal(spoil.weights[5], spoil.weights[4])  # the scaler left the step out
    assert len(spoil.weights) == 12 and spoil.weights[-1].isfinite().all()


def test_images_are_named_by_their_samples() -> None:
    samples = [SimpleNamespace(img_path="a.jpg"), SimpleNamespace()]
    assert image_names({"inputs": None, "data_samples": samples}) == ["a.jpg"]
    assert image_names({"inputs": None, "data_samples": torch.zeros(2)}) == []
    assert image_names([1, 2]) == []


def test_of_a_head_the_images_are_named_that_it_has_labels_for() -> None:
    samples = [
        MultiTaskDataSample(metainfo={"img_path": f"{head}.jpg"}).set_task(
            head, ClsDataSample().set_gt_label(0)
        )
        for head in ("cls", "tags")
    ]
    batch = {"data_samples": samples}
    assert image_names(batch, ["loss", "tags"]) == ["tags.jpg"]
    assert image_names(batch, ["loss"]) == ["cls.jpg", "tags.jpg"]


def test_the_images_of_the_batch_are_named(
    tiny_config: Any, command: Any, tmp_path: Path, tiny_data: Path
) -> None:
    config = tiny_config("optim_wrapper['optimizer']['lr'] = 1e30")
    printed = command("train", config, "--work-dir", tmp_path / "w", status=1)
    assert "error: the loss is not finite in iteration 2: loss" in printed
    assert printed.count(f"{tiny_data}/train/") >= 4
    assert "no good checkpoint yet" in printed


def test_all_ranks_roll_back_if_one_loss_is_not_finite(
    make_runner: Any, on_two_ranks: Any, tmp_path: Path
) -> None:
    def work(rank: int) -> None:
        bad = (5,) if rank == 1 else ()
        spoil = run(make_runner, *bad, hook=NonFiniteLossHook("rollback"))
        torch.save(spoil.weights[4:6], tmp_path / f"{rank}.pt")

    assert on_two_ranks(work) == [0, 0]
    for rank in range(2):
        before, after = torch.load(tmp_path / f"{rank}.pt")
        if rank == 0:  # whose weights the checkpoint has
            assert torch.equal(before, after)
        assert after.isfinite().all()


@pytest.mark.parametrize("wrong", [{"action": "ignore"}, {"max_rollbacks": 0}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*expected"):
        NonFiniteLossHook(**wrong)
