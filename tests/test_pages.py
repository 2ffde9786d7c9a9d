"""What the pages at the top of the repository name is there, and the numbers of the networks are right."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tresnet_tasks.backbones import ARCHS, TResNet
from tresnet_tasks.config_paths import config_names
from tresnet_tasks.weights import HUB_WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
# Files that the pages have a reader write.
EXAMPLES = {
    "tresnet_tasks/datasets/json_lines.py",
    "tests/datasets/test_json_lines.py",
    "tresnet_tasks/heads/gem_head.py",
    "tests/heads/test_gem_head.py",
}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def lines_of(beginning: str) -> list[str]:
    """The lines in the pages' consoles that begin so."""
    block = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    shown = "".join(text for name in PAGES for text in block.findall(page(name)))
    return re.findall(rf"^ *({re.escape(beginning)}.*)$", shown, re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_names_exists(name: str) -> None:
    text = page(name)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    prose = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    files = re.findall(
        r"`((?:tresnet_tasks|configs|tests|tools|docs)/[\w./-]*|data/README\.md)`", prose
    )
    named = {link for link in links if "://" not in link} | set(files)
    assert named - EXAMPLES, "nothing found to check"
    assert [path for path in sorted(named - EXAMPLES) if not (ROOT / path).exists()] == []


def test_the_rooms_of_architecture_exist() -> None:
    package = ROOT / "tresnet_tasks"
    rows = re.findall(r"^\| (`[^|]+) \|", page("ARCHITECTURE.md"), re.MULTILINE)
    rooms = {room.rstrip("/") for row in rows for room in re.findall(r"`([\w./]+)`", row)}
    there = {
        p.name for p in package.iterdir() if not p.name.startswith("_") and p.name != "configs"
    }
    assert rooms - {"kernels"} == there - {"py.typed", "kernels"}


def test_the_readme_lists_every_config() -> None:
    kinds = "|".join(sorted({name.split("/")[0] for name in config_names()}))
    listed = set(re.findall(rf"`((?:{kinds})/\w+)`", page("README.md")))
    assert listed == set(config_names())


def test_the_readme_lists_every_published_name() -> None:
    rows = re.findall(r"^\| `(timm/[^`]+)`", page("README.md"), re.MULTILINE)
    assert rows == list(HUB_WEIGHTS)


@pytest.mark.parametrize("name", ARCHS)
def test_the_model_zoo_is_right(name: str) -> None:
    pattern = rf"^\| `{name}` \| ([\d,]+) \| ([\d.]+) \| ([\d, ]+) \|$"
    parameters, gmacs, channels = re.search(pattern, page("README.md"), re.MULTILINE).groups()
    spec = TResNet.feature_spec(name, (0, 1, 2, 3))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        backbone, fc = TResNet(name).eval(), torch.nn.Linear(spec.channels[-1], 1000)
        fc(backbone(torch.empty(1, 3, 224, 224))[0].mean((2, 3)))
    count = sum(p.numel() for module in (backbone, fc) for p in module.parameters())
    assert f"{count:,}" == parameters
    assert f"{counter.get_total_flops() / 2e9:.3f}" == gmacs
    assert ", ".join(map(str, spec.channels)) == channels


@pytest.mark.parametrize("line", lines_of("make "))
def test_a_make_line_has_its_target(line: str) -> None:
    words = ["make", "--dry-run", "--always-make", *shlex.split(line)[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", lines_of("python tools/benchmark.py "))
def test_a_benchmark_is_there(line: str) -> None:
    python, tool, name = shlex.split(line)
    assert (python, tool) == ("python", "tools/benchmark.py")
    assert (ROOT / "tools" / "benchmarks" / f"{name}.py").is_file()


def test_the_environment_is_the_one_that_make_makes() -> None:
    (line,) = set(lines_of(". "))
    venv = re.search(r"^VENV := (\S+)$", page("Makefile"), re.MULTILINE)[1]
    assert line == f". {venv}/bin/activate"
