"""README's tables of speed and memory, from the .json files that the other benchmarks write.

Each file becomes the command that wrote it, what it ran on, and its rows. --into puts them between
the two comments in a page that say where they belong.

examples:
  python tools/benchmark.py train --out docs/benchmarks/train.json
  python tools/benchmark.py table docs/benchmarks/*.json
  python tools/benchmark.py table docs/benchmarks/*.json --into README.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring.results import text_of

from tresnet_tasks.upstream.checkpoints import complete_file

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_KEYS = {"command", "machine", "date", "torch", "about", "rows"}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, or put them into a page."""
    args = _parser().parse_args(argv)
    tables = "\n\n".join(_table(_read(path)) for path in args.results)
    if args.into is None:
        print(tables)
        return 0
    page = args.into.read_text("utf-8")
    if page.count(BEGIN) != 1 or END not in page.partition(BEGIN)[2]:
        raise ValueError(f"{args.into} lacks the lines {BEGIN} and {END}. Put them in, once.")
    before, _, rest = page.partition(BEGIN)
    with complete_file(args.into) as temporary:
        text = f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.partition(END)[2]}"
        temporary.write_text(text, encoding="utf-8")
    print(f"written: {args.into}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", nargs="+", type=Path, help="files that --out wrote")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="a Markdown page, changed")
    return parser


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict) or not content.keys() >= _KEYS or not _is_table(content):
        raise ValueError(
            f"{path} has no rows of equal keys with a command, machine and date; expected a file "
            "that another benchmark's --out wrote."
        )
    return content


def _is_table(content: Mapping[str, Any]) -> bool:
    rows, about = content["rows"], content["about"]
    if not isinstance(rows, list) or not rows or not isinstance(about, list):
        return False
    return all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows)


def _table(content: Mapping[str, Any]) -> str:
    made = f"{content['machine']}, torch {content['torch']}, {content['date']}"
    said = "; ".join([made, *map(str, content["about"])])
    heads = list(content["rows"][0])
    rows = [[text_of(row[head]).replace("|", "\\|") for head in heads] for row in content["rows"]]
    lines = [" | ".join(cells) for cells in (heads, ["---"] * len(heads), *rows)]
    return "\n".join([f"`{content['command']}` ({said}):", "", *(f"| {line} |" for line in lines)])
