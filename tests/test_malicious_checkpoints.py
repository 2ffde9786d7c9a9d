"""Files that would run code, through every way in which the commands read a file."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tresnet_tasks.upstream.checkpoints import read_checkpoint
from tresnet_tasks.weights import load_weights


class Payload:
    """Pickles to a shell command that leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def zip_file(content: Any, path: Path) -> None:
    torch.save(content, path)


def legacy_file(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def pickle_file(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=4))


Write = Callable[[Any, Path], None]
KINDS = {
    "weights.pth": zip_file,
    "legacy.pth": legacy_file,
    "pickle.pth": pickle_file,
    "weights.pdparams": pickle_file,
    "zip.pdparams": zip_file,
    "weights.safetensors": pickle_file,
}
WAYS = ("test", "predict", "predict_config", "convert", "resume", "load_from", "init_cfg")


def arguments(way: str, run: Any, file: Path, folder: Path) -> tuple[Any, ...]:
    train = ("train", run.config, "--work-dir", folder / "w")
    init_cfg = f"model.backbone.init_cfg={{'type': 'Pretrained', 'checkpoint': {str(file)!r}}}"
    return {
        "test": ("test", run.config, file, "--work-dir", folder / "w"),
        "predict": ("predict", file, run.data / "val"),
        "predict_config": ("predict", file, run.data / "val", "--config", run.config),
        "convert": ("convert", file, folder / "out.pth"),
        "resume": (*train, "--resume", file),
        "load_from": (*train, "--cfg-options", f"load_from={file}"),
        "init_cfg": (*train, "--cfg-options", init_cfg),
    }[way]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def test_the_payload_does_run_where_nobody_looks(marker: Path) -> None:
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_carries_code_is_refused_and_the_code_does_not_run(
    kind: str, way: str, tiny_run: Any, command: Any, tmp_path: Path, marker: Path
) -> None:
    content = read_checkpoint(tiny_run.best)
    content["meta"]["extra"] = Payload(marker)
    KINDS[kind](content, tmp_path / kind)
    printed = command(*arguments(way, tiny_run, tmp_path / kind, tmp_path), status=1)
    assert not marker.exists()
    assert kind in printed


@pytest.mark.parametrize("kind", KINDS)
def test_load_weights_refuses_it_too(
    kind: str, tiny_run: Any, tmp_path: Path, marker: Path
) -> None:
    from tresnet_tasks.backbones import TResNet

    KINDS[kind]({"body.conv1.conv.weight": Payload(marker)}, tmp_path / kind)
    with pytest.raises(ValueError, match=kind):
        load_weights(TResNet(), tmp_path / kind)
    assert not marker.exists()


def test_resuming_passes_over_the_newest_checkpoint_if_it_carries_code(
    tiny_run: Any, command: Any, tmp_path: Path, marker: Path
) -> None:
    shutil.copytree(tiny_run.work_dir, tmp_path / "run")
    torch.save({"state_dict": {}, "meta": Payload(marker)}, tmp_path / "run" / "epoch_9.pth")
    (tmp_path / "run" / "last_checkpoint").write_text("epoch_9.pth")
    options = ("--resume", "--cfg-options", "train_cfg.max_epochs=3")
    printed = command("train", tiny_run.config, "--work-dir", tmp_path / "run", *options)
    assert "epoch_9.pth is passed over" in printed and "epoch 3/3" in printed
    assert not marker.exists()


@pytest.mark.parametrize("way", WAYS)
def test_python_text_in_a_clean_file_is_never_run(
    way: str, tiny_run: Any, command: Any, tmp_path: Path, marker: Path
) -> None:
    """What mmengine's resume executes, and our own text of the config, beside the weights."""
    text = f"import os\nos.system({f'touch {marker}'!r})\nmodel = dict()\n"
    content = read_checkpoint(tiny_run.work_dir / "epoch_1.pth")
    content["meta"].update(cfg_text=text, config=text, exp_name=text)
    torch.save(content, tmp_path / "clean.pth")
    command(*arguments(way, tiny_run, tmp_path / "clean.pth", tmp_path))
    assert not marker.exists()


@pytest.mark.parametrize("way", WAYS)
def test_text_in_place_of_the_stored_config_is_never_run(
    way: str, tiny_run: Any, command: Any, tmp_path: Path, marker: Path
) -> None:
    content = read_checkpoint(tiny_run.work_dir / "epoch_1.pth")
    content["meta"]["cfg"] = f"import os\nos.system({f'touch {marker}'!r})\n"
    torch.save(content, tmp_path / "clean.pth")
    # Only predict needs the stored config, unless it is given another.
    status = 1 if way == "predict" else 0
    command(*arguments(way, tiny_run, tmp_path / "clean.pth", tmp_path), status=status)
    assert not marker.exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_stored_config_that_names_a_function_never_calls_it(
    way: str, tiny_run: Any, command: Any, tmp_path: Path, marker: Path
) -> None:
    content = read_checkpoint(tiny_run.work_dir / "epoch_1.pth")
    content["meta"]["cfg"]["model"]["backbone"] = {
        "type": "os.system",
        "command": f"touch {marker}",
    }
    torch.save(content, tmp_path / "clean.pth")
    status = 1 if way == "predict" else 0
    command(*arguments(way, tiny_run, tmp_path / "clean.pth", tmp_path), status=status)
    assert not marker.exists()
