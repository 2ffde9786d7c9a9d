"""Input: photos of 667x500 px to augmented 224 px crops, images a second on one core.

Every reader gives what a training of that kind gets: a random resized crop and a flip, as uint8.
They run in turns in one process. "ours" draws the crop first and decodes at full size, "ours,
reduced" decodes a JPEG at 1/2, 1/4 or 1/8 where the drawn crop allows. The last lines say how far
their crops are from those of full decoding, on a scale of 0 to 255.

examples:
  python tools/benchmark.py data
  python tools/benchmark.py data --images photos/ --rounds 20
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring.interleaved import Spread, ratios, time_interleaved
from measuring.options import machine
from measuring.results import print_table, write_results
from PIL import Image

from tresnet_tasks.registry import TRANSFORMS


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print one row a reader."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = _photos(args.images, Path(folder), args.number)
        readers = _readers(args.size)
        runs = {name: _all(reader, files) for name, reader in readers.items()}
        seconds = time_interleaved(runs, args.rounds)
        apart = {
            name: _difference(reader, readers["ours"], files)
            for name, reader in readers.items()
            if name.startswith("ours, reduced")
        }
    relative = ratios(seconds, "torchvision on PIL")
    rows = [
        {
            "reader": name,
            "img/s": len(files) / Spread.of(values).median,
            "speed / torchvision on PIL": 1 / relative[name].median,
            "quartiles": f"{1 / relative[name].high:.2f} to {1 / relative[name].low:.2f}",
        }
        for name, values in seconds.items()
    ]
    print(f"{len(files)} photos to {args.size} px, one core, {machine(torch.device('cpu'))}")
    print_table(rows)
    for name, difference in apart.items():
        print(f"{name}: {difference:.2f} of 255 from the crops of full decoding, mean absolute")
    write_results(args.out, machine(torch.device("cpu")), [*rows, {"differences": apart}])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--images", type=Path, help="folder of JPEGs, resized to 667x500; made-up ones if left out"
    )
    parser.add_argument("--number", type=int, default=32, help="photos (default: %(default)s)")
    parser.add_argument("--size", type=int, default=224, help="of the crops (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, help="also write the results to this .json file")
    return parser


def _photos(source: Path | None, folder: Path, number: int) -> list[Path]:
    """JPEGs of 667x500 px at quality 90."""
    found: list[Path] = [] if source is None else sorted(source.rglob("*.jp*g"))[:number]
    if source is not None and not found:
        raise ValueError(f"{source} holds no .jpg; name a folder of photos.")
    generator = np.random.default_rng(0)
    files = []
    for index in range(len(found) or number):
        if found:
            image = (
                Image.open(found[index]).convert("RGB").resize((667, 500), Image.Resampling.BICUBIC)
            )
        else:  # structure of every size, as photos have it
            layers = np.zeros((500, 667, 3))
            for cells in (4, 16, 64, 256):
                noise = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
                layer = Image.fromarray(noise).resize((667, 500), Image.Resampling.BICUBIC)
                layers += np.asarray(layer) / 4
            image = Image.fromarray(layers.astype(np.uint8))
        files.append(folder / f"{index}.jpg")
        image.save(files[-1], quality=90)
    return files


def _readers(size: int) -> dict[str, Callable[[Path], Any]]:
    from torchvision.transforms import v2

    theirs = v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.PILToTensor()])
    flip = {"type": "HorizontalFlip", "p": 0.5}
    crop = {"type": "RandomResizedCrop", "size": (size, size)}
    pack = {"type": "PackClsInputs"}
    albumentations = {"type": "Albumentations", "transforms": [crop, flip]}
    full = [{"type": "LoadImage"}, albumentations, pack]
    one = {"type": "LoadRandomResizedCrop", "size": size, "flip": 0.5}
    return {
        "torchvision on PIL": lambda path: theirs(
            Image.open(BytesIO(path.read_bytes())).convert("RGB")
        ),
        "ours, albumentations' crop": _pipeline(full),
        "ours": _pipeline([{**one, "reduced": False}, pack]),
        "ours, reduced": _pipeline([one, pack]),
        "ours, reduced, density 0.75": _pipeline([{**one, "density": 0.75}, pack]),
    }


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
