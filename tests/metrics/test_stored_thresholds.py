from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.metrics import StoredThresholds, read_thresholds, thresholds_from_data

STORED = StoredThresholds(("cat", "dog"), (0.25, 0.75), 1.5, "f1")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    STORED.write(tmp_path / "t.json")
    assert read_thresholds(tmp_path / "t.json", ("cat", "dog")) == STORED


def test_the_model_s_order_of_classes_is_followed(tmp_path: Path) -> None:
    STORED.write(tmp_path / "t.json")
    assert read_thresholds(tmp_path / "t.json", ("dog", "cat")).values == (0.75, 0.25)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat", "dogs"), r"it has none for 'dogs'\. Did you mean 'dog'\?"),
        (("cat",), "the model does not know 'dog'"),
        (("cat", "dog", "cow"), "2, where the model has 3; it has none for 'cow'"),
    ],
)
def test_thresholds_of_other_classes_are_refused(
    classes: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    STORED.write(tmp_path / "t.json")
    with pytest.raises(ValueError, match=rf"t\.json has thresholds of other classes.*{message}"):
        read_thresholds(tmp_path / "t.json", classes)


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"classes": ["cat", "dog"]},
        {"classes": ["cat", "dog"], "values": [0.1]},
        {"classes": ["cat", "dog"], "values": [0.1, "0.2"]},
        {"classes": ["cat", "dog"], "values": [0.1, float("nan")]},
        {"classes": ["cat", "dog"], "values": [0.1, 0.2], "temperature": 0},
    ],
)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"^this holds no thresholds; expected classes and values"):
        thresholds_from_data(data, ("cat", "dog"), "this")


def test_a_missing_file_and_one_that_is_not_json_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--find-thresholds"):
        read_thresholds(tmp_path / "t.json", ("cat",))
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        read_thresholds(tmp_path / "t.json", ("cat",))


def test_it_is_plain_data() -> None:
    assert json.loads(json.dumps(STORED.to_data())) == STORED.to_data()
