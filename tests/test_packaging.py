"""What an installation holds. `.ci/check_installs.py` makes real ones and uses them."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

import tresnet_tasks


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that goes into a wheel as it stands."""
    base = tmp_path_factory.mktemp("build")
    build = ["setup.py", "--quiet", "build", "--build-base", str(base)]
    line = [sys.executable, "-W", "ignore", *build]
    done = subprocess.run(line, cwd=repository, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"setup.py build failed:\n{done.stdout}{done.stderr}")
    return base / "lib"


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_an_installation_holds_every_file_of_the_package(built: Path, repository: Path) -> None:
    installed = {n for n in _files(built / "tresnet_tasks") if not n.startswith("configs/")}
    assert installed == _files(repository / "tresnet_tasks")


def test_an_installation_holds_every_config_in_its_folder(built: Path, repository: Path) -> None:
    assert _files(built / "tresnet_tasks" / "configs") == _files(repository / "configs")


def test_an_installation_holds_nothing_else(built: Path) -> None:
    assert [path.name for path in built.iterdir()] == ["tresnet_tasks"]


def test_configs_are_data(repository: Path) -> None:
    assert not list((repository / "configs").rglob("__init__.py"))


def test_the_console_script_exists(repository: Path) -> None:
    settings = ConfigParser()
    settings.read(repository / "setup.cfg", encoding="utf-8")
    name, _, target = settings["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    assert name == "tresnet-tasks"
    assert callable(getattr(import_module(module), function))


def test_the_version_is_a_literal(repository: Path) -> None:
    """setuptools reads it without importing the package, which its build environment could not."""
    assert f'__version__ = "{tresnet_tasks.__version__}"' in (
        repository / "tresnet_tasks" / "__init__.py"
    ).read_text(encoding="utf-8")
