"""The recipes for transfer find their data where ``prepare`` lays it, and give the size that they state."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from scipy.io import savemat

from tresnet_tasks.datasets import PackClsInputs  # noqa: F401  (fills the registry of transforms)
from tresnet_tasks.registry import TRANSFORMS
from tresnet_tasks.training.launch import LaunchOptions, load_config, prepare_config
from tresnet_tasks.weights import HUB_WEIGHTS

ROOT = Path(__file__).resolve().parents[2] / "configs"
CONFIGS = sorted(path.stem for path in (ROOT / "transfer").glob("*.py"))
PUBLISHED = [name for name in CONFIGS if re.search("_(cifar10|cifar100|cars|flowers102)$", name)]
# Classes of the data below, and the size of what the network gets.
EXPECTED = {
    "cifar10": (10, 224),
    "cifar100": (100, 224),
    "cars": (196, 368),
    "flowers102": (102, 368),
    "imagenette": (2, 128),
    "resnet50": (2, 128),
    "photos": (2, 224),
    "distilled": (102, 368),
}


def write_cifar(folder: Path, files: list[str], meta: str, names: str, labels: str) -> None:
    folder.mkdir(parents=True)
    number = EXPECTED[folder.parent.name][0]
    content = {names: [f"class {label}" for label in range(number)]}
    (folder / meta).write_bytes(pickle.dumps(content, 2))
    generator = np.random.default_rng(0)
    for file in files:
        batch = {labels: [0, 1, 2, 3], "data": generator.integers(0, 256, (4, 3072), np.uint8)}
        (folder / file).write_bytes(pickle.dumps(batch, 2))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data/``: what the names of the classes are read from, and all of CIFAR-10."""
    root = tmp_path_factory.mktemp("desk")
    batches = [f"data_batch_{number}" for number in range(1, 6)]
    write_cifar(
        root / "data/cifar10/cifar-10-batches-py",
        [*batches, "test_batch"],
        *("batches.meta", "label_names", "labels"),
    )
    write_cifar(
        root / "data/cifar100/cifar-100-python", [], *("meta", "fine_label_names", "fine_labels")
    )
    (root / "data/cars/devkit").mkdir(parents=True)
    names = np.array([[f"car {number}" for number in range(196)]], object)
    savemat(root / "data/cars/devkit/cars_meta.mat", {"class_names": names})
    for name in ("imagenette", "my_photos"):
        for split in ("train", "val"):
            for label in ("tench", "cassette player"):
                (root / "data" / name / split / label).mkdir(parents=True)
    return root


@pytest.fixture
def prepared(data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    monkeypatch.chdir(data)
    return lambda name: prepare_config(load_config(f"configs/transfer/{name}.py"), LaunchOptions())


def test_there_is_one_for_each_variant_and_data_set() -> None:
    assert len(PUBLISHED) == 12
    assert {name.rsplit("_", 1)[-1] for name in CONFIGS} == set(EXPECTED)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_has_the_classes_of_its_data_and_the_size_it_states(
    name: str, prepared: Callable[[str], Config]
) -> None:
    cfg = prepared(name)
    number, size = EXPECTED[name.rsplit("_", 1)[-1]]
    assert cfg.model.head.num_classes == number
    side = 32 if "cifar" in name else 500
    image = np.asarray(Image.effect_mandelbrot((side, side), (-2, -1, 1, 1), 99).convert("RGB"))
    sets = cfg.train_dataloader.dataset.get("datasets", {"all": cfg.train_dataloader.dataset})
    for dataset in (*sets.values(), cfg.val_dataloader.dataset):
        results: Any = {"img": image.copy(), "gt_label": 0, "sample_idx": 0}
        for step in dataset.pipeline:
            results = TRANSFORMS.build(step)(results)
        assert tuple(results["inputs"].shape) == (3, size, size)


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_starts_from_published_weights_of_its_variant(name: str) -> None:
    cfg = Config.fromfile(ROOT / "transfer" / f"{name}.py")
    assert cfg.load_from in HUB_WEIGHTS
    assert cfg.load_from.startswith(f"timm/{cfg.model.backbone.arch}.")


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator")
def test_the_whole_of_a_recipe_runs(
    data: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    monkeypatch.chdir(data)
    blocks = ("basic", "basic", "bottleneck", "bottleneck")
    arch = {"layers": (1, 1, 1, 1), "width_factor": 0.125, "blocks": blocks}
    backbone = f"{{'_delete_':True,'type':'TResNet','arch':{arch}}}".replace(" ", "")
    smaller = [f"model.backbone={backbone}", "load_from=None", "train_dataloader.batch_size=4"]
    for split in ("train", "val", "test"):
        loader = f"{split}_dataloader"
        smaller += [f"{loader}.num_workers=0", f"{loader}.persistent_workers=False"]
        resize = f"{loader}.dataset.pipeline.1.transforms.{3 if split == 'train' else 0}"
        smaller += [f"{resize}.height=32", f"{resize}.width=32"]
    told = command("train", "transfer/tresnet_m_cifar10", "--dry-run", "--cfg-options", *smaller)
    assert "training, validation, checkpoint and resume work" in told
