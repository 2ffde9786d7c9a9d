from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tresnet_tasks.datasets.transforms import LoadRandomResizedCrop


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Smooth colours, 640x480, as JPEG."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(path, quality=95)
    return path


def _load(path: Path, seed: int = 0, **kwargs: Any) -> dict[str, Any]:
    random.seed(seed)
    return LoadRandomResizedCrop(**kwargs)({"img_path": str(path)})


def test_gives_the_size_and_says_the_full_one(photo: Path) -> None:
    results = _load(photo, size=64)
    assert results["img"].shape == (64, 64, 3)
    assert results["img"].dtype == np.uint8
    assert results["ori_shape"] == (480, 640)


@pytest.mark.parametrize("seed", range(6))
def test_reduced_and_full_decoding_show_the_same(photo: Path, seed: int) -> None:
    reduced = _load(photo, seed, size=48)["img"].astype(float)
    full = _load(photo, seed, size=48, reduced=False)["img"].astype(float)
    assert np.abs(reduced - full).mean() < 1.5


def test_a_large_crop_is_decoded_at_reduced_size(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = []
    decode = cv2.imdecode
    monkeypatch.setattr(
        cv2, "imdecode", lambda data, flag: flags.append(flag) or decode(data, flag)
    )
    whole = {"scale": (1.0, 1.0), "ratio": (4 / 3, 4 / 3)}
    for kwargs in ({"size": 200}, {"size": 100}, {"size": 300}, {"size": 300, "density": 0.8}):
        _load(photo, **whole, **kwargs)
    _load(photo, size=100, reduced=False, **whole)
    kinds = [cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_COLOR_4]
    expected = [*kinds, cv2.IMREAD_COLOR_RGB, kinds[0], cv2.IMREAD_COLOR_RGB]
    assert flags == [flag | cv2.IMREAD_IGNORE_ORIENTATION for flag in expected]


def test_the_whole_image_is_that_of_opencvs_resize(photo: Path) -> None:
    crop = _load(photo, size=320, scale=(1, 1), ratio=(4 / 3, 4 / 3), reduced=False)["img"]
    image = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
    expected = cv2.resize(image, (320, 320), interpolation=cv2.INTER_LINEAR)
    assert np.abs(crop.astype(float) - expected).mean() < 1


def test_flips(photo: Path) -> None:
    straight = _load(photo, size=64, flip=0.0)["img"].astype(float)
    flipped = _load(photo, size=64, flip=1.0)["img"].astype(float)
    assert np.abs(straight[:, ::-1] - flipped).mean() < 0.5


def test_other_formats_and_bytes_are_taken(photo: Path, tmp_path: Path) -> None:
    Image.open(photo).save(tmp_path / "photo.png")
    jpeg = _load(photo, size=64, reduced=False)["img"].astype(float)
    png = _load(tmp_path / "photo.png", size=64)["img"]
    random.seed(0)
    from_bytes = LoadRandomResizedCrop(64, reduced=False)({"img": photo.read_bytes()})["img"]
    assert np.abs(jpeg - png).mean() < 1
    assert np.array_equal(from_bytes, jpeg)


@pytest.mark.parametrize("orientation", [3, 6])
def test_the_orientation_is_applied(photo: Path, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(photo).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    whole = {"size": 96, "scale": (1.0, 1.0), "ratio": (0.5, 2.0)}
    turned = _load(tmp_path / "turned.jpg", **whole)
    upright = np.rot90(_load(photo, **whole)["img"], {3: 2, 6: 3}[orientation])
    assert turned["ori_shape"] == {3: (480, 640), 6: (640, 480)}[orientation]
    if orientation == 3:  # the other draws from sides that are swapped
        assert np.abs(turned["img"].astype(float) - upright).mean() < 3


def test_an_image_that_no_crop_fits_gives_its_centre(tmp_path: Path) -> None:
    Image.new("RGB", (300, 3), "red").save(tmp_path / "line.png")
    assert (_load(tmp_path / "line.png", size=8)["img"] == (255, 0, 0)).all()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff no image")
    with pytest.raises(ValueError, match=r"bad\.jpg"):
        _load(tmp_path / "bad.jpg")


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"scale": (0, 1)}, {"ratio": (2, 1)}, {"flip": 2}, {"density": 0}]
)
def test_an_argument_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LoadRandomResizedCrop(**wrong)
