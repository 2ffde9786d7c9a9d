from __future__ import annotations

import argparse
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tresnet_tasks.commands import main as dispatcher
from tresnet_tasks.commands.main import command_names, main

PACKAGE = "tresnet_tasks"


class Command(ModuleType):
    """A command whose run does what a test wants."""

    def __init__(self, run) -> None:
        super().__init__("polish", "Polish the brass.\n\nAnd more.")
        self.run = run

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--resume", nargs="?")
        parser.add_argument("--work-dir")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Make the given function the command ``polish``, the only one."""

    def put(run) -> None:
        monkeypatch.setattr(dispatcher, "command_names", lambda: ["polish"])
        monkeypatch.setattr(dispatcher, "import_module", lambda name: Command(run))

    return put


def raising(error: BaseException, filename: str):
    """A function that raises ``error`` from a frame of the file ``filename``."""
    scope = {"error": error}
    exec(compile("def run(args):\n    raise error", filename, "exec"), scope)
    return scope["run"]


@pytest.fixture
def ours(repository: Path) -> str:
    return str(repository / PACKAGE / "datasets" / "folder.py")


def test_the_four_commands_are_there() -> None:
    assert {"train", "test", "predict", "convert"} <= set(command_names())


@pytest.mark.parametrize("name", command_names())
def test_a_command_has_what_the_dispatcher_asks_for(name: str) -> None:
    command = import_module(f"{PACKAGE}.commands.{name}")
    assert command.__doc__ and command.__doc__.strip()
    assert callable(command.run)
    assert dispatcher.command_parser(name).format_help()


@pytest.mark.parametrize("name", command_names())
def test_a_command_has_its_tool(name: str, repository: Path) -> None:
    assert f'main(name="{name}")' in (repository / "tools" / f"{name}.py").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("way", [["-m", PACKAGE, "train"], ["tools/train.py"]])
def test_every_way_in_leads_to_the_same_command(way: list[str], repository: Path) -> None:
    line = [sys.executable, *way, "--help"]
    done = subprocess.run(line, cwd=repository, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--work-dir" in done.stdout and "--traceback" in done.stdout


def test_the_overview_gives_each_command_a_line(install, capsys: pytest.CaptureFixture) -> None:
    install(lambda args: 0)
    assert main(["--help"]) == 0
    assert "  polish  Polish the brass.\n" in capsys.readouterr().out


def test_no_command_gets_the_overview_too(install, capsys: pytest.CaptureFixture) -> None:
    install(lambda args: 0)
    assert main([]) == 2
    assert "Polish the brass." in capsys.readouterr().err


def test_the_status_is_the_commands_own(install) -> None:
    install(lambda args: 7)
    assert main(["polish"]) == 7
    assert main([], name="polish") == 7


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture) -> None:
    assert main(["trian"]) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--resum", "--resum=x", "--workdir"])
def test_an_unknown_option_is_answered_with_the_nearest(
    option: str, install, capsys: pytest.CaptureFixture
) -> None:
    install(lambda args: 0)
    with pytest.raises(SystemExit) as exit_:
        main(["polish", option])
    assert exit_.value.code == 2
    expected = "--work-dir" if "work" in option else "--resume"
    assert f"did you mean {expected} instead of {option}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("head has 80 classes\nbut the data 3"), "head has 80 classes\nbut the data 3"),
        (FileNotFoundError("no config 'x'"), "no config 'x'"),
        (KeyError("'TResNte' is not a registered model"), "'TResNte' is not a registered model"),
        (PermissionError(13, "Permission denied", "/w"), "[Errno 13] Permission denied: '/w'"),
        (ImportError("cv2 needs libGL: pip install ..."), "cv2 needs libGL: pip install ..."),
    ],
)
def test_our_own_error_is_told_in_one_message(
    error: Exception, told: str, install, ours: str, capsys: pytest.CaptureFixture
) -> None:
    install(raising(error, ours))
    assert main(["polish"]) == 1
    assert capsys.readouterr().err == f"error: {told}\n"


@pytest.mark.parametrize(
    "error", [ValueError("shape '[3]' is invalid"), KeyError("some key of theirs")]
)
def test_a_librarys_error_keeps_its_traceback(error: Exception, install) -> None:
    install(raising(error, "/site-packages/torch/functional.py"))
    with pytest.raises(type(error)):
        main(["polish"])


@pytest.mark.parametrize(
    "error", [KeyError("img"), TypeError("x"), RuntimeError("y"), ImportError("z", name="z")]
)
def test_a_defect_of_ours_keeps_its_traceback(error: Exception, install, ours: str) -> None:
    install(raising(error, ours))
    with pytest.raises(type(error)):
        main(["polish"])


def test_the_systems_refusal_of_a_file_is_told_whoever_asked(
    install, capsys: pytest.CaptureFixture
) -> None:
    refusal = PermissionError(13, "Permission denied", "/w")
    install(raising(refusal, "/site-packages/mmengine/path.py"))
    assert main(["polish"]) == 1
    assert "'/w'" in capsys.readouterr().err


def test_our_error_is_told_through_a_library_that_wraps_it(
    install, ours: str, capsys: pytest.CaptureFixture
) -> None:
    def run(args: argparse.Namespace) -> int:
        try:
            raising(ValueError("data/x is empty"), ours)(args)
        except ValueError as error:
            wrapped = TypeError(f"class `ImageFolder`: {error}")
            raising(wrapped, "/site-packages/mmengine/build.py")(args)
        return 0

    install(run)
    assert main(["polish"]) == 1
    assert capsys.readouterr().err == "error: data/x is empty\n"


@pytest.mark.parametrize("kind", [ValueError, KeyError])
def test_our_error_is_told_out_of_a_dataloader_worker(
    kind: type[Exception], install, ours: str, capsys: pytest.CaptureFixture
) -> None:
    from torch.utils.data import DataLoader

    fail = raising(kind("a.jpg is truncated:\nmake it anew"), ours)

    class Broken:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> int:
            return fail(None)

    install(lambda args: next(iter(DataLoader(Broken(), num_workers=1))))
    assert main(["polish"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and "Traceback" not in told
    assert "a.jpg is truncated" in told and "make it anew" in told


@pytest.mark.parametrize("by", ["option", "environment"])
def test_the_traceback_can_be_asked_for(
    by: str, install, ours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(raising(ValueError("told"), ours))
    if by == "environment":
        monkeypatch.setenv("TRESNET_TASKS_TRACEBACK", "1")
    with pytest.raises(ValueError, match="told"):
        main(["polish", *(["--traceback"] if by == "option" else [])])


def test_ctrl_c_is_quiet(install, capsys: pytest.CaptureFixture) -> None:
    install(raising(KeyboardInterrupt(), "anywhere.py"))
    assert main(["polish"]) == 130
    assert capsys.readouterr() == ("", "")


def test_our_own_warning_is_told_without_its_line(
    install, ours: str, capsys: pytest.CaptureFixture
) -> None:
    def run(args: argparse.Namespace) -> int:
        for filename in (ours, "/theirs.py"):
            text = warnings.formatwarning("2 blank lines", UserWarning, filename, 7)
            print(text, end="", file=sys.stderr)
        return 0

    install(run)
    assert main(["polish"]) == 0
    told = capsys.readouterr().err
    assert told.startswith("warning: 2 blank lines\n/theirs.py:7: UserWarning: 2 blank lines\n")
