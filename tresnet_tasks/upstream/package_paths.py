"""Finds installed packages and their configs by Python's own means, so that a config can begin with one of mmdet's.

``_base_ = 'mmdet::fcos/...'`` makes mmengine up to 0.10.7 (the newest) import ``pkg_resources``, which new versions of
setuptools lack; and it reads hundreds of metafiles first. Can go when mmengine asks ``importlib``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(package) is not None


def get_installed_path(package: str) -> str:
    """The folder of a package.

    Raises:
        ModuleNotFoundError: if there is no such package.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"package {package!r} is not installed, and a config asks for it: pip install {package}"
        )
    return str(Path(spec.origin).parent)


def external_config_path(package_path: str, name: str) -> str:
    """The file of a config that a package of OpenMMLab's brings along.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = Path(package_path, ".mim", "configs", name)
    path = path if path.suffix == ".py" else path.with_name(f"{path.name}.py")
    if not path.is_file():
        raise FileNotFoundError(
            f"package {Path(package_path).name!r} has no config {name!r}; expected the name of a file "
            f"in {path.parents[len(Path(name).parts) - 1]}"
        )
    return str(path)


def install() -> None:
    """Give mmengine's reader of configs these in place of its own."""
    from mmengine.config import config

    vars(config).update(
        is_installed=is_installed,
        get_installed_path=get_installed_path,
        _get_external_cfg_path=external_config_path,
    )
