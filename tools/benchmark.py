"""Measure speed and memory: ours beside others, interleaved in one run on this machine.

usage: python tools/benchmark.py WHAT [options]     (WHAT --help tells its options)
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent / "benchmarks"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def overview() -> str:
    lines = [str(__doc__)]
    for name in names():
        doc = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))) or ""
        lines.append(f"  {name:<12}{doc.partition(chr(10))[0]}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0 if arguments else 2
    name = arguments.pop(0)
    if name not in names():
        near = get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        print(
            f"error: no benchmark {name!r}.{hint} There are: {', '.join(names())}.", file=sys.stderr
        )
        return 2
    if str(FOLDER.parent) not in sys.path:
        sys.path.insert(0, str(FOLDER.parent))
    # As in the commands; here it serves all that are compared.
    from tresnet_tasks.upstream.allocator import keep_freed_memory

    keep_freed_memory()
    try:
        return int(import_module(f"benchmarks.{name}").main(arguments) or 0)
    except (ValueError, OSError, ImportError, MemoryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
