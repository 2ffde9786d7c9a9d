from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mmengine.config import Config

import tresnet_tasks.registry  # noqa: F401  (installs the repair)


def read(tmp_path: Path, base: str) -> Config:
    path = tmp_path / "own.py"
    path.write_text(f"_base_ = {base!r}\nmodel = dict(bbox_head=dict(num_classes=3))\n")
    return Config.fromfile(path)


@pytest.mark.parametrize(
    "base",
    ["mmdet::_base_/models/retinanet_r50_fpn.py", "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"],
)
def test_a_config_of_mmdets_serves_as_base_without_pkg_resources(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pkg_resources", None)  # as new versions of setuptools have it
    cfg = read(tmp_path, base)
    assert cfg.model.type == "RetinaNet"
    assert cfg.model.bbox_head.num_classes == 3


def test_a_missing_config_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"'mmdet' has no config '_base_/models/retina.py'.*configs"
    ):
        read(tmp_path, "mmdet::_base_/models/retina.py")


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="mmtrack is not installed"):
        read(tmp_path, "mmtrack::_base_/models/x.py")
