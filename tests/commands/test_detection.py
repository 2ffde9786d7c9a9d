"""The commands with a detector, run as a user runs them on a set of coloured squares."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import batched_nms

from tresnet_tasks.commands.main import main
from tresnet_tasks.inference import Detections, Predictor
from tresnet_tasks.upstream.checkpoints import read_checkpoint

CONFIG = """
_base_ = ["{configs}/_base_/models/fcos.py", "{configs}/_base_/runtime.py"]
_train = [
    dict(type="LoadImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetSample"),
]
_test = [
    dict(type="LoadImage"),
    dict(type="Resize", scale=(64, 64), keep_ratio=True),
    dict(type="PackDetSample"),
]
_data = dict(type="CocoDetection", data_root="{root}", ann_file="boxes.json")
_loader = dict(batch_size=2, num_workers=0, collate_fn=dict(type="collate"))
model = dict(
    backbone=dict(
        arch=dict(
            layers=(1, 1, 1, 1),
            width_factor=0.125,
            blocks=("basic", "basic", "bottleneck", "bottleneck"),
        )
    ),
    neck=dict(out_channels=16, num_outs=3),
    bbox_head=dict(
        stacked_convs=1,
        feat_channels=16,
        strides=[8, 16, 32],
        regress_ranges=((-1, 32), (32, 64), (64, 1e8)),
        norm_cfg=dict(type="BN"),
    ),
    test_cfg=dict(score_thr=0.0, max_per_img=5),
)
train_dataloader = dict(
    sampler=dict(type="EpochSampler", shuffle=True), dataset=dict(pipeline=_train, **_data), **_loader
)
val_dataloader = dict(
    sampler=dict(type="EpochSampler", shuffle=False),
    dataset=dict(pipeline=_test, test_mode=True, **_data),
    **_loader,
)
test_dataloader = val_dataloader
val_evaluator = dict(type="DetectionMetric")
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9))
randomness = dict(seed=0)
"""
CATEGORIES = ({"id": 3, "name": "red"}, {"id": 7, "name": "blue"})


def write_squares(root: Path) -> None:
    """Four images of 64x96 px: two with a square, one with two, one with none."""
    generator = np.random.default_rng(0)
    squares = [[(8, 8, 24, 3)], [(40, 20, 32, 7)], [(4, 30, 20, 3), (60, 6, 28, 7)], []]
    images, annotations = [], []
    for number, found in enumerate(squares, start=1):
        pixels = generator.integers(90, 120, (64, 96, 3), dtype=np.uint8)
        for x, y, side, category in found:
            pixels[y : y + side, x : x + side] = (220, 30, 30) if category == 3 else (30, 30, 220)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "bbox": [x, y, side, side],
                    "area": side * side,
                    "iscrowd": 0,
                }
            )
        name = f"{number:04}.png"
        Image.fromarray(pixels).save(root / name)
        images.append({"id": number, "file_name": name, "width": 96, "height": 64})
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (root / "boxes.json").write_text(json.dumps(content))


class Run:
    def __init__(self, folder: Path) -> None:
        self.data = folder / "squares"
        self.config = folder / "squares.py"
        self.work_dir = folder / "run"

    @property
    def best(self) -> Path:
        return self.work_dir / "best.pth"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Run:
    """Two epochs, trained once: only to be read."""
    made = Run(tmp_path_factory.mktemp("detector"))
    made.data.mkdir()
    write_squares(made.data)
    made.config.write_text(CONFIG.format(configs=repository / "configs", root=made.data))
    assert main(["train", str(made.config), "--work-dir", str(made.work_dir)]) == 0
    return made


def test_training_leaves_a_checkpoint_with_classes_and_categories(run: Run) -> None:
    meta = read_checkpoint(run.best)["meta"]
    assert tuple(meta["dataset_meta"]["classes"]) == ("red", "blue")
    assert tuple(meta["dataset_meta"]["category_ids"]) == (3, 7)
    assert meta["best"]["metric"] == "AP"
    assert meta["cfg"]["model"]["bbox_head"]["num_classes"] == 2


def test_a_killed_run_goes_on_as_if_it_had_not_been(run: Run, command: Any, tmp_path: Path) -> None:
    first = run.work_dir / "epoch_1.pth"
    command("train", run.config, "--work-dir", tmp_path, "--resume", first)
    one, two = (read_checkpoint(f / "epoch_2.pth") for f in (run.work_dir, tmp_path))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name


def test_the_test_command_tells_average_precision(run: Run, command: Any, tmp_path: Path) -> None:
    out = tmp_path / "metrics.json"
    command("test", run.config, run.best, "--work-dir", tmp_path / "w", "--out", out)
    metrics = json.loads(out.read_text())
    assert {"AP", "AP50", "AP/red", "AP/blue"} <= metrics.keys()


def test_the_test_command_merges_the_boxes_of_a_mirror_image(
    run: Run, command: Any, tmp_path: Path
) -> None:
    """As torchvision's NMS merges what the predictor finds in the image and in its mirror image."""
    results = tmp_path / "results.json"
    options = ("--tta", "--work-dir", tmp_path, "--cfg-options")
    command("test", run.config, run.best, *options, f"test_evaluator.results_file={results}")
    predictor = Predictor(run.best, device="cpu")
    merged = json.loads(results.read_text())
    for number in (1, 2, 3, 4):
        pixels = np.asarray(Image.open(run.data / f"{number:04}.png"))
        plain, mirrored = predictor([pixels, pixels[:, ::-1].copy()])
        turned = mirrored.bboxes[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (96, 0, 96, 0)
        boxes = torch.tensor(np.concatenate([plain.bboxes, turned]), dtype=torch.float32)
        scores = torch.tensor(np.concatenate([plain.scores, mirrored.scores]))
        labels = torch.tensor(np.concatenate([plain.labels, mirrored.labels]))
        kept = batched_nms(boxes, scores, labels, iou_threshold=0.6)[:5]
        found = [r for r in merged if r["image_id"] == number]
        np.testing.assert_allclose([r["score"] for r in found], scores[kept], atol=1e-4)
        corners = [[x, y, x + w, y + h] for x, y, w, h in (r["bbox"] for r in found)]
        np.testing.assert_allclose(corners, boxes[kept], atol=0.02)
        assert [r["category_id"] for r in found] == [(3, 7)[label] for label in labels[kept]]


def test_a_dry_run_serves_detectors(run: Run, command: Any, tmp_path: Path) -> None:
    printed = command("train", run.config, "--work-dir", tmp_path / "w", "--dry-run")
    assert "training, validation, checkpoint and resume work" in printed


def test_channels_last_serves_detectors(run: Run, command: Any, tmp_path: Path) -> None:
    options = ("--channels-last", "--cfg-options", "train_cfg.max_epochs=1")
    command("train", run.config, "--work-dir", tmp_path, *options)
    assert (tmp_path / "epoch_1.pth").exists()


def test_predict_draws_and_writes_cocos_results(run: Run, command: Any, tmp_path: Path) -> None:
    out, drawn = tmp_path / "results.json", tmp_path / "drawn"
    command(
        *("predict", run.best, run.data, "--out", out, "--draw", drawn, "--thresholds", "0.0"),
    )
    results = json.loads(out.read_text())
    assert {result["image_id"] for result in results} == {1, 2, 3, 4}
    assert {result["category_id"] for result in results} <= {3, 7}
    assert {result["file_name"] for result in results} == {f"{n:04}.png" for n in range(1, 5)}
    assert all(len(result["bbox"]) == 4 for result in results)
    names = {path.name for path in drawn.iterdir()}
    assert names == {"predictions.png", *(f"{number:04}.png" for number in range(1, 5))}


def test_cocos_own_tool_reads_the_results(run: Run, command: Any, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    out = tmp_path / "results.json"
    command("predict", run.best, run.data, "--out", out)
    results = json.loads(out.read_text())
    truth = COCO(str(run.data / "boxes.json"))
    assert len(truth.loadRes(results).getAnnIds()) == len(results) > 0


def test_predict_writes_a_table_of_objects(run: Run, command: Any, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    command("predict", run.best, run.data / "0001.png", "--out", out)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert set(rows[0]) == {"path", "class_id", "class_name", "score", "x1", "y1", "x2", "y2"}
    assert {row["class_name"] for row in rows} <= {"red", "blue"}


def test_the_predictor_places_boxes_in_the_pixels_of_the_file(run: Run) -> None:
    """The test pipeline halves nothing here, but reduces 96 px to 64."""
    predictor = Predictor(run.best, device="cpu", thresholds=0.1)
    (found,) = predictor(run.data / "0001.png")
    assert isinstance(found, Detections)
    assert (found.size, found.threshold) == ((64, 96), 0.1)
    assert found.bboxes[:, 2].max() > 64
    assert found.bboxes.min() >= 0 and (found.bboxes <= (96, 64, 96, 64)).all()
    assert (np.diff(found.scores) <= 0).all()


def test_the_predictor_says_what_the_test_loop_says(run: Run) -> None:
    """One image alone and several in a batch; a file and its pixels."""
    predictor = Predictor(run.best, device="cpu")
    paths = [run.data / f"{number:04}.png" for number in (1, 2)]
    together = predictor([*paths, np.asarray(Image.open(paths[0]))])
    (alone,) = predictor(paths[0])
    for other in (together[0], together[2]):
        np.testing.assert_allclose(alone.bboxes, other.bboxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, other.scores, atol=1e-5)


def test_finetuning_starts_from_a_detector_of_other_classes(
    run: Run, command: Any, tmp_path: Path
) -> None:
    data = tmp_path / "more"
    shutil.copytree(run.data, data)
    content = json.loads((data / "boxes.json").read_text())
    content["categories"].append({"id": 9, "name": "green"})
    (data / "boxes.json").write_text(json.dumps(content))
    text = run.config.read_text().replace(str(run.data), str(data))
    config = tmp_path / "more.py"
    config.write_text(
        f"{text}\nload_from = {str(run.best)!r}\ntrain_cfg = dict(by_epoch=True, max_epochs=1)\n"
    )
    printed = command("train", config, "--work-dir", tmp_path / "w")
    assert "bbox_head.conv_cls has another size in the file" in printed
