from __future__ import annotations

from pathlib import Path

from tresnet_tasks.datasets.same_files import same_files


def write(path: Path, content: bytes) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_files_of_the_same_bytes_are_found_and_no_others(tmp_path: Path) -> None:
    long = bytes(range(256)) * 40
    ones = [
        write(tmp_path / "a/same.jpg", b"one picture"),
        write(tmp_path / "a/again.jpg", b"one picture"),
        write(tmp_path / "a/long.jpg", long),
        write(tmp_path / "a/alone.jpg", b"another"),
    ]
    others = [
        write(tmp_path / "b/longer.jpg", b"x" + long),
        write(tmp_path / "b/other_start.jpg", b"x" + long[1:]),  # of equal size and end
        write(tmp_path / "b/other_end.jpg", long[:-1] + b"x"),
        write(tmp_path / "b/copy.jpg", b"one picture"),
        write(tmp_path / "b/equal_size.jpg", b"two picture"),
    ]
    assert same_files(ones, others) == [(ones[0], others[3])]


def test_one_file_in_both_lists_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a/1.jpg", b"1")
    assert same_files([path], [path]) == [(path, path)]


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    assert same_files(["shard.tar/1.jpg"], ["shard.tar/1.jpg"]) == []
    assert same_files([], []) == []
