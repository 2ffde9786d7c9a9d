from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from tresnet_tasks.upstream.checkpoints import read_checkpoint
from tresnet_tasks.upstream.resume_point import newest_checkpoint
from tresnet_tasks.upstream.runner import TaskRunner


class Points(Dataset):
    def __init__(self, classes: tuple[str, ...]) -> None:
        self.metainfo = {"classes": classes}
        self.x = torch.randn(12, 4, generator=torch.Generator().manual_seed(7))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.x[index], "data_samples": (self.x[index].sum() > 0).long()}


class Net(BaseModel):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU())
        self.fc = nn.Linear(width, 2)

    def forward(self, inputs: Tensor, data_samples: Tensor, mode: str = "tensor") -> Any:
        logits = self.fc(self.body(inputs))
        if mode == "loss":
            return {"loss": nn.functional.cross_entropy(logits, data_samples)}
        return logits


class StopAtEpoch(Hook):
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def before_train_epoch(self, runner: Any) -> None:
        if runner.epoch == self.epoch:
            raise KeyboardInterrupt


SCHEDULES = {
    "one_cycle": {"type": "OneCycleLR", "eta_max": 0.1, "total_steps": 12, "by_epoch": False},
    "warm_up_and_cosine": [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 3},
        {"type": "CosineAnnealingLR", "by_epoch": False, "begin": 3, "T_max": 9},
    ],
    "steps": {"type": "MultiStepLR", "milestones": [1, 3], "gamma": 0.1},
}


def make(work_dir: Path, epochs: int = 4, **changes: Any) -> TaskRunner:
    """A small training run with mmengine's own hooks."""
    torch.manual_seed(0)
    optimizer = changes.pop("optimizer", {"type": "AdamW", "lr": 0.01})
    cfg = {
        "train_cfg": {"by_epoch": True, "max_epochs": epochs},
        "optim_wrapper": {"optimizer": optimizer},
        "param_scheduler": changes.pop("schedule", SCHEDULES["one_cycle"]),
        "randomness": changes.pop("randomness", {"seed": 5}),
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1}},
    }
    return TaskRunner(
        model=Net(changes.pop("width", 8)),
        work_dir=work_dir,
        train_dataloader={
            "batch_size": 4,
            "dataset": Points(changes.pop("classes", ("minus", "plus"))),
            "sampler": {"type": "DefaultSampler", "shuffle": True, "seed": 3},
            "collate_fn": {"type": "default_collate"},
        },
        cfg=changes.pop("cfg", Config(cfg)),
        **cfg,
        **changes,
    )


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped after two of four epochs: epoch_2.pth."""
    work_dir = tmp_path_factory.mktemp("two_epochs")
    make(work_dir, epochs=2).train()
    return work_dir / "epoch_2.pth"


def copy(path: Path, work_dir: Path, name: str = "") -> Path:
    work_dir.mkdir(exist_ok=True)
    target = work_dir / (name or path.name)
    target.write_bytes(path.read_bytes())
    return target


def changed(path: Path, target: Path, **meta: Any) -> Path:
    """A checkpoint with other entries in its meta."""
    target.parent.mkdir(exist_ok=True)
    checkpoint = read_checkpoint(path)
    torch.save({**checkpoint, "meta": {**checkpoint["meta"], **meta}}, target)
    return target


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_a_resumed_run_ends_as_the_undisturbed_one(
    tmp_path: Path, optimizer: str, schedule: Any
) -> None:
    settings = {"optimizer": {"type": optimizer, "lr": 0.01}, "schedule": schedule}
    make(tmp_path / "straight", **settings).train()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "resumed", **settings, custom_hooks=[StopAtEpoch(2)]).train()
    make(tmp_path / "resumed", **settings, resume=True).train()
    a, b = (read_checkpoint(tmp_path / name / "epoch_4.pth") for name in ("straight", "resumed"))
    for name, value in a["state_dict"].items():
        assert torch.equal(value, b["state_dict"][name]), name
    assert a["param_schedulers"] == b["param_schedulers"]
    assert a["optimizer"]["param_groups"] == b["optimizer"]["param_groups"]
    losses = [c["message_hub"]["log_scalars"]["train/loss"].data[0] for c in (a, b)]
    assert losses[0].tolist() == losses[1].tolist()


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("where", ["meta", "optimizer", "message_hub"])
@pytest.mark.parametrize("resume", [True, False])
def test_a_checkpoint_that_carries_code_is_refused_and_does_not_run_it(
    two_epochs: Path, tmp_path: Path, where: str, resume: bool
) -> None:
    canary = tmp_path / "ran"
    payload = Payload(f"touch {canary}")
    checkpoint = read_checkpoint(two_epochs)
    checkpoint[where] = {**checkpoint[where], "extra": payload}
    bad = tmp_path / "bad.pth"
    torch.save(checkpoint, bad)
    runner = make(tmp_path / "run", resume=resume, load_from=str(bad))
    with pytest.raises(ValueError, match="refused"):
        runner.train()
    assert not canary.exists()
    pickle.loads(pickle.dumps(payload))  # it is a working one
    assert canary.exists()


@pytest.mark.parametrize("key", ["cfg", "config", "cfg_text"])
def test_a_config_text_in_a_checkpoint_is_not_executed(
    two_epochs: Path, tmp_path: Path, key: str
) -> None:
    canary = tmp_path / "ran"
    text = f"gpu_ids = [__import__('os').system('touch {canary}')]\n"
    bad = changed(two_epochs, tmp_path / "bad.pth", **{key: text})
    make(tmp_path / "run", resume=True, load_from=str(bad)).train()
    assert (tmp_path / "run/epoch_4.pth").exists()
    assert not canary.exists()
    Config.fromstring(text, ".py")  # what mmengine does with meta['config']: a working one
    assert canary.exists()


def test_a_checkpoint_tells_what_it_is_of_as_plain_data(two_epochs: Path) -> None:
    meta = read_checkpoint(two_epochs)["meta"]
    assert meta["dataset_meta"] == {"classes": ("minus", "plus")}
    assert meta["cfg"]["optim_wrapper"] == {"optimizer": {"type": "AdamW", "lr": 0.01}}
    assert "AdamW" in meta["cfg_text"]
    assert (meta["epoch"], meta["iter"], meta["seed"]) == (2, 6, 5)
    assert {"tresnet_tasks", "torch", "mmengine", "python"} <= meta["versions"].keys()
    assert meta["git_commit"] is None or len(meta["git_commit"].removesuffix("-dirty")) == 40
    torch.load(two_epochs.parent / "epoch_1.pth", weights_only=False)  # others can read it too


def test_the_work_dir_tells_it_too(two_epochs: Path) -> None:
    record = json.loads((two_epochs.parent / "run.json").read_text())
    assert record["config"]["train_cfg"] == {"by_epoch": True, "max_epochs": 2}
    assert record["seed"] == 5
    assert "torch" in record["versions"]


def test_a_drawn_seed_is_stored_and_taken_up_again(tmp_path: Path) -> None:
    first = make(tmp_path / "run", epochs=1, randomness={"seed": None})
    first.train()
    second = make(tmp_path / "run", randomness={"seed": None}, resume=True)
    second.train()
    assert second.seed == first.seed
    assert json.loads((tmp_path / "run/run.json").read_text())["seed"] == first.seed


def test_resume_takes_the_newest(two_epochs: Path, tmp_path: Path) -> None:
    runner = make(tmp_path / "run", resume=True)
    for name in ("epoch_1.pth", "epoch_2.pth"):
        copy(two_epochs.parent / name, tmp_path / "run")
    runner.train_loop._max_epochs = 2
    runner.train()
    assert runner.iter == 6


def test_a_moved_work_dir_resumes(two_epochs: Path, tmp_path: Path) -> None:
    copy(two_epochs, tmp_path / "run")
    (tmp_path / "run/last_checkpoint").write_text("/was/elsewhere/epoch_2.pth")
    found = newest_checkpoint(tmp_path / "run", pytest.fail)
    assert found is not None
    assert found[0] == tmp_path / "run/epoch_2.pth"


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_newest_checkpoint_is_named_and_passed_over(
    two_epochs: Path, tmp_path: Path, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(two_epochs.parent / "epoch_1.pth", tmp_path / "run")
    bad = copy(two_epochs, tmp_path / "run")
    bad.write_bytes(bad.read_bytes()[:-1000] if damage is None else damage)
    (tmp_path / "run/last_checkpoint").write_text("epoch_2.pth")
    make(tmp_path / "run", epochs=2, resume=True).train()
    shown = capsys.readouterr().out
    assert f"{bad} is passed over" in shown
    assert read_checkpoint(bad)["meta"]["epoch"] == 2  # made again


def test_nothing_but_damaged_checkpoints_is_an_error(tmp_path: Path) -> None:
    runner = make(tmp_path / "run", resume=True)
    (tmp_path / "run/epoch_3.pth").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"none of the checkpoints.*epoch_3.pth.*--resume"):
        runner.train()


def test_nothing_to_resume_starts_from_the_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = make(tmp_path / "run", epochs=1, resume=True)
    runner.train()
    assert runner.iter == 3
    assert "no checkpoint in" in capsys.readouterr().out


def test_weights_alone_cannot_be_resumed_from(two_epochs: Path, tmp_path: Path) -> None:
    torch.save(read_checkpoint(two_epochs)["state_dict"], tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"weights at most.*load_from"):
        make(tmp_path / "run", resume=True, load_from=str(tmp_path / "weights.pth")).train()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"not_there.pth"):
        make(tmp_path / "run", resume=True, load_from="not_there.pth").train()


def test_a_checkpoint_of_another_net_is_refused(two_epochs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"does not fit the model[\s\S]*fc.weight"):
        make(tmp_path / "run", width=9, resume=True, load_from=str(two_epochs)).train()


def test_loading_weights_of_another_net_warns(
    two_epochs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = make(tmp_path / "run", width=9)
    runner.load_checkpoint(str(two_epochs))
    assert "fc.weight" in capsys.readouterr().out
    want = read_checkpoint(two_epochs)["state_dict"]["fc.bias"]
    assert torch.equal(runner.model.fc.bias, want)


def test_another_optimizer_is_refused(two_epochs: Path, tmp_path: Path) -> None:
    runner = make(tmp_path / "run", resume=True, load_from=str(two_epochs))
    checkpoint = read_checkpoint(two_epochs)
    checkpoint["optimizer"]["param_groups"] *= 2
    torch.save(checkpoint, tmp_path / "other.pth")
    runner._load_from = str(tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not fit this config's optimizer"):
        runner.train()


def test_other_schedules_are_refused(two_epochs: Path, tmp_path: Path) -> None:
    schedule = SCHEDULES["warm_up_and_cosine"]
    runner = make(tmp_path / "run", schedule=schedule, resume=True, load_from=str(two_epochs))
    with pytest.raises(ValueError, match=r"1 parameter schedules.*has 2"):
        runner.train()


def test_other_settings_and_classes_are_listed(
    two_epochs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(
        tmp_path / "run",
        optimizer={"type": "AdamW", "lr": 0.5},
        classes=("minus", "more"),
        resume=True,
        load_from=str(two_epochs),
    ).train()
    shown = capsys.readouterr().out
    assert "optim_wrapper.optimizer.lr: 0.01 -> 0.5" in shown
    assert "dataset_meta.classes[1]: 'plus' -> 'more'" in shown


def test_a_work_dir_that_is_a_file_is_an_error_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match=r"cannot write into the work dir.*--work-dir"):
        make(tmp_path / "taken")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_work_dir_is_a_permission_error(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match=r"cannot write into the work dir.*--work-dir"):
        make(tmp_path / "locked")


def test_a_refused_folder_is_a_permission_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"work dir.*Permission denied.*--work-dir"):
        make(tmp_path / "run")


def test_a_config_beside_its_own_run_is_not_replaced(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text("# my own words\nx = 1\n")
    make(tmp_path, cfg=Config.fromfile(source))
    assert source.read_text().startswith("# my own words")
    make(tmp_path / "run", cfg=Config.fromfile(source))
    assert "x = 1" in (tmp_path / "run/mine.py").read_text()


def test_runners_of_the_same_second_do_not_share_their_state(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b")
    a.message_hub.update_scalar("train/loss", 1.0)
    assert "train/loss" not in b.message_hub.log_scalars
    assert a.logger is not b.logger


def test_other_storage_than_files_is_refused(tmp_path: Path) -> None:
    runner = make(tmp_path / "run")
    with pytest.raises(ValueError, match="local files"):
        runner.save_checkpoint(str(tmp_path), "x.pth", backend_args={"backend": "petrel"})


def test_mmengines_own_checkpoint_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmengine.runner import Runner

    with monkeypatch.context() as patch:
        patch.setattr(TaskRunner, "save_checkpoint", Runner.save_checkpoint)
        make(tmp_path / "run", epochs=2, schedule=SCHEDULES["steps"]).train()
    runner = make(tmp_path / "run", schedule=SCHEDULES["steps"], resume=True)
    runner.train()
    assert runner.iter == 12
    assert read_checkpoint(tmp_path / "run/epoch_4.pth")["meta"]["epoch"] == 4


def test_console_lines_go_to_the_present_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make(tmp_path / "run")
    later = io.StringIO()
    monkeypatch.setattr("sys.stdout", later)
    runner.logger.info("a line")
    runner.logger.info("for the file", extra={"file_only": True})
    runner.logger.warning("mind this")
    assert later.getvalue() == "a line\nwarning: mind this\n"
