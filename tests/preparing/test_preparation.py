"""Data sets prepared from a server and from archives on the disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from tresnet_tasks.preparing import SOURCES, prepare
from tresnet_tasks.preparing.folder_lock import only_one

# Prepares Imagenette with the archive that its arguments describe, in a process of its own.
SCRIPT = """
import json, sys
from dataclasses import replace
from pathlib import Path
from tresnet_tasks.preparing import SOURCES, prepare
root, url, size, md5, *images = json.loads(sys.argv[1])
source = SOURCES["imagenette160"]
archive = replace(source.archives[0], size=size, md5=md5)
splits = [replace(split, images=number) for split, number in zip(source.splits, images)]
source = replace(source, archives=(archive,), splits=tuple(splits))
try:
    print(prepare(source, Path(root), url=url).told())
except ValueError as error:
    sys.exit(f"error: {error}")
"""
NAME = "imagenette2-160.tgz"


def names(folder: Path) -> list[str]:
    """All files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in files)


@pytest.fixture
def imagenette(small, server):
    """A small Imagenette that the server has."""
    made = small("imagenette160")
    server.files.update(made.files)
    return made


@pytest.fixture
def start(imagenette, server, tmp_path, repository):
    """Start the preparation of ``imagenette`` in another process."""
    running = []

    def run() -> subprocess.Popen[str]:
        archive = imagenette.source.archives[0]
        images = [split.images for split in imagenette.source.splits]
        told = [str(tmp_path), server.url, archive.size, archive.md5, *images]
        line = [sys.executable, "-c", SCRIPT, json.dumps(told)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(line, cwd=repository, **streams))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", SOURCES)
def test_every_data_set_is_prepared_from_a_server(name: str, small, server, tmp_path) -> None:
    made = small(name)
    server.files.update(made.files)
    done = prepare(made.source, tmp_path, url=f"{server.url}/mirror/")
    assert [path for path, _ in server.asked] == [f"/mirror/{a}" for a in made.files]
    assert done.folder == tmp_path / made.source.folder
    assert made.source.lacks(done.folder) == []
    there = {path.name for path in done.folder.iterdir()}
    assert there == {piece.split("/")[0] for piece in made.source.pieces}


@pytest.mark.parametrize("name", ["cars", "imagenet", "coco2014"])
def test_archives_on_the_disk_are_taken_and_left(name: str, small, server, tmp_path) -> None:
    made = small(name)
    archives = made.write(tmp_path / "mine")
    done = prepare(made.source, tmp_path / "data", archive_dir=archives)
    assert made.source.lacks(done.folder) == []
    assert {path.name: path.read_bytes() for path in archives.iterdir()} == made.files


def test_archives_that_are_not_on_the_disk_are_downloaded(small, server, tmp_path) -> None:
    made = small("flowers102")
    archives = made.write(tmp_path / "mine")
    (archives / "setid.mat").unlink()
    server.files.update(made.files)
    done = prepare(made.source, tmp_path / "data", archive_dir=archives, url=server.url)
    assert server.asked == [("/setid.mat", None)]
    assert [line.split(": ")[1].split()[0] for line in done.archives] == [
        "taken",
        "taken",
        "downloaded",
    ]


def test_imagenets_validation_images_lie_with_their_classes(small, tmp_path) -> None:
    made = small("imagenet")
    done = prepare(made.source, tmp_path, archive_dir=made.write(tmp_path / "mine"))
    assert names(done.folder / "val") == [  # the ground truth says 3, 1, 1, 2
        "n01440764/ILSVRC2012_val_00000002.JPEG",
        "n01440764/ILSVRC2012_val_00000003.JPEG",
        "n01443537/ILSVRC2012_val_00000004.JPEG",
        "n01484850/ILSVRC2012_val_00000001.JPEG",
    ]


def test_two_years_share_a_folder(small, tmp_path) -> None:
    for name in ("coco2014", "coco2017", "voc07", "voc12"):
        made = small(name)
        prepare(made.source, tmp_path, archive_dir=made.write(tmp_path / "mine"))
    for name in ("coco2014", "coco2017", "voc07", "voc12"):
        source = small(name).source
        assert source.lacks(tmp_path / source.folder) == []


def test_what_is_prepared_is_left_alone(imagenette, server, tmp_path) -> None:
    prepare(imagenette.source, tmp_path, url=server.url)
    server.asked.clear()
    done = prepare(imagenette.source, tmp_path, url=server.url, overwrite=True)
    assert server.asked == [] and "prepared already" in done.told()


def test_what_a_person_has_unpacked_counts_as_prepared(imagenette, tmp_path) -> None:
    for split, number in (("train", 9), ("val", 3)):
        folder = tmp_path / "imagenette160" / split / "n01440764"
        folder.mkdir(parents=True)
        for i in range(number):
            (folder / f"{i}.JPEG").write_bytes(b"")
    assert prepare(imagenette.source, tmp_path, url="http://127.0.0.1:9").archives == ()


def test_the_report_says_what_is_where(imagenette, server, tmp_path) -> None:
    told = prepare(imagenette.source, tmp_path, url=server.url).told()
    assert f"imagenette160 is ready in {tmp_path / 'imagenette160'}" in told
    assert "train: 9 images" in told and "val: 3 images" in told
    assert f"{NAME}: downloaded from {server.url}/{NAME}" in told


def test_a_link_to_another_disk_is_followed(imagenette, server, tmp_path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "imagenette160").symlink_to(tmp_path / "disk")
    prepare(imagenette.source, tmp_path / "data", url=server.url)
    assert imagenette.source.lacks(tmp_path / "disk") == []


@pytest.mark.parametrize("keep", [False, True])
def test_downloaded_archives_are_kept_if_asked_for(
    keep: bool, imagenette, server, tmp_path
) -> None:
    done = prepare(imagenette.source, tmp_path, url=server.url, keep=keep)
    assert (done.folder / ".downloads" / NAME).is_file() == keep


def test_what_another_year_has_downloaded_is_left(small, server, tmp_path) -> None:
    made = small("coco2014")
    server.files.update(made.files)
    begun = tmp_path / "coco" / ".downloads" / "train2017.zip.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"half of it")
    prepare(made.source, tmp_path, url=server.url)
    assert [path.name for path in begun.parent.iterdir()] == ["train2017.zip.part"]


# ------------------------------------------------------------------------------- interruptions


def test_a_killed_run_is_gone_on_with(start, imagenette, server, tmp_path) -> None:
    half = len(imagenette.files[NAME]) // 2
    server.cuts, server.hold = [half], Event()
    process = start()
    assert server.sent.wait(60)
    part = tmp_path / "imagenette160" / ".downloads" / f"{NAME}.part"
    while not part.is_file() or part.stat().st_size == 0:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.wait()
    begun = part.stat().st_size
    assert not (tmp_path / "imagenette160" / "train").exists()

    server.hold.set()
    prepare(imagenette.source, tmp_path, url=server.url)
    assert server.asked == [(f"/{NAME}", None), (f"/{NAME}", f"bytes={begun}-")]


def test_a_run_killed_while_unpacking_leaves_nothing_for_the_next(
    imagenette, server, tmp_path
) -> None:
    left = tmp_path / "imagenette160" / ".unpacking-imagenette160" / "new"
    (left / "imagenette2-160" / "train" / "n01440764").mkdir(parents=True)
    (left / "imagenette2-160" / "train" / "n01440764" / "half.JPEG").write_bytes(b"")
    done = prepare(imagenette.source, tmp_path, url=server.url)
    assert imagenette.source.lacks(done.folder) == []


def test_of_two_at_once_the_second_is_refused_and_names_the_first(
    start, imagenette, server, tmp_path
) -> None:
    server.cuts, server.hold = [100], Event()
    first = start()
    assert server.sent.wait(60)
    with pytest.raises(ValueError, match=rf"another process .*: process {first.pid} on "):
        prepare(imagenette.source, tmp_path, url=server.url)
    server.hold.set()
    out, _ = first.communicate(timeout=60)
    assert "is ready" in out
    assert "prepared already" in prepare(imagenette.source, tmp_path).told()


def test_a_failed_download_of_nothing_leaves_nothing(imagenette, server, tmp_path) -> None:
    server.files.clear()
    with pytest.raises(ValueError, match="404"):
        prepare(imagenette.source, tmp_path, url=server.url)
    assert list((tmp_path / "imagenette160").iterdir()) == []


def test_a_lock_that_its_holder_has_removed_locks_nothing(tmp_path, monkeypatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    lock, held = tmp_path / ".preparing", []

    def removed_meanwhile(file, flags: int) -> None:
        held.append(file)
        if len(held) == 1:
            lock.unlink()

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with only_one(tmp_path):
        assert len(held) == 2 and "process" in lock.read_text(encoding="utf-8")
    assert not lock.exists()


# ------------------------------------------------------------------------------ wrong archives


def test_a_corrupted_download_is_deleted_and_told(imagenette, server, tmp_path) -> None:
    server.files[NAME] = server.files[NAME][:-1] + b"?"
    with pytest.raises(ValueError, match=r"has the md5 \w{32}; expected \w{32}.*--url"):
        prepare(imagenette.source, tmp_path, url=server.url)
    assert names(tmp_path) == []


def test_a_download_that_was_begun_with_other_bytes_is_begun_again(
    imagenette, server, tmp_path
) -> None:
    downloads = tmp_path / "imagenette160" / ".downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{NAME}.part").write_bytes(b"of another file")
    done = prepare(imagenette.source, tmp_path, url=server.url)
    assert [wanted for _, wanted in server.asked] == ["bytes=15-", None]
    assert imagenette.source.lacks(done.folder) == []


def test_a_wrong_archive_on_the_disk_is_told_and_left(imagenette, tmp_path) -> None:
    archives = imagenette.write(tmp_path / "mine")
    (archives / NAME).write_bytes(b"<html>please log in</html>")
    with pytest.raises(ValueError, match=rf"mine/{NAME} \(26 bytes\) has the md5"):
        prepare(imagenette.source, tmp_path / "data", archive_dir=archives)
    assert (archives / NAME).read_bytes() == b"<html>please log in</html>"


def test_other_counts_than_published_put_nothing_into_place(imagenette, server, tmp_path) -> None:
    splits = tuple(replace(split, images=5) for split in imagenette.source.splits)
    with pytest.raises(ValueError, match="9 images in train, expected 5; 3 images in val"):
        prepare(replace(imagenette.source, splits=splits), tmp_path, url=server.url)
    assert names(tmp_path) == [f"imagenette160/.downloads/{NAME}"]  # whole, and kept


def test_an_archive_that_writes_elsewhere_puts_nothing_into_place(small, tmp_path) -> None:
    from io import BytesIO
    from tarfile import TarInfo
    from tarfile import open as open_tar

    file = BytesIO()
    with open_tar(fileobj=file, mode="w:gz") as archive:
        archive.addfile(TarInfo("imagenette2-160/../../../../evil"))
    made = small("imagenette160").with_archive(NAME, file.getvalue())
    with pytest.raises(ValueError, match="is refused"):
        prepare(made.source, tmp_path / "data", archive_dir=made.write(tmp_path / "mine"))
    assert names(tmp_path) == [f"mine/{NAME}"]


def test_a_ground_truth_of_another_length_is_told(small, tmp_path) -> None:
    made = small("imagenet")
    made = made.with_archive("ILSVRC2012_img_val.tar", made.files["ILSVRC2012_img_train.tar"])
    with pytest.raises(ValueError, match=r"0 images.* 4 labels"):
        prepare(made.source, tmp_path / "data", archive_dir=made.write(tmp_path / "mine"))


# --------------------------------------------------------------------------- mistakes of a user


def test_archives_that_need_a_login_are_named_before_anything_happens(small, tmp_path) -> None:
    made = small("imagenet")
    with pytest.raises(ValueError) as told:
        prepare(made.source, tmp_path / "data")
    assert all(archive.name in str(told.value) for archive in made.source.archives)
    assert "image-net.org" in str(told.value) and "--archive DIR" in str(told.value)
    assert not (tmp_path / "data").exists()


def test_of_a_folder_filled_by_hand_it_is_told_what_lacks(small, tmp_path) -> None:
    (tmp_path / "imagenet" / "train").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"has train, .* no val; 0 images in train, expected 6"):
        prepare(small("imagenet").source, tmp_path)


def test_only_the_archives_that_lack_are_asked_for(small, tmp_path) -> None:
    made = small("cars")
    archives = made.write(tmp_path / "mine")
    (archives / "car_devkit.tgz").unlink()
    with pytest.raises(ValueError) as told:
        prepare(made.source, tmp_path / "data", archive_dir=archives)
    assert "car_devkit.tgz" in str(told.value) and "cars_train.tgz" not in str(told.value)


def test_an_archive_folder_that_is_none_is_told(small, tmp_path) -> None:
    with pytest.raises(ValueError, match="is not a folder"):
        prepare(small("cars").source, tmp_path, archive_dir=tmp_path / "nowhere")


@pytest.mark.parametrize("place", ["data", "data/imagenette160"])
def test_a_file_in_the_place_of_a_folder_is_told(place: str, imagenette, tmp_path) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    with pytest.raises(ValueError, match=rf"{place} is a file; .* --root"):
        prepare(imagenette.source, tmp_path / "data", url="http://127.0.0.1:9", overwrite=True)
    assert path.read_bytes() == b"mine"


def test_a_link_to_a_disk_that_is_gone_is_told(imagenette, tmp_path) -> None:
    (tmp_path / "imagenette160").symlink_to(tmp_path / "unplugged")
    with pytest.raises(ValueError, match="imagenette160 is a link to nothing"):
        prepare(imagenette.source, tmp_path, url="http://127.0.0.1:9")


def test_that_the_root_is_made_is_told(imagenette, server, tmp_path, capsys) -> None:
    prepare(imagenette.source, tmp_path / "dta", url=server.url)
    assert f"there is no {tmp_path / 'dta'}: the folder is made" in capsys.readouterr().err
    prepare(imagenette.source, tmp_path / "dta", url=server.url)
    assert "the folder is made" not in capsys.readouterr().err


def test_what_is_in_the_way_is_replaced_only_if_asked_for(imagenette, server, tmp_path) -> None:
    mine = tmp_path / "imagenette160" / "train" / "n01440764" / "mine.JPEG"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"")
    with pytest.raises(ValueError, match=r"has train, but is not complete.*no val.*--overwrite"):
        prepare(imagenette.source, tmp_path, url=server.url)
    assert mine.exists() and server.asked == []
    prepare(imagenette.source, tmp_path, url=server.url, overwrite=True)
    assert not mine.exists()


def test_a_disk_without_room_is_told_before_the_download(imagenette, server, tmp_path) -> None:
    archive = replace(imagenette.source.archives[0], size=10**18)
    with pytest.raises(ValueError, match=r"needs about 2000000000.0 GB .* are free"):
        prepare(replace(imagenette.source, archives=(archive,)), tmp_path, url=server.url)
    assert server.asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_data_of_somebody_else_needs_no_lock(imagenette, server, tmp_path) -> None:
    prepare(imagenette.source, tmp_path, url=server.url)
    (tmp_path / "imagenette160").chmod(0o555)
    assert prepare(imagenette.source, tmp_path).archives == ()
