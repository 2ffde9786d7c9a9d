from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook

from tresnet_tasks.training.hooks import SaveCheckpointHook, save_checkpoint
from tresnet_tasks.upstream.checkpoints import read_checkpoint

NAN = float("nan")


def saved(work_dir: Path) -> set[str]:
    return {
        path.name for path in work_dir.iterdir() if path.suffix == ".pth" or path.suffix == ".tmp"
    }


def run(
    make_runner: Any, work_dir: str = "run", scores: Any = None, **changes: Any
) -> SaveCheckpointHook:
    hook = SaveCheckpointHook(**changes.pop("hook", {"save_best": "auto" if scores else None}))
    make_runner(work_dir, scores=scores, hooks={"checkpoint": hook}, **changes).train()
    return hook


def best(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_checkpoint(tmp_path / "run/best.pth")["meta"]["best"]
    return found


def test_only_the_latest_few_stay(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, hook={"max_keep": 2, "save_best": None})
    assert saved(tmp_path / "run") == {"epoch_3.pth", "epoch_4.pth"}
    assert (tmp_path / "run/last_checkpoint").read_text() == "epoch_4.pth"


def test_the_last_epoch_is_saved_whatever_the_interval(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, hook={"interval": 3, "save_best": None})
    assert saved(tmp_path / "run") == {"epoch_3.pth", "epoch_4.pth"}


def test_by_steps(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, hook={"interval": 5, "by": "step", "save_best": None})
    assert saved(tmp_path / "run") == {"iter_5.pth", "iter_10.pth", "iter_12.pth"}
    assert read_checkpoint(tmp_path / "run/iter_5.pth")["meta"]["iter"] == 5


@pytest.mark.parametrize(
    ("scores", "hook", "epoch"),
    [
        ([{"top1": s} for s in (0.1, 0.4, 0.4, 0.2)], {}, 2),  # a tie does not replace
        ([{"loss": s} for s in (0.5, 0.6, 0.3, 0.4)], {}, 3),
        ([{"top1": s} for s in (NAN, 0.4, NAN, 0.2)], {}, 2),
        ([{"top1": s} for s in (0.5, 0.6, 0.3, 0.4)], {"rule": "less"}, 3),
        ([{"top1": 0.5, "val_loss": s} for s in (3, 2, 1, 2)], {"save_best": "val_loss"}, 3),
        ([{"top1": torch.tensor(s).numpy()[()]} for s in (0.1, 0.4)] * 2, {}, 2),  # float32
    ],
)
def test_the_best_epoch_is_kept(
    make_runner: Any, tmp_path: Path, scores: Any, hook: dict[str, Any], epoch: int
) -> None:
    run(make_runner, scores=scores, hook=hook)
    assert best(tmp_path)["epoch"] == epoch
    meta = read_checkpoint(tmp_path / "run/best.pth")["meta"]
    assert (meta["epoch"], meta["iter"]) == (epoch, 3 * epoch)


def test_a_score_that_is_no_number_is_told(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, scores=[{"top1": NAN}] * 4)
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "accuracy/top1 of this validation is nan" in log.read_text()
    assert "best.pth" not in saved(tmp_path / "run")


def test_best_says_which_metric_and_score(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, scores=[{"top1": 0.25, "top5": 0.75}] * 4, hook={"save_best": "top5"})
    assert best(tmp_path) == {
        "metric": "accuracy/top5",
        "score": 0.75,
        "rule": "greater",
        "epoch": 1,
        "iter": 3,
    }


def test_best_score_survives_a_resume(make_runner: Any, tmp_path: Path) -> None:
    two = {"by_epoch": True, "max_epochs": 2}
    run(make_runner, scores=[{"top1": 0.9}, {"top1": 0.1}], train_cfg=two)
    # epoch_2.pth is of the moment before its validation, which is therefore made again.
    hook = run(make_runner, scores=[{"top1": s} for s in (0.1, 0.5, 0.6)], resume=True)
    assert best(tmp_path)["epoch"] == 1
    assert hook.best == best(tmp_path)


def test_a_new_run_replaces_the_best_of_an_old_one(make_runner: Any, tmp_path: Path) -> None:
    run(make_runner, scores=[{"top1": 0.9}] * 4)
    run(make_runner, scores=[{"top1": 0.3}] * 4)
    assert best(tmp_path)["score"] == 0.3


def test_a_resumed_run_counts_the_checkpoints_it_finds(make_runner: Any, tmp_path: Path) -> None:
    hook = {"max_keep": 2, "save_best": None}
    run(make_runner, hook=hook, train_cfg={"by_epoch": True, "max_epochs": 2})
    run(make_runner, hook=hook, resume=True)
    assert saved(tmp_path / "run") == {"epoch_3.pth", "epoch_4.pth"}


def test_a_new_run_leaves_an_old_ones_files_alone(make_runner: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/epoch_90.pth").write_bytes(b"an older run's")
    run(make_runner, hook={"max_keep": 1, "save_best": None})
    assert saved(tmp_path / "run") == {"epoch_4.pth", "epoch_90.pth"}


def test_an_unknown_metric_is_answered_with_the_nearest(make_runner: Any) -> None:
    with pytest.raises(ValueError, match="Did you mean 'accuracy/top1'"):
        run(make_runner, scores=[{"top1": 0.5}], hook={"save_best": "accuracy/top_1"})


def test_a_write_that_fails_midway_leaves_the_old_file(
    make_runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(make_runner)
    before = (tmp_path / "run/epoch_4.pth").read_bytes()

    def full_disk(_: Any, file: Any) -> None:
        file.write(b"half a check")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        run(make_runner, hook={"interval": 9, "save_best": None})
    assert (tmp_path / "run/epoch_4.pth").read_bytes() == before
    assert (tmp_path / "run/last_checkpoint").read_text() == "epoch_4.pth"
    assert not [name for name in saved(tmp_path / "run") if name.endswith(".tmp")]


@pytest.mark.parametrize(
    "wrong",
    [{"interval": 0}, {"interval": 1.5}, {"max_keep": 0}, {"by": "hour"}, {"rule": "higher"}],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*expected"):
        SaveCheckpointHook(**wrong)


def test_by_minutes(make_runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 40))  # seconds: each time somebody looks
    monkeypatch.setattr(save_checkpoint, "monotonic", lambda: float(next(clock)))
    run(make_runner, hook={"interval": 1.5, "by": "minutes", "max_keep": -1, "save_best": None})
    assert saved(tmp_path / "run") == {f"iter_{i}.pth" for i in (3, 6, 9, 12)}


def test_by_steps_waits_for_the_optimizer(make_runner: Any, tmp_path: Path) -> None:
    """Three batches an epoch make a window of two and one of one."""
    hook = {"interval": 2, "by": "step", "save_best": None, "max_keep": -1}
    run(make_runner, accumulate=2, hook=hook)
    assert saved(tmp_path / "run") == {f"iter_{i}.pth" for i in (3, 6, 9, 12)}


def test_training_goes_on_while_a_file_is_written(
    make_runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file is written only when the second epoch has trained; it has the first's state."""
    trained, torch_save = Event(), torch.save

    class Watch(Hook):
        def before_train_epoch(self, runner: Any) -> None:
            if runner.epoch == 1:
                self.weights = runner.model.fc.weight.detach().clone()

        def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
            if runner.iter == 5:
                trained.set()

    def slowly(state: Any, path: Path) -> None:
        assert trained.wait(30)
        torch_save(state, path)

    monkeypatch.setattr(torch, "save", slowly)
    watch = Watch()
    run(make_runner, hook={"save_best": None, "max_keep": -1}, custom_hooks=[watch])
    checkpoint = read_checkpoint(tmp_path / "run/epoch_1.pth")
    assert torch.equal(checkpoint["state_dict"]["fc.weight"], watch.weights)
    assert checkpoint["message_hub"]["log_scalars"]["train/loss"].data[0].size == 3


def test_what_a_killed_run_left_half_is_cleared_away(make_runner: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.epoch_1.pth.123.tmp").write_bytes(b"half")
    run(make_runner)
    assert not list((tmp_path / "run").glob(".*.tmp"))


def test_a_validation_that_was_not_made_is_made_up_for(make_runner: Any, tmp_path: Path) -> None:
    class Kill(Hook):
        def before_val_epoch(self, runner: Any) -> None:
            if runner.epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(make_runner, scores=[{"top1": 0.1}], custom_hooks=[Kill()])
    run(make_runner, scores=[{"top1": s} for s in (0.9, 0.2, 0.3)], resume=True)
    assert best(tmp_path)["epoch"] == 2
    assert read_checkpoint(tmp_path / "run/epoch_4.pth")["meta"]["best"]["score"] == 0.9


def test_a_validation_that_was_made_is_not_repeated(make_runner: Any, tmp_path: Path) -> None:
    two = {"by_epoch": True, "max_epochs": 2}
    run(make_runner, scores=[{"top1": 0.1}, {"top1": 0.9}], train_cfg=two)
    best_of_two = str(tmp_path / "run/best.pth")
    run(make_runner, scores=[{"top1": 0.2}] * 2, resume=True, load_from=best_of_two)
    assert best(tmp_path)["epoch"] == 2


def test_a_run_that_starts_anew_keeps_the_best_of_the_run_before(
    make_runner: Any, tmp_path: Path
) -> None:
    two = {"by_epoch": True, "max_epochs": 2}
    run(make_runner, scores=[{"top1": 0.9}, {"top1": 0.8}], train_cfg=two)
    first = (tmp_path / "run" / "best.pth").read_bytes()
    run(make_runner, scores=[{"top1": 0.2}, {"top1": 0.1}], train_cfg=two)
    assert [p.read_bytes() for p in (tmp_path / "run").glob("best_*.pth")] == [first]
    assert best(tmp_path)["score"] == 0.2
