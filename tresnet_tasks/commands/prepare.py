"""Download a data set and bring it into the layout that the configs expect.

Archives are fetched (going on where an earlier run was interrupted), compared with their published
checksums, unpacked beside the final place, counted, and moved there. What is there already is
counted and left alone.

Some have to be fetched by hand, because they need a login or their site is gone: put the archives
into a folder and name it with --archive. Without it the command says which files it wants.
"""

from __future__ import annotations

import argparse
import sys
from difflib import get_close_matches
from pathlib import Path

EXAMPLES = """\
examples:
  tresnet-tasks prepare --list                             all data sets, their sizes and sources
  tresnet-tasks prepare flowers102                         into data/flowers102
  tresnet-tasks prepare imagenet --archive ~/Downloads     from archives on disk, which are kept
  tresnet-tasks prepare coco2017 --root /big/disk/data     then: ln -s /big/disk/data/coco data/coco
  tresnet-tasks prepare cars --url http://mirror.lan/cars  archives from http://mirror.lan/cars/NAME

data/README.md describes the layouts.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``prepare``."""
    from ..preparing import SOURCES

    parser.epilog = EXAMPLES
    parser.add_argument("name", metavar="NAME", nargs="?", help=f"one of {', '.join(SOURCES)}")
    parser.add_argument(
        "--list", action="store_true", help="list the data sets with sizes and sources"
    )
    parser.add_argument(
        "--root", metavar="DIR", type=Path, default=Path("data"), help="of all data (default: data)"
    )
    parser.add_argument(
        "--archive",
        metavar="DIR",
        type=Path,
        help="a folder with archives: what is there is not downloaded, and left as it is",
    )
    parser.add_argument(
        "--url", help="download from this mirror instead: URL/NAME-OF-THE-ARCHIVE for each"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep downloaded archives, in the hidden folder .downloads of the data set",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what is there under the data set's names but not complete",
    )


def run(args: argparse.Namespace) -> int:
    """Prepare one data set, or list all; returns 0.

    Raises:
        ValueError: if there is no such data set, or it cannot be prepared; see `prepare`.
        OSError: if files cannot be written.
    """
    from ..preparing import SOURCES, prepare

    if args.list:
        print(_listing(args.root))
        return 0
    name = "".join(c for c in args.name or "" if c.isalnum()).lower()  # CIFAR-10 is cifar10
    if name not in SOURCES:
        near = get_close_matches(name, SOURCES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        got = f"no data set {args.name!r}" if args.name else "no data set named"
        raise ValueError(f"{got}.{hint} There are: {', '.join(SOURCES)}; --list tells more.")
    try:
        done = prepare(
            SOURCES[name],
            args.root,
            archive_dir=args.archive,
            url=args.url,
            overwrite=args.overwrite,
            keep=args.keep,
        )
    except KeyboardInterrupt:
        print("interrupted; the same command goes on with what was downloaded", file=sys.stderr)
        raise
    print(done.told())
    return 0


def _listing(root: Path) -> str:
    from ..preparing import SOURCES
    from ..preparing.progress import told_bytes

    lines = []
    for source in SOURCES.values():
        images = ", ".join(f"{split.name} {split.images:,}" for split in source.splits)
        lines += [
            f"{source.name}  {source.title}",
            f"    {told_bytes(source.size)} into {root / source.folder}; images: {images}",
        ]
        lines += [f"    {a.url or a.name}" for a in source.archives]
        lines += [f"    by hand: {source.by_hand}"] if source.by_hand else []
    return "\n".join(lines)
