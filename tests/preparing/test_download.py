"""Downloads from a server that breaks off, cannot resume, is busy, or has another file."""

from __future__ import annotations

import pytest

from tresnet_tasks.preparing.download import download
from tresnet_tasks.preparing.progress import Progress

DATA = bytes(range(256)) * 64
NAME = "photos.tgz"


@pytest.fixture
def fetch(server, tmp_path):
    """Download ``photos.tgz``; gives the file."""
    server.files[NAME] = DATA

    def run(name: str = NAME):
        path = tmp_path / name
        download(f"{server.url}/{name}", path, Progress(), pause=0.0)
        return path

    return run


def ranges(server) -> list[str | None]:
    return [wanted for _, wanted in server.asked]


def test_a_file_comes_whole_and_under_its_name(fetch, server, tmp_path) -> None:
    assert fetch().read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_an_interrupted_download_goes_on_where_it_broke(fetch, server) -> None:
    server.cuts = [1000, 500]
    assert fetch().read_bytes() == DATA
    assert ranges(server) == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_call_goes_on_with_what_an_earlier_one_left(fetch, server, tmp_path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:700])
    assert fetch().read_bytes() == DATA
    assert ranges(server) == ["bytes=700-"]


def test_a_server_without_ranges_starts_again(fetch, server, capsys) -> None:
    server.ranges, server.cuts = False, [1000]
    assert fetch().read_bytes() == DATA
    assert "from the start" in capsys.readouterr().err


def test_a_part_that_is_whole_is_only_renamed(fetch, server, tmp_path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA)
    assert fetch().read_bytes() == DATA


def test_a_part_that_is_longer_than_the_file_is_dropped(fetch, server, tmp_path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA + b"more")
    assert fetch().read_bytes() == DATA
    assert ranges(server) == [f"bytes={len(DATA) + 4}-", None]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int, fetch, server) -> None:
    server.statuses = [status, status]
    assert fetch().read_bytes() == DATA
    assert len(server.asked) == 3


def test_five_attempts_without_a_byte_are_enough(fetch, server, tmp_path) -> None:
    server.cuts = [1000, 0, 0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"after 1,000 of 16,384 bytes.*--archive.*--url"):
        fetch()
    assert (tmp_path / f"{NAME}.part").read_bytes() == DATA[:1000]
    assert len(server.asked) == 5


def test_a_file_that_the_server_lacks_is_not_asked_for_again(fetch, server) -> None:
    with pytest.raises(ValueError, match=r"the server says 404.*--archive"):
        fetch("other.tgz")
    assert len(server.asked) == 1


def test_no_server_at_all_is_told(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"no answer: .*refused"):
        download("http://127.0.0.1:9/x", tmp_path / "x", Progress(), pause=0.0)


def test_other_addresses_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="expected an address of http"):
        download("file:///etc/passwd", tmp_path / "x", Progress())
