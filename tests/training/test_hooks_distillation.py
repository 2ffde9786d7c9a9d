from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from torch import Tensor

from tresnet_tasks import Predictor
from tresnet_tasks.losses import Divergence
from tresnet_tasks.training.hooks import DistillationHook
from tresnet_tasks.training.launch import (
    LaunchOptions,
    build_runner,
    load_config,
    prepare_config,
    run_training,
)
from tresnet_tasks.upstream.checkpoints import read_checkpoint, write_checkpoint

Write = Callable[..., Path]
MIXED = """
_unlabelled = dict(
    type="UnlabelledFolder", data_root=_root, data_prefix="val", pipeline=_pipeline
)
train_dataloader["dataset"] = dict(
    type="ConcatImages", datasets=dict(known=train_dataloader["dataset"], rest=_unlabelled)
)
"""


def hook(weights: Path, **settings: Any) -> str:
    arguments = {"weights": str(weights), **settings}
    return f"custom_hooks = [dict(type='DistillationHook', **{arguments!r})]\n"


def build(config: Path, work_dir: Path, **changes: Any) -> Any:
    options = LaunchOptions(work_dir=str(work_dir), seed=1, **changes)
    return build_runner(prepare_config(load_config(str(config)), options), options)


@pytest.fixture
def teacher(tiny_run: Any, tmp_path: Path) -> Path:
    """A trained checkpoint that is sure of its answers."""
    checkpoint = read_checkpoint(tiny_run.best)
    checkpoint["state_dict"]["head.fc.weight"] *= 20
    write_checkpoint(checkpoint, tmp_path / "teacher.pth")
    return tmp_path / "teacher.pth"


@torch.no_grad()
def disagreement(student: torch.nn.Module, teacher: torch.nn.Module) -> Tensor:
    """How far their answers for images like those of the data, but others, are apart."""
    images = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 100 / 255
    images[torch.arange(12), torch.arange(12) % 3] += 120 / 255
    training = student.training
    logits = student.eval()(images)
    student.train(training)
    return Divergence()(logits, teacher(images))


def test_a_student_comes_to_answer_as_its_teacher(
    tiny_config: Write, teacher: Path, tmp_path: Path
) -> None:
    """A third of the images have no label; the others' labels are not used."""
    master = Predictor(teacher, device="cpu").model
    more = "train_cfg['max_epochs'] = 8\nval_cfg = val_dataloader = val_evaluator = None\n"
    runner = build(tiny_config(MIXED + hook(teacher) + more), tmp_path / "run")
    before = disagreement(runner.model, master)
    run_training(runner)
    assert disagreement(runner.model, master) < before / 4
    logged = runner.message_hub.log_scalars
    assert "train/teacher_loss" in logged and "train/label_loss" not in logged


class Watch(Hook):
    """Copies of what the teacher is, and the batches that teacher and student get."""

    priority = "VERY_LOW"

    def __init__(self) -> None:
        self.same: list[bool] = []

    def before_train(self, runner: Any) -> None:
        self.teacher = teacher = runner.model.distillation.teacher
        self.first = {name: value.clone() for name, value in teacher.network.state_dict().items()}
        seen: list[Tensor] = []
        teacher.network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        runner.model.backbone.register_forward_pre_hook(
            lambda module, args: seen.append(args[0].clone()) if module.training else None
        )
        self.seen = seen

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        student, teacher = self.seen
        self.same.append(torch.equal(student, teacher))
        self.seen.clear()


def test_the_teacher_stays_outside_the_model_and_as_it_was(
    tiny_config: Write, tiny_run: Any, tmp_path: Path
) -> None:
    """With averaging, mixing and labels beside the teacher's answers."""
    file_before = hashlib.sha256(tiny_run.best.read_bytes()).digest()
    settings = hook(tiny_run.best, label_weight=0.5).replace(
        "]", ", dict(type='ModelEMAHook', decay=0.9)]"
    )
    mixes = "model['data_preprocessor'] = dict(mixes=[dict(type='MixUp', alpha=0.4)])\n"
    runner = build(tiny_config(MIXED + mixes + settings), tmp_path / "run")
    watch = Watch()
    runner.register_hook(watch)
    run_training(runner)

    assert len(watch.same) == 8 and all(watch.same)  # 18 images in batches of 4, twice
    after = watch.teacher.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in watch.first.items())
    assert hashlib.sha256(tiny_run.best.read_bytes()).digest() == file_before
    assert runner.model.distillation is None
    stored, plain = (read_checkpoint(path) for path in (tmp_path / "run/best.pth", tiny_run.best))
    assert stored["state_dict"].keys() == plain["state_dict"].keys()
    ema = {key.removeprefix("module.") for key in stored["ema_state_dict"]} - {"steps"}
    assert ema == plain["state_dict"].keys()
    number = len(plain["optimizer"]["state"])
    assert len(stored["optimizer"]["state"]) == number
    assert stored["meta"]["cfg"]["model"]["type"] == "Classifier"
    assert list(stored["meta"]["dataset_meta"]["classes"]) == ["blue", "green", "red"]
    prediction = Predictor(tmp_path / "run/best.pth", device="cpu")(tiny_run.data / "val/red")[0]
    assert prediction.class_name in ("blue", "green", "red")


def test_a_distilled_checkpoint_is_tested_and_converted_without_its_teacher(
    tiny_config: Write, tiny_run: Any, tmp_path: Path, command: Any
) -> None:
    teacher = tmp_path / "teacher.pth"
    teacher.write_bytes(tiny_run.best.read_bytes())
    config = tiny_config(hook(teacher) + "train_cfg['max_epochs'] = 1\n")
    options = ("--channels-last", "--amp", "bf16")
    command("train", config, "--work-dir", tmp_path / "run", *options)
    teacher.unlink()
    best = tmp_path / "run" / "best.pth"
    assert "top1" in command("test", config, best, "--work-dir", tmp_path / "test")
    command("convert", best, tmp_path / "out.safetensors")


class Stop(Hook):
    priority = "LOWEST"

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == 3:  # of 6, between two steps of the optimizer
            raise KeyboardInterrupt


def test_a_stopped_and_resumed_run_equals_the_straight_one(
    tiny_config: Write, tiny_run: Any, tmp_path: Path
) -> None:
    """With Mixup over labelled and unlabelled images, drop path, averaging and accumulation."""
    path = Path(__file__).with_name("killed_runs.py")
    spec = importlib.util.spec_from_file_location("killed_runs", path)
    assert spec is not None and spec.loader is not None
    runs: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runs)
    steps = """
train_dataloader.update(
    num_workers=0,
    batch_size=4,
    sampler=dict(type="TaskSampler", images=dict(known=2, rest=2), epoch_of="known"),
)
train_cfg["max_epochs"] = 1
param_scheduler["total_steps"] = 1
"""
    learns = hook(tiny_run.best, label_weight=0.5).replace("[", "[*custom_hooks, ")
    config = tiny_config(runs.EVERYTHING + MIXED + steps + learns)
    run_training(build(config, tmp_path / "straight"))
    stopped = build(config, tmp_path / "stopped")
    stopped.register_hook(Stop())
    with pytest.raises(KeyboardInterrupt):
        run_training(stopped)
    assert (tmp_path / "stopped" / "last_checkpoint").read_text() == "iter_2.pth"
    run_training(build(config, tmp_path / "stopped", resume=True))
    logged = ("train/loss", "train/teacher_loss", "train/label_loss")
    runs.assert_same_end(tmp_path / "straight", tmp_path / "stopped", logged)


# ------------------------------------------------------------------------------------ bad input


def test_a_teacher_of_other_classes_ends_the_run_before_its_first_step(
    tiny_config: Write, tiny_run: Any, tiny_data: Path, tmp_path: Path, command: Any
) -> None:
    for split in ("train", "val"):
        (tiny_data / split / "red").rename(tiny_data / split / "redd")
    config = tiny_config(hook(tiny_run.best))
    told = command("train", config, "--work-dir", tmp_path / "run", status=1)
    assert "has other classes than the data" in told
    assert "only the teacher's (1 of 3): red\n" in told
    assert "only the data's (1 of 3): redd\n" in told
    assert "Did you mean 'red'?" in told
    assert not list((tmp_path / "run").glob("*.pth"))


def test_a_teacher_that_is_not_there_is_told(
    tiny_config: Write, tmp_path: Path, command: Any
) -> None:
    config = tiny_config(hook(tmp_path / "no.pth"))
    told = command("train", config, "--work-dir", tmp_path / "run", status=1)
    assert "no.pth" in told and "does not exist" in told


def test_a_student_that_is_no_classifier_is_refused(
    tiny_run: Any, tmp_path: Path, make_runner: Any
) -> None:
    runner = make_runner(custom_hooks=[{"type": "DistillationHook", "weights": str(tiny_run.best)}])
    with pytest.raises(ValueError, match="got a Net; expected a Classifier"):
        runner.train()


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({}, "got no teacher"),
        ({"weights": "t.pth", "label_weight": -1}, "label_weight=-1"),
        ({"weights": "t.pth", "temperature": 0}, "temperature=0"),
        ({"weights": "t.pth", "divergence": "l2"}, "'js' or 'kl'"),
        ({"weights": "t.pth", "size": (1, 2, 3)}, r"size=\(1, 2, 3\)"),
        ({"timm": "resnet18", "config": "c.py"}, "names the model by itself"),
    ],
)
def test_bad_settings_are_refused_at_once(bad: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        DistillationHook(**bad)


def test_a_student_of_several_labels_learns_from_a_teacher_of_several(
    tiny_config: Write, tiny_data: Path, tmp_path: Path, command: Any
) -> None:
    rows = ["path,blue,green,red"]
    for label, name in enumerate(("blue", "green", "red")):
        marks = ",".join(str(int(label == other)) for other in range(3))
        rows += [f"train/{name}/{number}.png,{marks}" for number in range(4)]
    (tiny_data / "tags.csv").write_text("\n".join(rows))
    several = """
for _loader in (train_dataloader, val_dataloader):
    _loader["dataset"] = dict(
        type="CSVTags", data_root=_root, ann_file="tags.csv", pipeline=_pipeline
    )
model["head"] = dict(_delete_=True, type="LinearHead", loss=dict(type="AsymmetricLoss"))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type="MultiLabelMetric")
train_cfg["max_epochs"] = 1
"""
    command("train", tiny_config(several), "--work-dir", tmp_path / "teacher")
    learns = hook(tmp_path / "teacher" / "best.pth", label_weight=1.0)
    printed = command("train", tiny_config(several + learns), "--work-dir", tmp_path / "student")
    assert "teacher_loss" in printed and "label_loss" in printed
