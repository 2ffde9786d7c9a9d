from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps

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
    decoded = []
    decode = simplejpeg.decode_jpeg

    def note(*args: Any, **kwargs: Any) -> Any:
        image = decode(*args, **kwargs)
        decoded.append(image.shape[1])
        return image

    monkeypatch.setattr(simplejpeg, "decode_jpeg", note)
    whole = {"scale": (1.0, 1.0), "ratio": (4 / 3, 4 / 3)}
    for kwargs in ({"size": 200}, {"size": 100}, {"size": 300, "density": 1.0}, {"size": 300}):
        _load(photo, **whole, **kwargs)
    _load(photo, size=100, reduced=False, **whole)
    assert decoded == [320, 160, 640, 320, 640]


def test_a_large_crop_of_another_format_is_averaged(tmp_path: Path) -> None:
    # Stripes of a pixel each: one of two pixels alone would be black or white.
    stripes = np.tile(np.array([0, 255], np.uint8)[None, :, None], (96, 48, 3))
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    crop = _load(tmp_path / "stripes.png", size=24, scale=(1, 1), ratio=(1, 1))["img"]
    assert np.abs(crop.astype(int) - 127).max() <= 1


def test_the_whole_image_is_that_of_opencvs_resize(photo: Path) -> None:
    crop = _load(photo, size=320, scale=(1, 1), ratio=(4 / 3, 4 / 3), reduced=False)["img"]
    image = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
    expected = cv2.resize(image, (320, 320), interpolation=cv2.INTER_LINEAR)
    assert np.abs(crop.astype(float) - expected).mean() < 1


def test_flips(photo: Path) -> None:
    straight = _load(photo, size=64, flip=0.0)["img"]
    assert np.array_equal(straight[:, ::-1], _load(photo, size=64, flip=1.0)["img"])


def test_a_flip_leaves_the_callers_pixels_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    kept = pixels.copy()
    whole = LoadRandomResizedCrop(64, scale=(1, 1), ratio=(1, 1), flip=1.0)
    assert np.array_equal(whole({"img": pixels})["img"], kept[:, ::-1])
    assert np.array_equal(pixels, kept)


def test_crops_lie_everywhere_and_within_the_image() -> None:
    # A pixel's colours are its place; every position comes up.
    rows, columns = np.mgrid[:7, :9].astype(np.uint8)
    image = np.stack([rows, columns, rows], axis=2)
    loader = LoadRandomResizedCrop(4, scale=(16 / 63, 16 / 63), ratio=(1, 1))
    corners = [loader({"img": image})["img"][0, 0] for _ in range(400)]
    assert {int(corner[0]) for corner in corners} == set(range(4))
    assert {int(corner[1]) for corner in corners} == set(range(6))


def test_other_formats_bytes_and_arrays_are_taken(photo: Path, tmp_path: Path) -> None:
    Image.open(photo).save(tmp_path / "photo.png")
    jpeg = _load(photo, size=64, reduced=False)["img"].astype(float)
    png = _load(tmp_path / "photo.png", size=64)["img"]
    random.seed(0)
    from_bytes = LoadRandomResizedCrop(64, reduced=False)({"img": photo.read_bytes()})["img"]
    random.seed(0)
    from_pixels = LoadRandomResizedCrop(64)({"img": np.array(Image.open(photo))})["img"]
    assert np.abs(jpeg - png).mean() < 1
    assert np.array_equal(from_bytes, jpeg)
    assert np.array_equal(from_pixels, jpeg)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_gives_the_crops_of_the_upright_one(
    photo: Path, tmp_path: Path, orientation: int
) -> None:
    # A size that is no multiple of a fraction's: its last column at reduced size is a part of one.
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.open(photo).crop((0, 0, 565, 475))
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "turned.jpg")))
    for seed in range(8):
        turned = _load(tmp_path / "turned.jpg", seed, size=48, flip=0.5)
        exact = _load(tmp_path / "turned.jpg", seed, size=48, flip=0.5, reduced=False)
        assert turned["ori_shape"] == upright.shape[:2]
        assert np.abs(turned["img"].astype(float) - exact["img"]).mean() < 1.5
        # So large that nothing is reduced: no pixel differs by more than its rounding.
        large = _load(tmp_path / "turned.jpg", seed, size=320, flip=0.5, reduced=False)["img"]
        random.seed(seed)
        expected = LoadRandomResizedCrop(320, flip=0.5)({"img": upright})["img"]
        assert np.abs(large.astype(int) - expected).max() <= 1


def test_an_image_that_no_crop_fits_gives_its_centre(tmp_path: Path) -> None:
    Image.new("RGB", (300, 3), "red").save(tmp_path / "line.png")
    assert (_load(tmp_path / "line.png", size=8)["img"] == (255, 0, 0)).all()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff no image")
    with pytest.raises(ValueError, match=r"bad\.jpg"):
        _load(tmp_path / "bad.jpg")


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"size": (224, 224)},
        {"size": 224.5},
        {"scale": (0, 1)},
        {"scale": 0.5},
        {"ratio": (2, 1)},
        {"ratio": (1,)},
        {"flip": 2},
        {"density": 0},
    ],
)
def test_an_argument_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LoadRandomResizedCrop(**wrong)
