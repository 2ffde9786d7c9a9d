"""The scenes of DigitScenes on disk: PNG images and COCO annotations, all written at once."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ..upstream.console import tell
from . import digit_scenes_render
from .digit_scenes_render import MIN_IMAGE_SIZE, SPLITS, VERSION

CLASSES = tuple("0123456789")

_IN_PROCESS = 1000  # up to so many scenes, starting another process costs more than it saves


def prepare_scenes(
    data_root: str | Path = "data/digit_scenes",
    *,
    image_size: int = 64,
    num_train: int = 20000,
    num_val: int = 1000,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Draw the scenes into ``data_root`` unless they are there.

    Written are ``train/000000.png`` ..., ``val/000000.png`` ..., ``annotations/train.json`` and
    ``annotations/val.json`` (COCO; the image records also carry ``class``, the largest digit, the
    annotations ``digit``, its index in scikit-learn's set), and ``manifest.json``. All of it
    appears at once, when complete; several processes may ask for it at the same time.

    Args:
        data_root: a directory that holds such scenes, is empty, or does not exist yet.
        image_size: side of the square images in pixels, >= 32.
        num_train, num_val: number of scenes, >= 1. More in ``data_root`` than asked for are fine:
            scene i is the same whatever the number.
        seed: of the scenes, >= 0.
        workers: number of processes, which has no influence on the scenes; None takes the free
            cores, at most 8.

    Returns:
        ``data_root``, absolute.

    Raises:
        ValueError: for an argument out of its range, or if ``data_root`` holds anything else.
        OSError: if ``data_root`` cannot be written.
    """
    for name, value, least in (
        ("image_size", image_size, MIN_IMAGE_SIZE),
        ("num_train", num_train, 1),
        ("num_val", num_val, 1),
        ("scene seed", seed, 0),
    ):
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}.")
    # Links are followed, else the final renaming would meet the link and not the directory.
    root = Path(data_root).resolve()
    wanted = {
        "generator": "DigitScenes",
        "version": VERSION,
        "image_size": image_size,
        "seed": seed,
        "num_train": num_train,
        "num_val": num_val,
    }
    if _holds(root, wanted):
        return root
    tell(f"Drawing {num_train + num_val} scenes into {root} (once) ...")
    start = time.perf_counter()
    draft = root.with_name(f".{root.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        draft.mkdir(parents=True)
        _draw_all(draft, wanted, workers or _free_cores())
        (draft / "manifest.json").write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        _publish(draft, root, wanted)
    except OSError as error:
        raise type(error)(
            f"cannot write DigitScenes to {root}: {error}. Set data_root to a directory that "
            "can be written."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    tell(f"Drew them in {time.perf_counter() - start:.1f} s.")
    return root


def _publish(draft: Path, root: Path, wanted: dict[str, Any]) -> None:
    """Give the finished directory its name, unless another process was first."""
    try:
        draft.rename(root)
    except OSError:
        if not _holds(root, wanted):
            raise


def _holds(root: Path, wanted: dict[str, Any]) -> bool:
    """Whether ``root`` holds the scenes; False where it is missing or empty, else ValueError."""
    manifest = root / "manifest.json"
    if not manifest.exists():
        if not root.exists() or (root.is_dir() and not any(root.iterdir())):
            return False
        raise ValueError(
            f"{root} is in use, but not for DigitScenes (it has no manifest.json). "
            "Set data_root to a new or empty directory, or move this one away."
        )
    try:
        found = _read_json(manifest)
    except ValueError:
        found = {}
    counts = ("num_train", "num_val")
    same = all(found.get(key) == value for key, value in wanted.items() if key not in counts)
    if same and all(
        isinstance(found.get(key), int) and found[key] >= wanted[key] for key in counts
    ):
        missing = [
            s for s in SPLITS if not annotation_file(root, s).exists() or not (root / s).is_dir()
        ]
        if not missing:
            return True
        raise ValueError(
            f"{root} lacks the files of split {' and '.join(missing)}. Delete the directory, "
            "then it is drawn again."
        )
    held = {key: found.get(key) for key in wanted if found.get(key) != wanted[key]}
    asked = {key: wanted[key] for key in held}
    raise ValueError(
        f"{root} holds DigitScenes drawn with {held}, but {asked} is asked for. "
        "Set data_root to another directory, or delete this one, then it is drawn again."
    )


def _draw_all(draft: Path, wanted: dict[str, Any], workers: int) -> None:
    """Draw both splits and write their annotations."""
    counts = {"train": wanted["num_train"], "val": wanted["num_val"]}
    for name in (*counts, "annotations"):
        (draft / name).mkdir()
    if sum(counts.values()) <= _IN_PROCESS:
        workers = 1
    jobs = [
        {
            "folder": str(draft),
            "shares": {split: (first, count, workers) for split, count in counts.items()},
            "image_size": wanted["image_size"],
            "seed": wanted["seed"],
            "records": str(draft / f"records-{first}.json"),
        }
        for first in range(workers)
    ]
    if workers == 1:
        digit_scenes_render.main(json.dumps(jobs[0]))
    else:
        _run_beside(jobs)
    parts = []
    for job in jobs:
        file = Path(str(job["records"]))
        parts.append(_read_json(file))
        file.unlink()
    for split in counts:
        records = sorted(
            (r for part in parts for r in part[split]), key=lambda record: int(record["index"])
        )
        content = json.dumps(_coco(records, wanted["image_size"]))
        annotation_file(draft, split).write_text(content, encoding="utf-8")


def _run_beside(jobs: list[dict[str, Any]]) -> None:
    """Run each job in a process of its own; digit_scenes_render.py says why as a plain script."""
    script = str(Path(digit_scenes_render.__file__))
    code = "import runpy, sys; path = sys.argv.pop(1); runpy.run_path(path, run_name='__main__')"
    running: list[subprocess.Popen[str]] = []
    try:
        for job in jobs:
            command = [sys.executable, "-c", code, script, json.dumps(job)]
            running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        for process in running:
            errors = process.communicate()[1]
            if process.returncode:
                raise RuntimeError(f"drawing the scenes failed in a process of its own:\n{errors}")
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


def _coco(records: list[dict[str, Any]], image_size: int) -> dict[str, Any]:
    """The records of ``write_scenes`` in COCO's format.

    Every id counts from 1, as some tools take 0 for "none".
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for record in records:
        image_id = record["index"] + 1
        images.append(
            {
                "id": image_id,
                "file_name": f"{record['index']:06d}.png",
                "width": image_size,
                "height": image_size,
                "class": CLASSES[record["digits"][0]["label"]],
            }
        )
        for digit in record["digits"]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": digit["label"] + 1,
                    "bbox": digit["bbox"],
                    "area": digit["bbox"][2] * digit["bbox"][3],
                    "iscrowd": 0,
                    "digit": digit["source"],
                }
            )
    return {
        "info": {
            "description": "DigitScenes: the handwritten digits of scikit-learn (UCI) on crops of "
            "its photographs china.jpg (danielbuechele) and flower.jpg (vultilion), both CC BY 2.0",
            "version": str(VERSION),
        },
        "licenses": [
            {"id": 1, "name": "CC BY 2.0", "url": "https://creativecommons.org/licenses/by/2.0/"}
        ],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)],
    }


def annotation_file(root: Path, split: str) -> Path:
    """Where the COCO annotations of a split lie."""
    return root / "annotations" / f"{split}.json"


def _read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _free_cores() -> int:
    """The cores of this process, shared with the other ranks on this machine; at most 8."""
    known = hasattr(os, "sched_getaffinity")  # Linux only
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return max(1, min(8, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
