"""Archives that want to write elsewhere, or are damaged."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tresnet_tasks.preparing import Archive
from tresnet_tasks.preparing.progress import Progress
from tresnet_tasks.preparing.unpack import unpack


def _tar(*members: tuple[str, bytes | None, dict]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data, more in members:
            member = tarfile.TarInfo(name)
            for key, value in more.items():
                setattr(member, key, value)
            member.size = len(data or b"")
            archive.addfile(member, io.BytesIO(data or b""))
    return file.getvalue()


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"data")
    return file.getvalue()


def _unpack(folder: Path, name: str, data: bytes, nested: bool = False) -> Path:
    path = folder / name
    path.write_bytes(data)
    target = folder / "in" / "target"
    unpack(path, Archive(name, 0, "", nested=nested), target, Progress())
    return target


LINK = {"type": tarfile.SYMTYPE}
ESCAPES = {
    "parent": _tar(("../evil", b"x", {})),
    "deep parent": _tar(("a/../../evil", b"x", {})),
    "absolute": _tar(("/tmp/evil", b"x", {})),
    "link out": _tar(("a", None, LINK | {"linkname": "../../evil"})),
    "absolute link": _tar(("a", None, LINK | {"linkname": "/etc/passwd"})),
    "through a link": _tar(("a", None, LINK | {"linkname": ".."}), ("a/evil", b"x", {})),
    "hard link": _tar(("a", None, {"type": tarfile.LNKTYPE, "linkname": "../../evil"})),
    "device": _tar(("a", None, {"type": tarfile.CHRTYPE})),
}


@pytest.mark.parametrize("way", ESCAPES)
def test_a_tar_that_writes_elsewhere_is_refused(way: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is refused"):
        _unpack(tmp_path, "a.tar", ESCAPES[way])
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil"])
def test_a_zip_that_writes_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is refused"):
        _unpack(tmp_path, "a.zip", _zip("fine.jpg", name))
    assert not list(tmp_path.rglob("*evil"))


@pytest.mark.parametrize("name", ["../evil.tar", "...tar"])
def test_a_tar_of_tars_cannot_name_another_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is refused"):
        _unpack(tmp_path, "a.tar", _tar((name, _tar(("evil", b"x", {})), {})), nested=True)
    assert not list(tmp_path.rglob("evil"))


def test_a_tar_of_tars_becomes_folders(tmp_path: Path) -> None:
    inner = _tar(("1.JPEG", b"one", {}))
    target = _unpack(tmp_path, "a.tar", _tar(("n01.tar", inner, {}), ("n02.tar", inner, {})), True)
    assert sorted(str(p.relative_to(target)) for p in target.rglob("*.JPEG")) == [
        "n01/1.JPEG",
        "n02/1.JPEG",
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tar", _tar(("a.jpg", b"x" * 5000, {}))[:2000]),
        ("a.tgz", b"<html>log in</html>"),
        ("a.zip", _zip("a.jpg")[:40]),
    ],
)
def test_a_damaged_archive_is_told(name: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is damaged"):
        _unpack(tmp_path, name, data)


def test_what_is_no_archive_is_copied(tmp_path: Path) -> None:
    assert (_unpack(tmp_path, "setid.mat", b"ids") / "setid.mat").read_bytes() == b"ids"


def test_a_python_that_cannot_refuse_such_archives_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(ValueError, match=r"Take Python 3\.10\.12"):
        _unpack(tmp_path, "a.tar", _tar(("a", b"data", {})))
