"""A checkpoint whose config would run something is refused, and runs nothing."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS

from tresnet_tasks.inference import Predictor
from tresnet_tasks.inference.trusted_config import trusted_model, trusted_pipeline
from tresnet_tasks.registry import MODELS

Save = Callable[..., Path]
MakeConfig = Callable[..., dict[str, Any]]
Place = Callable[[dict[str, Any], dict[str, Any]], None]


def _as_model(config: dict[str, Any], node: dict[str, Any]) -> None:
    config["model"] = node


def _as_preprocessor(config: dict[str, Any], node: dict[str, Any]) -> None:
    config["model"]["data_preprocessor"] = node


def _as_neck(config: dict[str, Any], node: dict[str, Any]) -> None:
    config["model"]["neck"] = node


def _in_a_list(config: dict[str, Any], node: dict[str, Any]) -> None:
    config["model"]["head"]["extra"] = [[node]]


def _as_loss(config: dict[str, Any], node: dict[str, Any]) -> None:
    config["model"]["head"]["loss"] = node


def _as_transform(config: dict[str, Any], node: dict[str, Any]) -> None:
    config["test_dataloader"]["dataset"]["pipeline"].insert(0, node)


def _as_wrapped_transform(config: dict[str, Any], node: dict[str, Any]) -> None:
    config["test_dataloader"]["dataset"]["pipeline"][1]["transforms"].append(node)


PLACES = [
    _as_model,
    _as_preprocessor,
    _as_neck,
    _in_a_list,
    _as_loss,
    _as_transform,
    _as_wrapped_transform,
]


@pytest.mark.parametrize("place", PLACES)
def test_a_type_that_is_a_path_to_code_is_refused_wherever_it_stands(
    place: Place, save: Save, tmp_path: Path, make_config: MakeConfig
) -> None:
    witness = tmp_path / "ran"
    for kind, arguments in (
        ("os.mkdir", {"path": str(witness)}),
        ("os.system", {"command": f"touch {witness}"}),
        ("subprocess.run", {"args": ["touch", str(witness)]}),
        ("builtins.exec", {"source": f"open({str(witness)!r}, 'w')"}),
        ("mmengine.utils.mkdir_or_exist", {"dir_name": str(witness)}),
        ("tresnet_tasks.inference.predictor.os.mkdir", {"path": str(witness)}),
    ):
        config = make_config()
        place(config, {"type": kind, **arguments})
        with pytest.raises(ValueError, match="is refused, and nothing in it was run"):
            Predictor(save(config))
        assert not witness.exists()


def test_the_text_of_a_config_is_never_parsed(save: Save, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    text = f"open({str(witness)!r}, 'w').close()\nmodel = dict(type='Classifier')\n"
    Predictor(save(cfg_text=text, config=text))
    with pytest.raises(ValueError, match=r"only the text of a config, which is never run"):
        Predictor(save(text))
    assert not witness.exists()


def test_a_bare_name_does_not_import_a_module_of_that_name(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_config: MakeConfig
) -> None:
    (tmp_path / "sly_module.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for place in PLACES:
        config = make_config()
        place(config, {"type": "sly_module"})
        with pytest.raises(ValueError, match="'sly_module' is not a registered module"):
            Predictor(save(config))
    assert "sly_module" not in sys.modules


@pytest.mark.parametrize(
    "key", ["_scope_", "custom_imports", "teacher_config", "teacher_ckpt", "lang_model_name"]
)
def test_keys_that_lead_outside_are_refused(key: str, save: Save, make_config: MakeConfig) -> None:
    config = make_config()
    config["model"]["head"][key] = "sly_module"
    with pytest.raises(ValueError, match=f"has {key}='sly_module'"):
        Predictor(save(config))


def test_a_registered_module_that_evaluates_its_arguments_is_refused() -> None:
    # As mmdet's CameraMotionCompensation does with `warp_mode`.
    class Evaluating:
        def __init__(self, warp_mode: str) -> None:
            eval(warp_mode)

    Evaluating.__module__ = "mmdet.models.task_modules.tracking.camera_motion_compensation"
    MMENGINE_TASK_UTILS.register_module("EvaluatingOfTheTest", module=Evaluating)
    try:
        with pytest.raises(ValueError, match="does more than compute"):
            trusted_model({"type": "Classifier", "neck": {"type": "EvaluatingOfTheTest"}})
    finally:
        del MMENGINE_TASK_UTILS.module_dict["EvaluatingOfTheTest"]


def test_a_type_that_is_no_text_is_refused(save: Save, make_config: MakeConfig) -> None:
    config = make_config()
    config["model"]["backbone"]["type"] = torch.float32
    with pytest.raises(ValueError, match=r"model\.backbone\.type is torch\.float32"):
        Predictor(save(config))


@pytest.mark.parametrize("value", [torch.zeros(2), {1: 2}, {1, 2}])
def test_anything_but_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"model\.head"):
        trusted_model({"type": "Classifier", "head": {"type": "LinearHead", "dropout": value}})


def test_a_config_that_holds_itself_is_refused() -> None:
    config: dict[str, Any] = {"type": "Classifier"}
    config["head"] = config
    with pytest.raises(ValueError, match="levels"):
        trusted_model(config)


def test_a_config_that_multiplies_itself_is_refused() -> None:
    layer: list[Any] = [0] * 10
    for _ in range(8):
        layer = [layer] * 10
    with pytest.raises(ValueError, match="100000 values"):
        trusted_model({"type": "Classifier", "head": layer})


@pytest.mark.parametrize("model", [None, "Classifier", ["Classifier"], {"backbone": {}}])
def test_a_model_of_another_shape_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="nothing in it was run: model"):
        trusted_model(model)


@pytest.mark.parametrize("pipeline", ["LoadImage", None, [None], [{"scale": 1}]])
def test_a_pipeline_of_another_shape_is_refused(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="nothing in it was run: pipeline"):
        trusted_pipeline(pipeline)


def test_an_unknown_module_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"'TresNet' is not a registered .*'TResNet'"):
        trusted_model({"type": "Classifier", "backbone": {"type": "TresNet"}})


def test_a_function_of_albumentations_is_no_transform() -> None:
    steps = [{"type": "Albumentations", "transforms": [{"type": "load", "filepath": "x.yml"}]}]
    with pytest.raises(ValueError, match="'load' is not a registered"):
        trusted_pipeline(steps)


def test_a_transform_of_albumentations_stands_inside_its_wrapper_alone() -> None:
    resize = {"type": "Resize", "height": 8, "width": 8}
    one_of = {"type": "OneOf", "transforms": [resize, {"type": "A.HorizontalFlip"}]}
    wrapped = {"type": "Albumentations", "transforms": [one_of]}
    assert trusted_pipeline([wrapped]) == [wrapped]
    with pytest.raises(ValueError, match=r"pipeline\[0\]\.type='HueSaturationValue'"):
        trusted_pipeline([{"type": "HueSaturationValue"}])


def test_scoped_and_full_names_of_ours_are_understood() -> None:
    kind = MODELS.get("TResNet")
    full = f"{kind.__module__}.{kind.__qualname__}"
    config = OrderedDict(type="tresnet_tasks.Classifier", backbone={"type": full})
    assert trusted_model(config) == {"type": "Classifier", "backbone": {"type": "TResNet"}}


def test_the_result_shares_nothing_with_the_file() -> None:
    arch = {"layers": [1, 1, 1, 1]}
    config = {"type": "Classifier", "backbone": {"type": "TResNet", "arch": arch}}
    trusted = trusted_model(config)
    arch["layers"].append(5)
    assert trusted["backbone"]["arch"] == {"layers": [1, 1, 1, 1]}
