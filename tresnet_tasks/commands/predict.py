"""Classify images, or find objects on them, with a trained model.

WEIGHTS is a checkpoint of `train`, which carries its config; with --config also any published
TResNet file or a hub name such as timm/tresnet_m.miil_in1k. Checkpoints are read as data: one that
carries code is refused.

On a terminal the classes come as a table, else as one line an image with tabs between: path, class,
score, and the --topk best classes as "name score, name score, ...". Of a model with several labels
an image, class and score are those of all classes above their thresholds; of a detector, of all
objects above its threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._pictures import SHEET_IMAGES, Pictures
from ._results import check_writable, write_results

if TYPE_CHECKING:
    from ..inference.predictor import Answer

EXAMPLES = """\
examples:
  tresnet-tasks predict work_dirs/cls_digit_scenes/best.pth photo.jpg folder/
  tresnet-tasks predict best.pth folder/ --out results.csv --draw drawn/
  tresnet-tasks predict timm/tresnet_m.miil_in1k photo.jpg --config cls/tresnet_m_imagenet
  tresnet-tasks predict work_dirs/boxes/best.pth folder/ --out boxes.json --thresholds 0.5   a detector
  tresnet-tasks predict work_dirs/joint/best.pth folder/ --out joint.json --draw drawn/      several heads

results.csv has a line an image: path,class_id,class_name,score and, for the second best class on,
class_name_2,score_2,... up to --topk. results.json is a list of objects with path, class_id,
class_name, score, and top: the --topk best classes. A large --topk keeps the scores of all classes.
Of a model with several labels an image, results.csv has path,labels,scores with a bar between the
labels, and results.json has labels, the classes above their thresholds, in place of the best class.
Of a detector, results.csv has a line an object: path,class_id,class_name,score,x1,y1,x2,y2 in pixels
of the image, and results.json is COCO's list of results (image_id is the number that a file is named
by, else a count from 1; file_name says which). Both hold the objects below the threshold too.
Of several heads, results.csv has a line an image: NAME and NAME_scores of each head, and NAME_bboxes of
boxes, with bars between the labels or objects.
"""

_SUFFIXES = (".csv", ".json")
_TABLE_ROWS = 50  # of a table on a terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``predict``."""
    parser.epilog = EXAMPLES
    parser.add_argument("weights", metavar="WEIGHTS", help="a checkpoint, or weights with --config")
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="an image, or a folder: all images in it and below"
    )
    parser.add_argument(
        "--config",
        help="path or name of a config, for weights that carry none; it is run as Python",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=_out_file, help="also write the results: a .csv or .json file"
    )
    parser.add_argument(
        "--draw",
        metavar="DIR",
        help=f"draw a picture of every image with its classes, and a sheet of the first "
        f"{SHEET_IMAGES}, whose path is printed last",
    )
    parser.add_argument(
        "--topk", metavar="K", type=_positive, default=5, help="classes an image (default: 5)"
    )
    parser.add_argument(
        "--thresholds",
        metavar="FILE.json|X",
        type=_thresholds,
        help="several labels an image: predict what is above these thresholds, a file of `test "
        "--find-thresholds` or one number (default: the checkpoint's, else 0.5); a detector: one "
        "number, above which objects are printed and drawn (default: 0.3)",
    )
    parser.add_argument(
        "--batch-size", metavar="N", type=_positive, default=32, help="images at once (default: 32)"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: cuda if there is one)")
    parser.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="at an image that cannot be read: stop, or leave it out and list it at the end "
        "(default: raise)",
    )


def run(args: argparse.Namespace) -> int:
    """Predict, print, write and draw; returns 0.

    Raises:
        FileNotFoundError: if the weights, the config or a path is not there.
        ValueError: if the weights are refused, an image cannot be read, or results cannot be written.
    """
    # Not at the top: `--help` must not wait for torch.
    from ..datasets import UnreadableImageError
    from ..inference import Predictor, list_images
    from ..upstream.allocator import keep_freed_memory

    keep_freed_memory()
    paths = [str(path) for path in list_images(args.paths)]
    if args.out:
        check_writable(args.out)
    pictures = Pictures(Path(args.draw), paths, args.topk) if args.draw else None
    predictor = Predictor(
        args.weights, config=args.config, device=args.device, thresholds=args.thresholds
    )

    printer = _Printer(args.topk)
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []

    def leave_out(path: str, error: Exception) -> None:
        left_out.append(str(error))

    try:
        with _progress(len(paths)) as advance:
            for prediction in predictor.stream(
                paths, args.batch_size, on_unreadable=leave_out if args.on_error == "skip" else None
            ):
                printer.add(prediction)
                if args.out:
                    rows.append(prediction.to_dict(args.topk))
                if pictures is not None:
                    pictures.add(prediction)
                advance(len(left_out) + printer.count)
    except UnreadableImageError as error:
        raise ValueError(f"{error} --on-error skip leaves such images out.") from error
    finally:  # whatever ends it, what was predicted is kept
        printer.finish()
        if rows:
            write_results(rows, args.out)
            if len(rows) + len(left_out) < len(paths):
                print(
                    f"{args.out} has the first {len(rows)} predictions of {len(paths)} images.",
                    file=sys.stderr,
                )
    _tell_left_out(left_out, len(paths))
    if pictures is not None:
        print(pictures.finish())
    return 0


# ---------------------------------------------------------------------------------- arguments


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number of 1 or more")
    return value


def _thresholds(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no score; expected a number from 0 to 1")
    return value


def _out_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in _SUFFIXES:
        raise argparse.ArgumentTypeError(
            f"{text!r} ends in {path.suffix!r}; expected a file that ends in .csv or .json"
        )
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; expected the name of a file")
    return path


# ------------------------------------------------------------------------------- on the screen


class _Printer:
    """Prints predictions: a table at the end on a terminal, else a line at once."""

    def __init__(self, topk: int) -> None:
        from rich.console import Console

        self.topk = topk
        self.count = 0
        self.console = Console()
        self.rows: list[tuple[str, str, str, str]] = []
        reconfigure = getattr(self.console.file, "reconfigure", None)
        if reconfigure is not None:
            # A file name may hold bytes that are no text, and a terminal may know ASCII alone.
            reconfigure(errors="backslashreplace")

    def add(self, prediction: Answer) -> None:
        """Print one, or keep it for the table."""
        self.count += 1
        top = ", ".join(f"{name} {score:.3f}" for name, score in prediction.topk(self.topk))
        row = (str(prediction.path), *prediction.told(), top)
        if not self.console.is_terminal:
            print("\t".join(" ".join(cell.split("\t")).replace("\n", " ") for cell in row))
        elif len(self.rows) < _TABLE_ROWS:
            self.rows.append(row)

    def finish(self) -> None:
        """Print the table."""
        if not self.rows:
            return
        from rich.table import Table
        from rich.text import Text

        table = Table()
        table.add_column("image", overflow="fold")  # a path that is cut short is of no use
        for heading in ("class", "score", f"best {self.topk}"):
            table.add_column(heading)
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))  # Text: a "[" in a name is no markup
        self.console.print(table)
        if self.count > len(self.rows):
            print(f"... and {self.count - len(self.rows)} more; --out FILE keeps all.")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how many images are done: a bar on a terminal, else nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = ("predicting", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = total < 2 or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.update(task, completed=done)


def _tell_left_out(left_out: Sequence[str], total: int) -> None:
    if not left_out:
        return
    for message in left_out:
        print(message, file=sys.stderr)
    if len(left_out) == total:
        raise ValueError(f"none of the {total} images can be read. Check the paths.")
    print(f"left out {len(left_out)} of {total} images: they cannot be read.", file=sys.stderr)
