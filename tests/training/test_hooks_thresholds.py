"""Thresholds from validation to the checkpoint, the test and the prediction."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from tresnet_tasks import Predictor
from tresnet_tasks.commands.main import main
from tresnet_tasks.metrics import MultiLabelMetric, best_thresholds
from tresnet_tasks.structures import ClsDataSample
from tresnet_tasks.training.hooks import ThresholdHook
from tresnet_tasks.upstream.checkpoints import read_checkpoint

CLASSES = ("blue", "green", "red")


def evaluated(seed: int = 0) -> tuple[MultiLabelMetric, torch.Tensor, torch.Tensor]:
    """A metric that has seen 40 images, with their scores and labels."""
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(40, 3, generator=generator) < 0.4).float()
    scores = (torch.rand(40, 3, generator=generator) * 0.5 + 0.3 * targets).clamp(0, 1)
    metric = MultiLabelMetric(per_class=False)
    metric.dataset_meta = {"classes": CLASSES}
    for score, target in zip(scores, targets, strict=True):
        metric.process(None, [ClsDataSample().set_gt_score(target).set_pred_score(score)])
    metric.evaluate(40)
    return metric, scores, targets


def after_validation(hook: ThresholdHook, metric: Any, iteration: int = 5) -> Any:
    """A stand-in of a runner that has just validated."""
    runner = SimpleNamespace(
        val_loop=SimpleNamespace(evaluator=SimpleNamespace(metrics=[metric])),
        logger=SimpleNamespace(info=lambda text: said.append(text)),
        iter=iteration,
        epoch=1,
        max_epochs=2,
        max_iters=10,
        said=(said := []),
    )
    hook.after_val_epoch(runner, {})
    return runner


def saved(hook: ThresholdHook, runner: Any) -> dict[str, Any]:
    checkpoint: dict[str, Any] = {"meta": {}}
    hook.before_save_checkpoint(runner, checkpoint)
    return checkpoint["meta"]


@pytest.mark.parametrize("precision", [None, 0.7])
def test_a_checkpoint_carries_the_best_thresholds(precision: float | None) -> None:
    metric, scores, targets = evaluated()
    hook = ThresholdHook(precision=precision)
    stored = saved(hook, after_validation(hook, metric))["thresholds"]
    assert stored["classes"] == list(CLASSES)
    assert stored["values"] == best_thresholds(scores, targets, precision).tolist()
    assert stored["temperature"] == 1


def test_weights_of_another_step_get_none() -> None:
    hook = ThresholdHook()
    runner = after_validation(hook, evaluated()[0])
    runner.iter += 1
    assert saved(hook, runner) == {}


def test_a_temperature_is_fitted_before_the_thresholds() -> None:
    metric, _, _ = evaluated()
    hook = ThresholdHook(temperature=True)
    runner = after_validation(hook, metric)
    stored = saved(hook, runner)["thresholds"]
    assert stored["temperature"] != 1
    assert "after temperature" in runner.said[0]
    # Scaling keeps the ranking, so the same labels are above.
    plain = ThresholdHook()
    before = saved(plain, after_validation(plain, metric))["thresholds"]
    odds = np.array(before["values"]) / (1 - np.array(before["values"]))
    scaled = 1 / (1 + odds ** (-1 / stored["temperature"]))
    assert np.allclose(scaled, stored["values"], atol=0.02)


def test_the_last_validation_prints_how_reliable_scores_are() -> None:
    hook = ThresholdHook()
    runner = after_validation(hook, evaluated()[0])
    assert "macro_F1" in runner.said[0]
    assert len(runner.said) == 1
    runner.max_epochs = 1
    hook.after_val_epoch(runner, {})
    assert "expected calibration error" in runner.said[-1]


def test_a_run_without_a_multi_label_metric_goes_on() -> None:
    hook = ThresholdHook()
    assert saved(hook, after_validation(hook, object())) == {}


@pytest.mark.parametrize("precision", [0, 1.5])
def test_a_precision_out_of_range_is_refused(precision: float) -> None:
    with pytest.raises(ValueError, match=r"expected a share in \(0, 1\]"):
        ThresholdHook(precision=precision)


# -------------------------------------------------------------------------------- the whole way

CONFIG = """
_base_ = ["{configs}/_base_/models/tresnet_multilabel.py", "{configs}/_base_/multilabel_runtime.py"]
_blocks = ("basic", "basic", "bottleneck", "bottleneck")
_data = dict(
    type="JsonTags", data_root="{root}", ann_file="tags.json",
    pipeline=[dict(type="LoadImage"), dict(type="PackClsInputs")],
)
_loader = dict(batch_size=4, num_workers=0, collate_fn=dict(type="collate"), dataset=_data)
model = dict(backbone=dict(arch=dict(layers=(1, 1, 1, 1), width_factor=0.125, blocks=_blocks)))
train_dataloader = dict(
    drop_last=True, sampler=dict(type="RepeatFactorSampler", threshold=0.6), **_loader
)
val_dataloader = dict(sampler=dict(type="EpochSampler", shuffle=False), **_loader)
test_dataloader = val_dataloader
val_evaluator = dict(type="MultiLabelMetric")
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))
randomness = dict(seed=0)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished training on 8 images: ``config``, ``folder`` and what was ``printed``."""
    folder = tmp_path_factory.mktemp("tags")
    generator = np.random.default_rng(0)
    entries = []
    for index in range(8):
        held = [i for i in range(3) if (index + 1) >> i & 1]
        pixels = generator.integers(0, 60, (32, 32, 3), np.uint8)
        for channel in held:
            pixels[..., 2 - channel] += 150
        Image.fromarray(pixels).save(folder / f"{index}.png")
        entries.append({"image": f"{index}.png", "labels": [CLASSES[i] for i in held]})
    (folder / "tags.json").write_text(json.dumps({"classes": CLASSES, "images": entries}))
    configs = Path(__file__).resolve().parents[2] / "configs"
    config = folder / "tags.py"
    config.write_text(CONFIG.format(configs=configs, root=folder))
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(["train", str(config), "--work-dir", str(folder / "run")]) == 0
    return SimpleNamespace(config=config, folder=folder / "run", printed=printed.getvalue())


def test_the_labels_are_counted_before_training(run: Any) -> None:
    assert "8 images, 3 classes, 1.50 labels an image" in run.printed
    assert run.printed.index("positives") < run.printed.index("epoch 1/1")


def test_best_pth_carries_thresholds_and_the_epoch_s_file_does_not(run: Any) -> None:
    stored = read_checkpoint(run.folder / "best.pth")["meta"]["thresholds"]
    assert stored["classes"] == list(CLASSES)
    assert "thresholds" not in read_checkpoint(run.folder / "epoch_1.pth")["meta"]


def test_the_test_scores_at_the_checkpoint_s_thresholds_too(
    run: Any, command: Any, tmp_path: Path
) -> None:
    out = tmp_path / "m.json"
    told = command(
        "test", run.config, run.folder / "best.pth", "--work-dir", tmp_path, "--out", out
    )
    got = json.loads(out.read_text())
    for name in ("mAP", "CP", "CR", "CF1", "OP", "OR", "OF1", "macro_F1", "macro_F1_tuned"):
        assert f"{name} " in told
        assert 0 <= got[name] <= 1
    assert got["macro_F1_tuned"] >= got["macro_F1"]  # found on the same data


def test_a_threshold_file_serves_test_and_predict(run: Any, command: Any, tmp_path: Path) -> None:
    file, weights = tmp_path / "t.json", run.folder / "best.pth"
    options = ("--work-dir", tmp_path)
    command("test", run.config, weights, *options, "--find-thresholds", file, "--temperature")
    stored = json.loads(file.read_text())
    assert stored["temperature"] > 0
    out = tmp_path / "m.json"
    told = command("test", run.config, weights, *options, "--thresholds", file, "--out", out)
    assert "macro_F1_tuned" in told
    found = Predictor(weights, thresholds=file)(run.config.parent / "0.png")[0]
    assert np.allclose(found.thresholds, stored["values"])


def test_thresholds_without_several_labels_are_refused(
    tiny_run: Any, command: Any, tmp_path: Path
) -> None:
    told = command(
        *("test", tiny_run.config, tiny_run.best, "--work-dir", tmp_path),
        *("--find-thresholds", tmp_path / "t.json"),
        status=1,
    )
    assert "--find-thresholds is for a model of several labels an image" in told
    told = command("test", tiny_run.config, tiny_run.best, "--temperature", status=1)
    assert "add --find-thresholds" in told


def test_the_published_schedule_stops_halfway_down_the_cycle() -> None:
    from mmengine.optim import OneCycleLR

    base = (
        Path(__file__).resolve().parents[2] / "configs/_base_/schedules/asl_40_of_80e_onecycle.py"
    )
    cfg = Config.fromfile(base)
    per_epoch = 5
    weights = torch.nn.Parameter(torch.zeros(1))
    ours = torch.optim.Adam([weights], lr=1e-4)
    settings = {
        k: v for k, v in cfg.param_scheduler.items() if k not in ("type", "convert_to_iter_based")
    }
    schedule = OneCycleLR.build_iter_from_epoch(ours, epoch_length=per_epoch, **settings)
    theirs = torch.optim.Adam([weights], lr=1e-4)
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        theirs, max_lr=1e-4, epochs=80, steps_per_epoch=per_epoch, pct_start=0.2
    )
    for _ in range(cfg.train_cfg.max_epochs * per_epoch):
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
        ours.step(), theirs.step(), schedule.step(), oracle.step()
    assert cfg.train_cfg.max_epochs == 40
    assert ours.param_groups[0]["lr"] > 0.6e-4
