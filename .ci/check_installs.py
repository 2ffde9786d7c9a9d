"""Install the checkout in three ways, each into its own environment, and use it from elsewhere.

The environments hold the package alone (``--no-deps``): finding configs and answering ``--help``
needs nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "cls/tresnet_m_imagenet"
LEFT_OUT = {".git", ".venv", "build", "data", "dist", "tresnet_tasks.egg-info", "work_dirs"}


def run(*line: str | Path, cwd: Path) -> str:
    """Run a command; its output, or an end of this script that shows it."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in line],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        command = " ".join(map(str, line))
        raise SystemExit(f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def install(clone: Path, into: Path, *what: str | Path) -> Path:
    """Make an environment and install into it; its folder of programs."""
    run(sys.executable, "-m", "venv", "--without-pip", into, cwd=clone)
    programs = into / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(*pip, "install", "-q", "--no-deps", *what, cwd=clone)
    return programs


def left_out(folder: str, names: list[str]) -> set[str]:
    """What a clone would not hold; an old build/ would find its way into the wheel."""
    return LEFT_OUT & set(names) if Path(folder) == ROOT else {"__pycache__"} & set(names)


def try_out(programs: Path, root: Path, elsewhere: Path) -> None:
    """Use what was installed from a folder that has nothing to do with it."""
    code = f"from tresnet_tasks.config_paths import find_config; print(find_config({CONFIG!r}))"
    found = Path(run(programs / "python", "-c", code, cwd=elsewhere).strip())
    if found.resolve() != (root / f"{CONFIG}.py").resolve():
        raise SystemExit(f"{CONFIG} was found at {found}, expected in {root}")
    for base in (root / "_base_", ROOT / "configs" / "_base_"):
        if not base.is_dir():
            raise SystemExit(f"{base} is missing")
    for line in ([programs / "tresnet-tasks"], [programs / "python", "-m", "tresnet_tasks"]):
        if "train" not in run(*line, "--help", cwd=elsewhere):
            raise SystemExit(f"{line} --help does not list train")


def site_packages(programs: Path) -> Path:
    """Where an environment keeps its packages."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(programs / "python", "-c", code, cwd=programs).strip())


def check_contents(programs: Path) -> None:
    """Refuse anything beside the package: tests, tools, a top-level configs."""
    folder = site_packages(programs)
    installed = {path.name for path in folder.iterdir() if path.suffix != ".dist-info"}
    if installed != {"tresnet_tasks"}:
        raise SystemExit(f"{folder} holds {sorted(installed)}, expected tresnet_tasks alone")


def main() -> None:
    """Try the three ways, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder).resolve()
        clone, elsewhere = here / "clone", here / "elsewhere"
        # A copy, because building leaves build/ and *.egg-info behind.
        shutil.copytree(ROOT, clone, ignore=left_out)
        elsewhere.mkdir()

        programs = install(clone, here / "editable", "--editable", clone)
        try_out(programs, clone / "configs", elsewhere)
        print("editable: ok")

        programs = install(clone, here / "plain", clone)
        try_out(programs, site_packages(programs) / "tresnet_tasks" / "configs", elsewhere)
        check_contents(programs)
        print("from the clone: ok")

        pip = (sys.executable, "-m", "pip")
        run(*pip, "wheel", "-q", "--no-deps", "-w", here / "dist", clone, cwd=elsewhere)
        (wheel,) = (here / "dist").glob("tresnet_tasks-*.whl")
        shutil.rmtree(clone)
        programs = install(elsewhere, here / "wheel", wheel)
        try_out(programs, site_packages(programs) / "tresnet_tasks" / "configs", elsewhere)
        check_contents(programs)
        print(f"from {wheel.name}: ok")


if __name__ == "__main__":
    main()
