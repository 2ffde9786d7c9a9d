"""Input: photos of 667x500 px to augmented 224 px crops, images a second on one core.

Every reader gives what a training of that kind gets: a random resized crop and a flip. They run in
turns in one process. "torchvision on PIL" is what torchvision's own training script does unless told
otherwise: normalised floats. "v2" is the same in its newer transforms. The others give uint8, which
the device makes floats of. "simplejpeg at reduced size and albumentations" decodes the whole photo
as small as the result, whatever the crop: fast, but it blurs small crops. "ours, exact" draws the
crop first and decodes the rows down to its end; "ours" also decodes a JPEG at 1/2, 1/4 or 1/8 where
the drawn crop allows, and less exactly; "density 1" only where it still decodes a pixel or more for
each of the crop. The last lines say how far its crops are from the exact ones, on a scale of 0 to
255, and how many cores feed a GPU.

The time depends on how much is in the photos: their bytes are told. Made-up ones hold structure of
every size, weaker the finer, as photos do.

examples:
  python tools/benchmark.py data
  python tools/benchmark.py data --images photos/ --quality 75 --rounds 20
  python tools/benchmark.py data --gpu 2500 --out data.json
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import simplejpeg
import torch
from measuring.interleaved import Spread, ratios, time_interleaved
from measuring.options import count, machine
from measuring.results import print_table, write_results
from PIL import Image

from tresnet_tasks.datasets.image_io import read_image
from tresnet_tasks.registry import TRANSFORMS
from tresnet_tasks.upstream.opencv import cv2

_REFERENCE = "torchvision on PIL"
_REDUCED = "simplejpeg at reduced size and albumentations"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a reader."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = _photos(args.images, Path(folder), args.number, args.quality)
        size = sum(file.stat().st_size for file in files) / len(files) / 1000
        readers = _readers(args.size)
        runs = {name: _all(reader, files) for name, reader in readers.items()}
        seconds = time_interleaved(runs, args.rounds)
        apart = _difference(readers["ours"], readers["ours, exact"], files)
    relative = ratios(seconds, _REFERENCE)
    rows = [
        {
            "reader": name,
            "img/s": (speed := len(files) / Spread.of(values).median),
            f"speed / {_REFERENCE}": 1 / relative[name].median,
            "quartiles": f"{1 / relative[name].high:.2f} to {1 / relative[name].low:.2f}",
            **{f"cores for {gpu} img/s": gpu / speed for gpu in args.gpu},
        }
        for name, values in seconds.items()
    ]
    print(
        f"{len(files)} photos of {size:.0f} kB to {args.size} px, one core, "
        f"{machine(torch.device('cpu'))}"
    )
    print_table(rows)
    about = (
        f"photos of {size:.0f} kB",
        f"ours: {apart:.2f} of 255 from the exact crops, mean absolute",
    )
    print(about[-1])
    write_results(args.out, machine(torch.device("cpu")), rows, about)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="folder of JPEGs, of which --number from all over it are resized to 667x500; made-up "
        "photos if left out",
    )
    parser.add_argument(
        "--quality", type=_quality, default=75, help="of the JPEGs (default: %(default)s, Pillow's)"
    )
    parser.add_argument("--number", type=count, default=32, help="photos (default: %(default)s)")
    parser.add_argument(
        "--size", type=count, default=224, help="of the crops (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=count, default=10, help="(default: %(default)s)")
    parser.add_argument(
        "--gpu",
        nargs="+",
        type=count,
        default=[1000, 3000],
        help="images a second that a GPU takes (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, help="also write the results to this .json file")
    return parser


def _quality(text: str) -> int:
    value = count(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"got {text}; expected 1 to 100")
    return value


def _photos(source: Path | None, folder: Path, number: int, quality: int) -> list[Path]:
    """JPEGs of 667x500 px."""
    found: list[Path] = []
    if source is not None:
        if not source.is_dir():
            raise ValueError(f"there is no folder {source}; name one of photos.")
        every = sorted(f for f in source.rglob("*") if f.suffix.lower() in (".jpg", ".jpeg"))
        if not every:
            raise ValueError(f"{source} holds no .jpg or .jpeg; name a folder of photos.")
        # Spread over the folder, as the first may be all of a kind.
        taken = min(number, len(every))
        found = [every[index * len(every) // taken] for index in range(taken)]
    generator = np.random.default_rng(0)
    files = []
    for index in range(len(found) or number):
        if found:
            pixels = read_image(found[index])  # names what it cannot read
            image = Image.fromarray(pixels).resize((667, 500), Image.Resampling.BICUBIC)
        else:
            layers = np.zeros((500, 667, 3))
            for cells in (2, 4, 8, 16, 32, 64, 128, 256):
                noise = generator.standard_normal((cells, cells, 3)).astype(np.float32)
                # Falling so that they take the bytes of flower photos enlarged to this size.
                layers += (
                    60 / cells**0.5 * cv2.resize(noise, (667, 500), None, 0, 0, cv2.INTER_CUBIC)
                )
            image = Image.fromarray(np.clip(128 + layers, 0, 255).astype(np.uint8))
        files.append(folder / f"{index}.jpg")
        image.save(files[-1], quality=quality)
    return files


def _readers(size: int) -> dict[str, Callable[[Path], Any]]:
    from torchvision import transforms as v1
    from torchvision.transforms import v2

    # references/classification/presets.py of torchvision, for --backend PIL, without and with
    # --use-v2.
    script = v1.Compose(
        [
            v1.RandomResizedCrop(size, antialias=True),
            v1.RandomHorizontalFlip(),
            v1.PILToTensor(),
            v1.ConvertImageDtype(torch.float),
            v1.Normalize(*_IMAGENET),
        ]
    )
    crop = [v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()]
    to_uint8 = v2.Compose([*crop, v2.PILToTensor()])
    to_float = v2.Compose([to_uint8, v2.ToDtype(torch.float, scale=True), v2.Normalize(*_IMAGENET)])
    compose = albumentations.Compose(
        [
            albumentations.RandomResizedCrop(size=(size, size)),
            albumentations.HorizontalFlip(p=0.5),
        ]
    )
    pack = {"type": "PackClsInputs"}
    separate = [
        {"type": "LoadImage"},
        {
            "type": "Albumentations",
            "transforms": [
                {"type": "RandomResizedCrop", "size": (size, size)},
                {"type": "HorizontalFlip", "p": 0.5},
            ],
        },
        pack,
    ]
    one = {"type": "LoadRandomResizedCrop", "size": size, "flip": 0.5}
    return {
        _REFERENCE: lambda path: script(_open(path)),
        "torchvision v2 on PIL": lambda path: to_float(_open(path)),
        "torchvision v2 on PIL, uint8": lambda path: to_uint8(_open(path)),
        _REDUCED: lambda path: compose(image=_reduced(path, size))["image"],
        "LoadImage and albumentations": _pipeline(separate),
        "ours, exact": _pipeline([{**one, "reduced": False}, pack]),
        "ours": _pipeline([one, pack]),
        "ours, density 1": _pipeline([{**one, "density": 1.0}, pack]),
    }


def _open(path: Path) -> Image.Image:
    return Image.open(BytesIO(path.read_bytes())).convert("RGB")


def _reduced(path: Path, size: int) -> np.ndarray[Any, Any]:
    """The whole photo at the least scale that keeps ``size``, whatever the crop will be."""
    data = path.read_bytes()
    return simplejpeg.decode_jpeg(data, min_height=size, min_width=size)


def _pipeline(configs: list[dict[str, Any]]) -> Callable[[Path], Any]:
    steps = [TRANSFORMS.build(config) for config in configs]

    def run(path: Path) -> Any:
        results: dict[str, Any] = {"img_path": str(path), "gt_label": 0}
        for step in steps:
            results = step(results)
        return results

    return run


def _all(reader: Callable[[Path], Any], files: list[Path]) -> Callable[[], None]:
    def run() -> None:
        for path in files:
            reader(path)

    return run


def _difference(
    one: Callable[[Path], Any], other: Callable[[Path], Any], files: list[Path]
) -> float:
    apart = []
    for seed, path in enumerate(files):
        crops = []
        for reader in (one, other):
            random.seed(seed)
            crops.append(reader(path)["inputs"].float())
        apart.append((crops[0] - crops[1]).abs().mean().item())
    return sum(apart) / len(apart)
