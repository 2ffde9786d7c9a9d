"""From published archives to a folder that the configs can use."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .checksum import md5_of
from .download import download
from .folder_lock import only_one
from .progress import Progress, told_bytes
from .source import Archive, DataSource
from .unpack import unpack

_DOWNLOADS = ".downloads"


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        source: the data set.
        folder: where it is.
        archives: of each archive, what was done with it; empty if all was there before.
    """

    source: DataSource
    folder: Path
    archives: tuple[str, ...] = ()

    def told(self) -> str:
        """The same in words, for people."""
        state = "is ready" if self.archives else "is prepared already, nothing was done: it is"
        splits = (f"  {s.name}: {s.images:,} images" for s in self.source.splits)
        used = (f"  {line}" for line in self.archives)
        return "\n".join([f"{self.source.name} {state} in {self.folder}", *splits, *used])


def prepare(
    source: DataSource,
    root: Path,
    *,
    archive_dir: Path | None = None,
    url: str | None = None,
    overwrite: bool = False,
    keep: bool = False,
    progress: Progress | None = None,
) -> Prepared:
    """Bring a data set into its layout below ``root``, unless it is there.

    Archives are fetched into ``.downloads`` of its folder, compared with their checksums, unpacked
    beside the final place, counted, and moved there. A run that ends early leaves what it has
    fetched, and nothing that looks like the data set.

    Args:
        source: the data set.
        root: the folder of all data sets.
        archive_dir: holds archives; what is there is taken from there and left as it is.
        url: a mirror; archives are fetched from ``url/NAME``.
        overwrite: replace files and folders of the data set that are there and not complete.
        keep: keep the archives that were fetched.
        progress: is told how far it is.

    Raises:
        ValueError: if archives are missing that cannot be fetched, or have another checksum; if
            what comes out of them has other counts; if something incomplete, or a file in place of
            a folder, is in the way; if there is no room on the disk; if another process is at it.
        OSError: if files cannot be written.
    """
    progress = progress or Progress()
    folder = root / source.folder
    _check_folder(folder)
    lacking = source.lacks(folder)
    if not lacking:  # before the lock: others may own the folder
        return Prepared(source, folder)
    if not overwrite:
        _check_free(source, folder, lacking)
    _check_obtainable(source, archive_dir, url)
    if not root.exists():
        progress.tell(f"there is no {root.absolute()}: the folder is made")
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder):
        if not source.lacks(folder):  # another process has done it meanwhile
            return Prepared(source, folder)
        _check_room(source, folder, archive_dir)
        downloads = folder / _DOWNLOADS
        done, paths = [], []
        try:
            for archive in source.archives:
                own = archive_dir / archive.name if archive_dir else None
                if own is not None and own.is_file():
                    _check_own(own, archive, progress)
                    paths.append(own)
                    done.append(f"{archive.name}: taken from {archive_dir}, its checksum agrees")
                else:
                    address = f"{url.rstrip('/')}/{archive.name}" if url else archive.url
                    paths.append(_fetch(archive, address, downloads, progress))
                    done.append(f"{archive.name}: downloaded from {address}, its checksum agrees")
            _unpack_all(source, paths, folder, progress)
            if not keep:
                for path in paths:
                    if path.parent == downloads:
                        path.unlink()
        finally:
            # Where it is empty: a failed run, or another data set of this folder, may have some.
            with suppress(OSError):
                downloads.rmdir()
        return Prepared(source, folder, tuple(done))


# ------------------------------------------------------------------------------------- before


def _check_folder(folder: Path) -> None:
    """Refuse a file, or a link to nothing, in the place of the folder or of one above it."""
    there = next(p for p in (folder, *folder.parents) if p.exists() or p.is_symlink())
    if not there.is_dir():
        what = "a file" if there.exists() else "a link to nothing"
        raise ValueError(
            f"{there} is {what}; the data would go into the folder {folder}. Move it away, or name "
            "another folder with --root."
        )


def _check_free(source: DataSource, folder: Path, lacking: Sequence[str]) -> None:
    there = [piece for piece in source.pieces if (folder / piece).exists()]
    if there:
        raise ValueError(
            f"{folder} has {', '.join(there)}, but is not complete as {source.name}: "
            f"{'; '.join(lacking)}. Complete it, move it away, or replace it with --overwrite."
        )


def _check_obtainable(source: DataSource, archive_dir: Path | None, url: str | None) -> None:
    if archive_dir is not None and not archive_dir.is_dir():
        raise ValueError(f"--archive {archive_dir} is not a folder; expected one with archives.")
    missing = [
        archive
        for archive in source.archives
        if not (archive_dir and (archive_dir / archive.name).is_file()) and not (url or archive.url)
    ]
    if missing:
        names = "\n".join(f"  {a.name}  ({told_bytes(a.size)}, md5 {a.md5})" for a in missing)
        where = f"into {archive_dir}" if archive_dir else "into a folder and name it: --archive DIR"
        raise ValueError(
            f"{source.name} cannot be downloaded. {source.by_hand} Put these files {where}, or "
            f"name a mirror with --url:\n{names}"
        )


def _check_room(source: DataSource, folder: Path, archive_dir: Path | None) -> None:
    """Before hours of downloading, not after. Images hardly shrink in an archive."""
    need = source.size
    for archive in source.archives:
        if archive_dir is None or not (archive_dir / archive.name).is_file():
            part = folder / _DOWNLOADS / f"{archive.name}.part"
            whole = folder / _DOWNLOADS / archive.name
            here = sum(path.stat().st_size for path in (part, whole) if path.is_file())
            need += max(0, archive.size - here)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise ValueError(
            f"{source.name} needs about {told_bytes(need)} in {folder}, archives and what comes "
            f"out of them; {told_bytes(free)} are free. Make room, or take another disk: --root "
            f"names one, and {folder} may be a link."
        )


# ----------------------------------------------------------------------------------- archives


def _check_own(path: Path, archive: Archive, progress: Progress) -> None:
    """Compare a file that the user has with its checksum."""
    found = _checked(path, progress)
    if found != archive.md5:
        raise ValueError(
            f"{path} ({path.stat().st_size:,} bytes) has the md5 {found}; expected {archive.md5} "
            f"(about {archive.size:,} bytes). It is damaged, or another file of that name: fetch "
            "it again."
        )


def _fetch(archive: Archive, url: str, folder: Path, progress: Progress) -> Path:
    """Download an archive and compare it; one that was begun earlier gets a second chance."""
    path = folder / archive.name
    part = folder / f"{archive.name}.part"
    while True:
        begun = path.is_file() or part.is_file()
        if not path.is_file():
            download(url, path, progress)
        found = _checked(path, progress)
        if found == archive.md5:
            return path
        size = path.stat().st_size
        path.unlink()
        if not begun:
            raise ValueError(
                f"{url} ({size:,} bytes) has the md5 {found}; expected {archive.md5} (about "
                f"{archive.size:,} bytes). It was deleted. The server has another file, or it was "
                "damaged on its way: try again, or name a mirror with --url."
            )
        progress.tell(f"{archive.name} has another checksum than expected: from the start")


def _checked(path: Path, progress: Progress) -> str:
    with progress.step(f"checking {path.name}", path.stat().st_size) as advance:
        return md5_of(path, advance)


# ---------------------------------------------------------------------------------- unpacking


def _unpack_all(
    source: DataSource, paths: Sequence[Path], folder: Path, progress: Progress
) -> None:
    """Unpack beside the final place, count, and move what is right there."""
    beside = folder / f".unpacking-{source.name}"
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed
    try:
        for path, archive in zip(paths, source.archives, strict=True):
            unpack(path, archive, beside / "new", progress)
        layout = beside / "new" / source.top
        if source.arrange is not None:
            source.arrange(layout)
        lacking = source.lacks(layout)
        if lacking:
            raise ValueError(
                f"what came out of the archives of {source.name} is not complete: "
                f"{'; '.join(lacking)}. Nothing of it was put into place."
            )
        for piece in source.pieces:
            _put(layout / piece, folder / piece, beside / "old" / piece)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(new: Path, target: Path, old: Path) -> None:
    """Move ``new`` to ``target``, and what stands there to ``old``; or neither of them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        old.parent.mkdir(parents=True, exist_ok=True)
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
