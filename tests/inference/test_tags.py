from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tresnet_tasks import Predictor
from tresnet_tasks.inference import TagPrediction
from tresnet_tasks.inference.tags import tag_rows
from tresnet_tasks.metrics import StoredThresholds
from tresnet_tasks.models import Classifier

CLASSES = ("ant", "bee", "cat")
SCORES = np.array([0.2, 0.9, 0.6], np.float32)


def prediction(*thresholds: float) -> TagPrediction:
    limits = np.array(thresholds, np.float32)
    return TagPrediction("a.png", 1, "bee", 0.9, SCORES, CLASSES, limits)


def test_classes_above_their_own_thresholds_are_predicted_best_first() -> None:
    found = prediction(0.1, 0.5, 0.7)
    assert found.labels == [1, 0]
    assert found.tags == [("bee", pytest.approx(0.9)), ("ant", pytest.approx(0.2))]
    assert found.told() == ("bee, ant", "0.9000, 0.2000")


def test_a_score_at_its_threshold_is_not_above_it() -> None:
    assert prediction(0.2, 0.9, 0.6).labels == []
    assert prediction(0.2, 0.9, 0.6).told() == ("-", "-")


def test_what_is_predicted_is_shown_before_better_scores_that_are_not() -> None:
    assert prediction(0.1, 0.95, 0.7).shown(2) == ([0, 1], 1)
    assert prediction(0.1, 0.5, 0.5).shown(1) == ([1, 2, 0], 3)


def test_results_as_data() -> None:
    found = prediction(0.1, 0.5, 0.7).to_dict(k=1)
    assert [label["class_name"] for label in found["labels"]] == ["bee", "ant"]
    assert found["labels"][0] == {
        "class_id": 1,
        "class_name": "bee",
        "score": pytest.approx(0.9),
        "threshold": 0.5,
    }
    assert [top["class_name"] for top in found["top"]] == ["bee"]
    rows = list(tag_rows([found, prediction(1, 1, 1).to_dict()]))
    assert rows[0] == ["path", "labels", "scores"]
    assert rows[1] == ["a.png", "bee|ant", "0.900000|0.200000"]
    assert rows[2] == ["a.png", "", ""]


# ------------------------------------------------------------------------------- from checkpoints


@pytest.fixture
def tagger(
    make_config: Callable[..., dict[str, Any]], network: Classifier, tmp_path: Path
) -> Callable[..., Path]:
    """Write the checkpoint of a network with several labels an image."""

    def write(**meta: Any) -> Path:
        cfg = copy.deepcopy(make_config())
        cfg["model"]["head"].update(task="multi_label", loss={"type": "AsymmetricLoss"})
        content = {"cfg": cfg, "dataset_meta": {"classes": CLASSES}, **meta}
        torch.save({"state_dict": network.state_dict(), "meta": content}, tmp_path / "best.pth")
        return tmp_path / "best.pth"

    return write


IMAGE = np.full((40, 40, 3), 90, np.uint8)


def test_scores_are_sigmoids_and_the_threshold_one_half(
    tagger: Callable[..., Path], network: Classifier
) -> None:
    (found,) = Predictor(tagger())([IMAGE])
    pixels = torch.full((1, 3, 32, 32), 90 / 255)
    assert torch.allclose(torch.tensor(found.scores), network(pixels).sigmoid()[0], atol=1e-5)
    assert isinstance(found, TagPrediction)
    assert found.labels == [i for i in np.argsort(-found.scores) if found.scores[i] > 0.5]


def test_the_checkpoint_s_thresholds_and_temperature_are_used(tagger: Callable[..., Path]) -> None:
    (plain,) = Predictor(tagger())([IMAGE])
    stored = StoredThresholds(CLASSES[::-1], (0.0, 1.0, 0.0), 2.0)
    (found,) = Predictor(tagger(thresholds=stored.to_data()))([IMAGE])
    assert sorted(found.labels) == [0, 2]
    odds = plain.scores / (1 - plain.scores)
    assert np.allclose(found.scores / (1 - found.scores), np.sqrt(odds), rtol=1e-4)


def test_a_number_or_a_file_takes_the_place_of_the_checkpoint_s(
    tagger: Callable[..., Path], tmp_path: Path
) -> None:
    path = tagger(thresholds=StoredThresholds(CLASSES, (1.0, 1.0, 1.0)).to_data())
    assert Predictor(path, thresholds=0)([IMAGE])[0].labels
    StoredThresholds(CLASSES, (0.0, 1.0, 1.0)).write(tmp_path / "t.json")
    assert Predictor(path, thresholds=tmp_path / "t.json")([IMAGE])[0].labels == [0]


def test_thresholds_of_other_classes_are_refused(
    tagger: Callable[..., Path], tmp_path: Path
) -> None:
    stored = StoredThresholds(("ant", "bees"), (0.5, 0.5))
    with pytest.raises(ValueError, match=r"checkpoint .*best\.pth has thresholds of other classes"):
        Predictor(tagger(thresholds=stored.to_data()))
    stored.write(tmp_path / "t.json")
    with pytest.raises(ValueError, match=r"t\.json has thresholds of other classes"):
        Predictor(tagger(), thresholds=tmp_path / "t.json")


def test_thresholds_for_one_label_an_image_are_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="for a model with one label an image"):
        Predictor(checkpoint, thresholds=0.5)


@pytest.mark.parametrize("data", [[1], {"classes": 3}, {"classes": ["ant"], "values": ["x"]}])
def test_nonsense_in_a_checkpoint_is_refused(data: Any, tagger: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="holds no thresholds"):
        Predictor(tagger(thresholds=data))


def test_a_published_file_of_asl_names_its_classes_in_predictions(
    make_config: Callable[..., dict[str, Any]], network: Classifier, tmp_path: Path
) -> None:
    # The authors' COCO files: TResNet's own names, the number of classes and their names beside.
    state = {
        name.removeprefix("backbone.") if name.startswith("backbone.") else name: value
        for name, value in network.state_dict().items()
    }
    names = {0: "person", 1: "bicycle", 2: "car"}
    path = tmp_path / "MS_COCO_TRresNet.pth"
    torch.save({"model": state, "num_classes": 3, "idx_to_class": names}, path)
    config = make_config()
    del config["model"]["head"]["num_classes"]
    config["model"]["head"]["loss"] = {"type": "AsymmetricLoss"}
    config["test_dataloader"]["dataset"]["type"] = "CocoTags"
    config["test_dataloader"]["dataset"]["ann_file"] = "not/there.json"
    (found,) = Predictor(path, config=config, thresholds=0)([IMAGE])
    assert {name for name, _ in found.tags} == {"person", "bicycle", "car"}


def test_the_command_writes_and_draws_what_is_above_the_thresholds(
    tagger: Callable[..., Path], tmp_path: Path, command: Any
) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    path = tagger(thresholds=StoredThresholds(CLASSES, (0.0, 1.0, 0.0)).to_data())
    out, drawn = tmp_path / "p.csv", tmp_path / "drawn"
    told = command("predict", path, tmp_path / "a.png", "--out", out, "--draw", drawn)
    header, line = out.read_text().splitlines()
    assert header == "path,labels,scores"
    assert set(line.split(",")[1].split("|")) == {"ant", "cat"}
    assert (drawn / "a.png").stat().st_size > 0
    assert "bee" not in told.split("\t")[1]
    told = command("predict", path, tmp_path / "a.png", "--thresholds", "1")
    assert told.split("\t")[1:3] == ["-", "-"]
