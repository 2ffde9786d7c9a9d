"""The predictor: from one file to one answer an image."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from safetensors.torch import save_file

import tresnet_tasks
from tresnet_tasks.datasets import UnreadableImageError
from tresnet_tasks.inference import Prediction, Predictor
from tresnet_tasks.models import Classifier

Pixels = list[np.ndarray[Any, np.dtype[np.uint8]]]
Save = Callable[..., Path]
MakeConfig = Callable[..., dict[str, Any]]

CLASSES = ("ant", "bee", "cat")


def test_checkpoint_alone_gives_the_networks_own_scores(
    checkpoint: Path, network: Classifier, pixels: Pixels
) -> None:
    square = pixels[1]  # 32x32 already, so that the resize changes nothing
    inputs = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        expected = network(inputs, mode="tensor").softmax(1)[0].numpy()
    (prediction,) = Predictor(checkpoint, device="cpu")(square)
    np.testing.assert_allclose(prediction.scores, expected, rtol=1e-5)
    assert prediction.label == expected.argmax()
    assert prediction.class_name == CLASSES[expected.argmax()]
    assert prediction.score == pytest.approx(expected.max(), rel=1e-5)


def test_package_gives_the_predictor() -> None:
    assert tresnet_tasks.Predictor is Predictor


def test_files_come_in_the_order_given(checkpoint: Path, image_folder: Path) -> None:
    files = [image_folder / "d.png", image_folder / "a.png", image_folder / "c.png"]
    predictions = Predictor(checkpoint)(files, batch_size=2)
    assert [prediction.path for prediction in predictions] == [str(file) for file in files]


def test_folder_gives_its_images_sorted_and_inner_ones_too(
    checkpoint: Path, image_folder: Path
) -> None:
    (image_folder / "notes.txt").write_text("no image")
    (image_folder / ".hidden.png").write_text("no image")
    found = [Path(p.path or "").name for p in Predictor(checkpoint)(image_folder)]
    assert found == ["a.png", "b.PNG", "c.png", "d.png", "e é.png"]


def test_file_array_and_pil_image_mixed_give_the_same_scores(
    checkpoint: Path, image_folder: Path, pixels: Pixels
) -> None:
    predictor = Predictor(checkpoint)
    file, folder, array, image = (
        image_folder / "a.png",
        image_folder / "inner",
        pixels[0],
        Image.fromarray(pixels[0]),
    )
    a, inner, b, c = predictor([file, folder, array, image])
    np.testing.assert_allclose(b.scores, a.scores, rtol=1e-5)
    np.testing.assert_allclose(c.scores, a.scores, rtol=1e-5)
    assert not np.allclose(inner.scores, a.scores)
    assert (a.path, b.path, c.path) == (str(file), None, None)


def test_pil_image_is_turned_upright_as_its_file_is(checkpoint: Path, tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(0, 250, 5).astype(np.uint8)[:, None, None], 30, 1).repeat(3, 2)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(ramp).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        from_file, from_image = Predictor(checkpoint)([tmp_path / "turned.png", image])
    np.testing.assert_allclose(from_image.scores, from_file.scores, rtol=1e-5)


def test_batched_equals_single(checkpoint: Path, pixels: Pixels) -> None:
    predictor = Predictor(checkpoint)
    many = predictor(pixels * 3, batch_size=4)
    for image, prediction in zip(pixels * 3, many, strict=True):
        (single,) = predictor(image, batch_size=1)
        np.testing.assert_allclose(prediction.scores, single.scores, rtol=1e-4, atol=1e-6)


def test_pipeline_without_a_fixed_size_takes_images_one_by_one(
    save: Save, pixels: Pixels, make_config: MakeConfig
) -> None:
    pipeline = [{"type": "LoadImage"}, {"type": "PackClsInputs"}]
    predictor = Predictor(save(make_config(pipeline)))
    images = [pixels[0], pixels[1], pixels[2]]
    together = predictor(images)
    for image, prediction in zip(images, together, strict=True):
        np.testing.assert_allclose(prediction.scores, predictor(image)[0].scores, rtol=1e-5)


def test_image_of_a_size_that_the_network_refuses_is_named(
    save: Save, image_folder: Path, make_config: MakeConfig
) -> None:
    pipeline = [{"type": "LoadImage"}, {"type": "PackClsInputs"}]
    predictor = Predictor(save(make_config(pipeline)))
    with pytest.raises(ValueError, match=r"d\.png.*33x57"):
        predictor(image_folder / "d.png")


def test_no_images_give_no_predictions(checkpoint: Path) -> None:
    assert Predictor(checkpoint)([]) == []


def test_building_leaves_mmengines_scope_and_grad_mode_alone(
    checkpoint: Path, pixels: Pixels
) -> None:
    # By name: mmengine copies its record of a runner that another test has left.
    def scope() -> str | None:
        current = DefaultScope.get_current_instance()
        return current and current.scope_name

    before = scope()
    Predictor(checkpoint)(pixels)
    assert scope() == before
    assert torch.is_grad_enabled()


def test_predicts_under_a_foreign_scope(checkpoint: Path, pixels: Pixels) -> None:
    with DefaultScope.overwrite_default_scope("mmengine"):
        assert len(Predictor(checkpoint)(pixels)) == 5


def test_missing_path_is_named(checkpoint: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such"):
        Predictor(checkpoint)(["no-such.jpg"])


def test_folder_without_images_is_named(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no images.*\.jpg"):
        Predictor(checkpoint)(tmp_path / "empty")


def test_unreadable_image_is_named(checkpoint: Path, image_folder: Path) -> None:
    (image_folder / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    with pytest.raises(UnreadableImageError, match=r"broken\.jpg"):
        Predictor(checkpoint)(image_folder)


def test_stream_leaves_unreadable_images_out_and_says_so(
    checkpoint: Path, image_folder: Path
) -> None:
    (image_folder / "broken.jpg").write_bytes(b"")
    left_out: list[str] = []
    stream = Predictor(checkpoint).stream(
        image_folder, batch_size=2, on_unreadable=lambda path, _: left_out.append(path)
    )
    assert len(list(stream)) == 5
    assert [Path(path).name for path in left_out] == ["broken.jpg"]


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((8, 8), np.uint8), "grey"),
        (np.zeros((8, 8, 3), np.float32), "astype"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"list\(images\)"),
        (np.zeros((3, 8, 8), np.uint8), "colours last"),
    ],
)
def test_array_of_another_kind_is_explained(
    checkpoint: Path, array: np.ndarray[Any, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=rf"expected \(H, W, 3\) uint8 RGB.*{told}"):
        Predictor(checkpoint)(array)


def test_anything_else_is_no_image(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"torch\.Tensor as image; expected a path"):
        Predictor(checkpoint)([torch.zeros(3, 8, 8)])  # type: ignore[list-item]


@pytest.mark.parametrize("wrong", [0, 1.5])
def test_batch_size_that_is_no_number_of_images_is_refused(checkpoint: Path, wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"batch_size={wrong}"):
        Predictor(checkpoint)([], batch_size=wrong)


def test_device_that_is_not_there_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"device 'gpu'.*'cpu'"):
        Predictor(checkpoint, device="gpu")


def test_classes_are_numbered_where_nobody_names_them(save: Save) -> None:
    assert Predictor(save(dataset_meta={})).classes == ("0", "1", "2")


def test_another_number_of_names_than_classes_is_refused(save: Save) -> None:
    with pytest.raises(ValueError, match="names 2 classes but its head has 3"):
        Predictor(save(dataset_meta={"classes": ["a", "b"]}))


def test_weights_of_another_network_are_refused(save: Save, make_config: MakeConfig) -> None:
    config = make_config()
    config["model"]["backbone"]["arch"]["layers"] = (2, 1, 1, 1)
    with pytest.raises(ValueError, match=r"do not fit the model: .*layer1\.1.*missing"):
        Predictor(save(config))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_diverged_training_are_refused(checkpoint: Path, value: float) -> None:
    content = torch.load(checkpoint, weights_only=True)
    name = "backbone.body.layer1.0.conv1.conv.weight"
    content["state_dict"][name][0] = value
    torch.save(content, checkpoint)
    with pytest.raises(ValueError, match=rf"{name}; their training diverged"):
        Predictor(checkpoint)


def test_initialisation_in_the_config_downloads_nothing(
    save: Save, make_config: MakeConfig
) -> None:
    config = make_config()
    config["model"]["backbone"]["init_cfg"] = {"type": "Pretrained", "checkpoint": "no/such/file"}
    assert Predictor(save(config)).classes == CLASSES


def test_batch_augmentations_of_training_are_left_out(save: Save, make_config: MakeConfig) -> None:
    config = make_config()
    config["model"]["data_preprocessor"] = {"mixes": [{"type": "MixUp", "alpha": 0.2}]}
    config["model"]["data_preprocessor"]["num_classes"] = 3
    config["model"]["data_preprocessor"]["type"] = "Preprocessor"
    assert Predictor(save(config)).classes == CLASSES


def test_validation_pipeline_stands_in_for_the_test_pipeline(
    save: Save, pixels: Pixels, make_config: MakeConfig
) -> None:
    config = make_config()
    config["val_dataloader"] = config.pop("test_dataloader")
    config["test_dataloader"] = None
    assert len(Predictor(save(config))(pixels)) == 5


def test_checkpoint_without_any_pipeline_says_what_to_do(
    save: Save, make_config: MakeConfig
) -> None:
    config = make_config()
    del config["test_dataloader"]
    with pytest.raises(ValueError, match=r"neither test_dataloader nor val_dataloader.*config="):
        Predictor(save(config))


def test_weights_alone_ask_for_a_config(network: Classifier, tmp_path: Path) -> None:
    save_file(network.state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match=r"bare\.safetensors carry no config.*config="):
        Predictor(tmp_path / "bare.safetensors")


def test_hub_name_asks_for_a_config_before_it_downloads() -> None:
    with pytest.raises(ValueError, match=r"timm/tresnet_m\.miil_in1k.*config="):
        Predictor("timm/tresnet_m.miil_in1k")


def test_missing_checkpoint_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="nowhere/best"):
        Predictor("nowhere/best.pth")


@pytest.fixture
def short_config(make_config: MakeConfig) -> dict[str, Any]:
    """A config as a user writes it: neither channels nor classes."""
    config = make_config()
    config["model"]["head"] = {"type": "LinearHead"}
    return config


def test_config_and_bare_weights_equal_the_checkpoint(
    checkpoint: Path,
    network: Classifier,
    pixels: Pixels,
    tmp_path: Path,
    short_config: dict[str, Any],
) -> None:
    flat = {name.removeprefix("backbone."): v for name, v in network.state_dict().items()}
    save_file(flat, tmp_path / "timm.safetensors")
    bare = Predictor(tmp_path / "timm.safetensors", config=short_config)
    assert bare.classes == ("0", "1", "2")
    for one, other in zip(bare(pixels), Predictor(checkpoint)(pixels), strict=True):
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)


def test_config_may_be_a_file_or_an_mmengine_config(
    checkpoint: Path, tmp_path: Path, short_config: dict[str, Any]
) -> None:
    config = Config(short_config)
    config.dump(tmp_path / "small.py")
    for given in (config, tmp_path / "small.py", str(tmp_path / "small")):
        assert Predictor(checkpoint, config=given).classes == CLASSES


def test_names_of_the_configs_data_set_serve_where_the_weights_have_none(
    save: Save, short_config: dict[str, Any]
) -> None:
    config = short_config
    config["test_dataloader"]["dataset"]["classes"] = ["x", "y", "z"]
    assert Predictor(save(dataset_meta={}), config=config).classes == ("x", "y", "z")


def test_config_with_another_number_of_classes_is_refused(
    checkpoint: Path, short_config: dict[str, Any]
) -> None:
    config = short_config
    config["model"]["head"]["num_classes"] = 7
    with pytest.raises(ValueError, match=r"num_classes=7 but weights .* have 3 classes"):
        Predictor(checkpoint, config=config)


def test_config_without_a_model_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="no model="):
        Predictor(checkpoint, config={"train_cfg": {}})


def test_arch_as_json_stored_it_builds_the_same(save: Save, make_config: MakeConfig) -> None:
    config = json.loads(json.dumps(make_config()))
    assert config["model"]["backbone"]["arch"]["layers"] == [1, 1, 1, 1]
    assert Predictor(save(config)).classes == CLASSES


def test_prediction_gives_the_best_classes_first() -> None:
    scores = np.array([0.1, 0.6, 0.3], np.float32)
    prediction = Prediction("a.jpg", 1, "bee", 0.6, scores, CLASSES)
    assert [name for name, _ in prediction.topk(2)] == ["bee", "cat"]
    assert len(prediction.topk(9)) == 3
    with pytest.raises(ValueError, match="k=0"):
        prediction.topk(0)


def test_prediction_as_a_dict_goes_into_json() -> None:
    scores = np.array([0.25, 0.75], np.float32)
    prediction = Prediction("a.jpg", 1, "bee", 0.75, scores, ("ant", "bee"))
    assert json.loads(json.dumps(prediction.to_dict(1))) == {
        "path": "a.jpg",
        "class_id": 1,
        "class_name": "bee",
        "score": 0.75,
        "top": [{"class_id": 1, "class_name": "bee", "score": 0.75}],
    }
