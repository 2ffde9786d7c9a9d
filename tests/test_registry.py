from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmdet.registry
import pytest
from mmengine import registry as root
from mmengine.registry import DefaultScope

from tresnet_tasks import registry
from tresnet_tasks.registry import HOOKS, MODELS, TaskRegistry

OURS = {name: r for name, r in vars(registry).items() if isinstance(r, TaskRegistry)}
# Where mmdet calls a registry by another name than we do.
MMDET_NAMES = {"EVALUATORS": "EVALUATOR"}


@pytest.fixture
def our_scope() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope("tresnet_tasks"):
        yield


@pytest.fixture
def without_mmdet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmdet.registry", None)


def test_our_names_are_found_without_any_import() -> None:
    assert MODELS.get("TResNet").__module__ == "tresnet_tasks.backbones.tresnet"
    assert MODELS.get("tresnet_tasks.LinearHead").__module__.startswith("tresnet_tasks.heads")


def test_mmdets_transform_comes_before_mmcvs_of_the_same_name() -> None:
    assert registry.TRANSFORMS.get("Resize").__module__.startswith("mmdet.")
    assert registry.TRANSFORMS.get("RandomChoiceResize").__module__.startswith("mmcv.")


def test_names_of_mmengine_are_found() -> None:
    assert HOOKS.get("CheckpointHook").__module__.startswith("mmengine.")
    assert HOOKS.get("mmengine.CheckpointHook").__module__.startswith("mmengine.")


def test_import_paths_are_found() -> None:
    from torch import nn

    assert MODELS.get("torch.nn.Linear") is nn.Linear


def test_names_of_mmdet_are_found_last(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = mmdet.registry.MODELS
    mine, its = type("Mine", (), {}), type("Its", (), {})
    monkeypatch.setattr(theirs, "_imported", True)  # as if all of mmdet were registered
    monkeypatch.setitem(theirs.module_dict, "OnlyInMmdet", its)
    monkeypatch.setitem(theirs.module_dict, "InBoth", its)
    monkeypatch.setitem(MODELS.module_dict, "InBoth", mine)
    assert MODELS.get("OnlyInMmdet") is its
    assert MODELS.get("InBoth") is mine


@pytest.mark.usefixtures("our_scope")
def test_mmdet_builds_bare_names_through_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = mmdet.registry.MODELS
    its = type("Its", (), {})
    monkeypatch.setattr(theirs, "_imported", True)
    monkeypatch.setitem(theirs.module_dict, "OnlyInMmdet", its)
    assert isinstance(theirs.build({"type": "OnlyInMmdet"}), its)
    assert type(theirs.build({"type": "SoftCrossEntropy"})).__module__.startswith("tresnet_tasks")


@pytest.mark.usefixtures("our_scope")
def test_the_root_registry_reaches_ours_under_our_scope() -> None:
    built = root.MODELS.build({"type": "SoftCrossEntropy", "label_smoothing": 0.1})
    assert type(built).__module__.startswith("tresnet_tasks.losses")


@pytest.mark.usefixtures("without_mmdet")
@pytest.mark.parametrize(
    ("registry_", "wrong", "near"),
    [
        (MODELS, "TResnet", "TResNet"),
        (MODELS, "TResNett", "TResNet"),
        (MODELS, "tresnet_tasks.LinerHead", "LinearHead"),
        (HOOKS, "ChekpointHook", "CheckpointHook"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    registry_: TaskRegistry, wrong: str, near: str
) -> None:
    with pytest.raises(KeyError, match=f"'{wrong}' is not a registered {registry_.name}") as error:
        registry_.get(wrong)
    assert f"'{near}'" in str(error.value)


@pytest.mark.usefixtures("without_mmdet", "our_scope")
def test_building_an_unknown_name_names_the_nearest() -> None:
    for source in (MODELS, root.MODELS):
        with pytest.raises(KeyError, match="Did you mean 'Classifier'"):
            source.build({"type": "Clasifier"})


@pytest.mark.usefixtures("without_mmdet")
def test_building_does_not_mind_the_scope_that_another_runner_left() -> None:
    with DefaultScope.overwrite_default_scope("mmdet"):
        built = MODELS.build(dict(type="SoftCrossEntropy"))
        assert DefaultScope.get_current_instance().scope_name == "mmdet"  # and leaves it as it was
    assert type(built).__module__.startswith("tresnet_tasks.")


def test_a_name_like_no_other_gets_no_hint() -> None:
    with pytest.raises(KeyError) as error:
        MODELS.get("qqqqqqqqqqqq")
    assert "Did you mean" not in str(error.value)


@pytest.mark.parametrize("name", OURS)
def test_each_registry_is_a_child_of_mmengines_and_its_packages_import(name: str) -> None:
    ours = OURS[name]
    assert ours.parent is getattr(root, MMDET_NAMES.get(name, name))
    assert ours.scope == "tresnet_tasks"
    ours.import_from_location()
    for registered in ours.module_dict.values():
        assert registered.__module__.startswith("tresnet_tasks.")


@pytest.fixture(scope="session")
def mmdet_names() -> dict[str, set[str]]:
    """What mmdet registers, by registry, from its source: it cannot always be imported whole."""
    names: dict[str, set[str]] = {}
    for path in Path(mmdet.__file__).parent.rglob("*.py"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes in docstrings that are not ours
            tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                for decorator in node.decorator_list:
                    _add(names, decorator, node.name)
            elif isinstance(node, ast.Call):
                _add(names, node, None)
    return names


def _add(names: dict[str, set[str]], call: Any, default: str | None) -> None:
    """Record ``X.register_module(...)``, with the name it states or else ``default``."""
    if not (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "register_module"
        and isinstance(call.func.value, ast.Name)
    ):
        return
    found = names.setdefault(call.func.value.id, set())
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    stated = [keywords[key] for key in ("name", "module") if key in keywords] or call.args
    if not stated:
        found |= {default} if default else set()
    for value in stated:
        for node in ast.walk(value):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.Name):
                found.add(node.id)


def test_the_reading_of_mmdet_finds_what_is_known_to_be_there(
    mmdet_names: dict[str, set[str]],
) -> None:
    assert {"FCOS", "FocalLoss", "CrossEntropyLoss", "ResNet"} <= mmdet_names["MODELS"]
    assert {"RandomErasing", "CutOut", "LoadAnnotations"} <= mmdet_names["TRANSFORMS"]
    assert "CocoDataset" in mmdet_names["DATASETS"]
    assert "CocoMetric" in mmdet_names["METRICS"]
    assert "MaxIoUAssigner" in mmdet_names["TASK_UTILS"]


@pytest.mark.parametrize("name", OURS)
def test_no_name_of_ours_hides_one_of_mmdets(name: str, mmdet_names: dict[str, set[str]]) -> None:
    ours = OURS[name]
    ours.import_from_location()
    hidden = set(ours.module_dict) & mmdet_names.get(MMDET_NAMES.get(name, name), set())
    assert not hidden, f"mmdet's own parts would get ours by these names: {sorted(hidden)}"
