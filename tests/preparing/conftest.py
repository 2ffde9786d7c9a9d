"""Small archives in the published layouts, and a server that gives them as servers do."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tresnet_tasks.preparing import SOURCES, DataSource

Files = dict[str, bytes]


def photo(seed: int, side: int = 16) -> bytes:
    """A JPEG of noise, different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def tar(files: Files, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def zipped(files: Files) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def mat(**values: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, values)
    return file.getvalue()


def _photos(pattern: str, number: int, first: int = 0) -> Files:
    return {pattern.format(i + 1): photo(first + i) for i in range(number)}


# ------------------------------------------------------------------- the published layouts, small


def _cifar(folder: str, batches: dict[str, int], meta: dict[str, Any], key: str) -> bytes:
    files = {}
    generator = np.random.default_rng(0)
    for name, number in batches.items():
        if number:
            data = generator.integers(0, 256, (number, 3072), dtype=np.uint8)
            meta[name] = {"data": data, key: [i % 2 for i in range(number)]}
    for name, content in meta.items():
        files[f"{folder}/{name}"] = pickle.dumps(content, protocol=2)
    return tar(files, "w:gz")


def cifar10() -> Files:
    batches = {**{f"data_batch_{i}": 2 for i in range(1, 6)}, "test_batch": 3}
    meta = {"batches.meta": {"label_names": [f"class {i}" for i in range(10)]}}
    return {"cifar-10-python.tar.gz": _cifar("cifar-10-batches-py", batches, meta, "labels")}


def cifar100() -> Files:
    meta = {"meta": {"fine_label_names": [f"class {i}" for i in range(100)]}}
    data = _cifar("cifar-100-python", {"train": 6, "test": 3}, meta, "fine_labels")
    return {"cifar-100-python.tar.gz": data}


def flowers102() -> Files:
    return {
        "102flowers.tgz": tar(_photos("jpg/image_{:05d}.jpg", 9), "w:gz"),
        "imagelabels.mat": mat(labels=np.arange(1, 10)),
        "setid.mat": mat(trnid=np.arange(1, 4), valid=np.arange(4, 6), tstid=np.arange(6, 10)),
    }


def cars() -> Files:
    def notes(names: range, *, labelled: bool = True) -> bytes:
        fields = {"fname": "O", **({"class": "O"} if labelled else {})}
        rows = [(f"{i:05d}.jpg", *((1 + i % 2,) if labelled else ())) for i in names]
        return mat(annotations=np.array(rows, dtype=list(fields.items())))

    kit = {
        "devkit/cars_meta.mat": mat(class_names=np.array(["Coupe 1", "Van 2"], dtype=object)),
        "devkit/cars_train_annos.mat": notes(range(1, 5)),
        "devkit/cars_test_annos.mat": notes(range(1, 4), labelled=False),
    }
    return {
        "cars_train.tgz": tar(_photos("cars_train/{:05d}.jpg", 4), "w:gz"),
        "cars_test.tgz": tar(_photos("cars_test/{:05d}.jpg", 3, first=9), "w:gz"),
        "car_devkit.tgz": tar(kit, "w:gz"),
        "cars_test_annos_withlabels.mat": notes(range(1, 4)),
    }


def _voc(year: int, splits: dict[str, range]) -> bytes:
    top, files = f"VOCdevkit/VOC{year}", {}
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    for split, numbers in splits.items():
        files[f"{top}/ImageSets/Main/{split}.txt"] = "".join(f"{i:06d}\n" for i in numbers).encode()
        for i in numbers:
            files[f"{top}/JPEGImages/{i:06d}.jpg"] = photo(i)
            size = "<size><width>16</width><height>16</height><depth>3</depth></size>"
            thing = f"<object><name>cat</name><difficult>0</difficult>{box}</object>"
            text = f"<annotation>{size}{thing}</annotation>"
            files[f"{top}/Annotations/{i:06d}.xml"] = text.encode()
    return tar(files)


def voc07() -> Files:
    return {
        "VOCtrainval_06-Nov-2007.tar": _voc(2007, {"trainval": range(1, 4)}),
        "VOCtest_06-Nov-2007.tar": _voc(2007, {"test": range(4, 6)}),
    }


def voc12() -> Files:
    splits = {"train": range(1, 3), "val": range(3, 6), "trainval": range(1, 6)}
    return {"VOCtrainval_11-May-2012.tar": _voc(2012, splits)}


def _coco(year: int) -> Files:
    archives, notes = {}, {}
    for part, number in (("train", 4), ("val", 2)):
        name = f"COCO_{part}2014_{{:012d}}.jpg" if year == 2014 else "{:012d}.jpg"
        images = [dict(id=i, file_name=name.format(i), width=16, height=16) for i in range(1, 9)]
        box = dict(category_id=18, bbox=[1, 1, 8, 8], area=64, iscrowd=0, segmentation=[])
        content = dict(
            images=images[:number],
            annotations=[dict(box, id=i, image_id=i) for i in range(1, number + 1)],
            categories=[dict(id=18, name="dog", supercategory="animal")],
        )
        archives[f"{part}{year}.zip"] = zipped(_photos(f"{part}{year}/{name}", number))
        for kind in ("captions", "instances", "person_keypoints"):
            notes[f"annotations/{kind}_{part}{year}.json"] = json.dumps(content).encode()
    return {**archives, f"annotations_trainval{year}.zip": zipped(notes)}


def coco2014() -> Files:
    return _coco(2014)


def coco2017() -> Files:
    return _coco(2017)


WNIDS = {2: "n01443537", 1: "n01440764", 3: "n01484850"}  # ids are not in the order of the names
VALIDATION = [3, 1, 1, 2]  # ids, in the order of the images


def imagenet() -> Files:
    synsets = np.zeros(4, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    for row, (number, wnid) in enumerate([*WNIDS.items(), (1001, "n00001740")]):
        synsets[row] = (number, wnid, int(number > 1000))
    kit = {
        "ILSVRC2012_devkit_t12/data/meta.mat": mat(synsets=synsets),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": "".join(
            f"{number}\n" for number in VALIDATION
        ).encode(),
    }
    inner = {f"{n}.tar": tar(_photos(f"{n}_{{}}.JPEG", 2, first=i)) for i, n in WNIDS.items()}
    return {
        "ILSVRC2012_img_train.tar": tar(inner),
        "ILSVRC2012_img_val.tar": tar(_photos("ILSVRC2012_val_{:08d}.JPEG", len(VALIDATION))),
        "ILSVRC2012_devkit_t12.tar.gz": tar(kit, "w:gz"),
    }


def _imagenette(top: str) -> Files:
    files = {f"{top}/noisy_imagenette.csv": b"path,label\n"}
    for part, number in (("train", 3), ("val", 1)):
        for wnid in WNIDS.values():
            files |= _photos(f"{top}/{part}/{wnid}/{{}}.JPEG", number)
    return {f"{top}.tgz": tar(files, "w:gz")}


COUNTS = {
    "cifar10": (10, 3),
    "cifar100": (6, 3),
    "flowers102": (3, 2, 4),
    "cars": (4, 3),
    "voc07": (3, 2),
    "voc12": (2, 3),
    "coco2014": (4, 2),
    "coco2017": (4, 2),
    "imagenet": (6, 4),
    "imagenette": (9, 3),
    "imagenette320": (9, 3),
    "imagenette160": (9, 3),
}
LAYOUTS: dict[str, Callable[[], Files]] = {
    **{made.__name__: made for made in (cifar10, cifar100, flowers102, cars, voc07, voc12)},
    **{made.__name__: made for made in (coco2014, coco2017, imagenet)},
    "imagenette": lambda: _imagenette("imagenette2"),
    "imagenette320": lambda: _imagenette("imagenette2-320"),
    "imagenette160": lambda: _imagenette("imagenette2-160"),
}


def described(source: DataSource, files: Files) -> DataSource:
    """``source`` with the sizes and checksums of these archives."""
    archives = tuple(
        replace(a, size=len(files[a.name]), md5=hashlib.md5(files[a.name]).hexdigest())
        for a in source.archives
    )
    return replace(source, archives=archives)


@dataclass
class Small:
    """A data set that is published in a few kilobytes."""

    source: DataSource
    files: Files

    def write(self, folder: Path) -> Path:
        """Put the archives on the disk."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return folder

    def with_archive(self, name: str, data: bytes) -> Small:
        """The same with another archive, and its checksum."""
        files = {**self.files, name: data}
        return Small(described(self.source, files), files)


@pytest.fixture(scope="session")
def small() -> Callable[[str], Small]:
    """``small("voc07")``: that data set with a few images, in the layout of its publisher."""

    def make(name: str) -> Small:
        source, files = SOURCES[name], LAYOUTS[name]()
        counts = zip(source.splits, COUNTS[name], strict=True)
        splits = tuple(replace(split, images=images) for split, images in counts)
        return Small(described(replace(source, splits=splits), files), files)

    return make


# ------------------------------------------------------------------------------------ the server


@dataclass
class Server:
    """Gives ``files``, and remembers what it was asked.

    Attributes:
        ranges: whether it can begin in the middle of a file.
        cuts: after how many bytes of the body it breaks the connection: of the first answer, of
            the second, ...; later answers are whole.
        statuses: errors with which it answers the first requests.
        asked: path and Range of each request.
        hold: when set, an answer that is cut waits for it before it breaks.
    """

    url: str
    files: Files = field(default_factory=dict)
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    hold: Event | None = None
    sent: Event = field(default_factory=Event)


class _Handler(BaseHTTPRequestHandler):
    told: Server

    def do_GET(self) -> None:
        told, name = self.told, self.path.rpartition("/")[2]
        wanted = self.headers["Range"]
        told.asked.append((self.path, wanted))
        if told.statuses:
            self.send_error(told.statuses.pop(0))
            return
        if name not in told.files:
            self.send_error(404)
            return
        data, start = told.files[name], 0
        if wanted and told.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut = told.cuts.pop(0) if told.cuts else None
        self.wfile.write(data[start:][:cut])
        if cut is not None:
            self.wfile.flush()
            told.sent.set()
            if told.hold is not None:
                told.hold.wait(60)
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on this machine."""
    handler = type("Handler", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    handler.told = Server(f"http://127.0.0.1:{http.server_port}")
    Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield handler.told
    if handler.told.hold is not None:
        handler.told.hold.set()
    http.shutdown()
    http.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
