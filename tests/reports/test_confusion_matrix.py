from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tresnet_tasks.reports import draw_confusion_matrix


@pytest.mark.parametrize("classes", [1, 2, 10, 31, 101, 1000])
def test_any_number_of_classes_gives_a_picture_of_bounded_size(
    tmp_path: Path, classes: int
) -> None:
    matrix = np.eye(classes, dtype=int) * 3
    path = draw_confusion_matrix(
        matrix, [f"class {i}" for i in range(classes)], tmp_path / "new" / "matrix.png"
    )
    with Image.open(path) as picture:
        assert 200 < min(picture.size) <= max(picture.size) < 2500
    assert [file.name for file in path.parent.iterdir()] == ["matrix.png"]


@pytest.mark.filterwarnings("error")
def test_names_of_any_script_are_drawn_without_complaint(tmp_path: Path) -> None:
    names = ["Bär", "кошка", "猫", "$x^2", "two\nlines", "", "🐈", "a" * 300]
    draw_confusion_matrix(np.ones((8, 8), dtype=int), names, tmp_path / "matrix.png")


def test_the_matrix_decides_the_picture(tmp_path: Path) -> None:
    pictures = []
    for matrix in ([[5, 0], [0, 5]], [[0, 5], [5, 0]]):
        path = draw_confusion_matrix(matrix, ["a", "b"], tmp_path / "matrix.png")
        pictures.append(path.read_bytes())
    assert pictures[0] != pictures[1]


def test_nothing_of_pyplot_is_touched(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from tresnet_tasks.reports import draw_confusion_matrix as draw\n"
        "assert 'matplotlib' not in sys.modules, 'loaded too early'\n"
        f"draw([[1]], ['a'], {str(tmp_path / 'matrix.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'global state'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [([[1, 2]], r"expected \(C, C\)"), ([[1, -2], [0, 0]], "negative count")],
)
def test_what_is_no_confusion_matrix_is_refused(
    tmp_path: Path, matrix: list[list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw_confusion_matrix(matrix, ["a", "b"], tmp_path / "matrix.png")


def test_a_failed_drawing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    path = draw_confusion_matrix([[1]], ["a"], tmp_path / "matrix.png")
    before = path.read_bytes()

    def fail(self: Figure, file: Path, **kwargs: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        draw_confusion_matrix([[2]], ["a"], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
