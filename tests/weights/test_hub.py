from __future__ import annotations

import pytest
import timm
from huggingface_hub import constants
from safetensors.torch import save_file

from tresnet_tasks.weights import HUB_WEIGHTS, find_weights

NAME = "timm/tresnet_m.miil_in21k_ft_in1k"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty hub cache, and no network."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def put(folder, name):
    """Lay a file into the cache as the hub's client does."""
    repo = folder / f"models--{name.replace('/', '--')}"
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    target = snapshot / "model.safetensors"
    target.write_bytes(b"weights")
    return target


def test_names_are_those_that_timm_publishes():
    published = {
        f"timm/{name}"
        for name in timm.list_pretrained("tresnet*")
        if timm.get_pretrained_cfg(name).hf_hub_id
    }
    assert set(HUB_WEIGHTS) == published


@pytest.mark.parametrize("name", [NAME, NAME.removeprefix("timm/"), f"hf-hub:{NAME}"])
def test_cached_file_is_found_offline(cache, name):
    target = put(cache, NAME)
    assert find_weights(name) == target


def test_name_that_is_not_cached_is_told_plainly(cache):
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE is set") as told:
        find_weights(NAME)
    assert NAME in str(told.value)
    assert f"hf download {NAME} model.safetensors" in str(told.value)


def test_misspelt_name_is_answered_with_the_nearest(cache):
    with pytest.raises(FileNotFoundError, match=r"Did you mean.*timm/tresnet_xl\.miil_in1k"):
        find_weights("timm/tresnet_xl.mil_in1k")


@pytest.mark.parametrize("name", ["nope.pth", "runs/best.pth", "runs/best", "timm/w.safetensors"])
def test_path_that_does_not_exist_is_told_with_where_it_was_looked_for(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as told:
        find_weights(name)
    assert f"{tmp_path / name} does not exist" in str(told.value)
    assert "resnet_xl" not in str(told.value)


def test_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "timm").mkdir()
    save_file({}, tmp_path / NAME)
    assert find_weights(NAME).is_file()


def test_folder_is_no_weights(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        find_weights(tmp_path)
