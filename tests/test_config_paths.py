from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tresnet_tasks import config_paths
from tresnet_tasks.config_paths import config_names, config_root, find_config


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config root of a few files, and a current folder that has nothing to do with it."""
    root = tmp_path / "root"
    for name in ("cls/tresnet_m_imagenet", "cls/tresnet_m_v1.5", "det/fcos", "_base_/runtime"):
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(config_paths, "config_root", lambda: root)
    return root


@pytest.mark.parametrize(
    "name",
    [
        "cls/tresnet_m_imagenet",
        "cls/tresnet_m_imagenet.py",
        "configs/cls/tresnet_m_imagenet.py",
        Path("cls/tresnet_m_imagenet"),
    ],
)
def test_a_name_is_found_under_the_root(root: Path, name: str | Path) -> None:
    assert find_config(name) == root / "cls" / "tresnet_m_imagenet.py"


def test_a_dot_in_a_name_is_no_suffix(root: Path) -> None:
    assert find_config("cls/tresnet_m_v1.5") == root / "cls" / "tresnet_m_v1.5.py"


@pytest.mark.parametrize("name", ["mine", "mine.py", "./mine.py"])
def test_a_file_of_the_current_folder_is_found(root: Path, name: str) -> None:
    Path("mine.py").write_text("")
    assert find_config(name).resolve() == Path("mine.py").resolve()


def test_the_users_own_file_comes_before_one_of_the_same_name(root: Path) -> None:
    Path("det").mkdir()
    Path("det/fcos.py").write_text("")
    assert find_config("det/fcos").resolve() == Path("det/fcos.py").resolve()


@pytest.mark.parametrize(
    "wanted", ["cls/tresnet_m_imagnet", "tresnet_m_imagenet", "xyz/tresnet_m_imagenet.py"]
)
def test_an_unknown_name_is_answered_with_the_nearest(root: Path, wanted: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"Did you mean .*cls/tresnet_m_imagenet\b"):
        find_config(wanted)


@pytest.mark.parametrize("wanted", ["qqqq", "cls", ".", "/", ""])
def test_what_resembles_nothing_gets_the_list(root: Path, wanted: str) -> None:
    with pytest.raises(FileNotFoundError) as refusal:
        find_config(wanted)
    assert str(root) in str(refusal.value)
    assert "det/fcos" in str(refusal.value)
    assert "_base_" not in str(refusal.value)


def test_a_checkout_has_its_own_configs(repository: Path) -> None:
    assert config_root() == repository / "configs"
    assert "cls/tresnet_m_imagenet" in config_names()


def test_an_installation_without_configs_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "tresnet_tasks"
    package.mkdir(parents=True)
    # another package's folder of this name, as careless packages leave it in site-packages
    (tmp_path / "site-packages" / "configs").mkdir()
    monkeypatch.setattr(config_paths, "_PACKAGE", package)
    with pytest.raises(FileNotFoundError, match="installation is incomplete"):
        config_root()
    shutil.copytree(tmp_path / "site-packages" / "configs", package / "configs")
    assert config_root() == package / "configs"
