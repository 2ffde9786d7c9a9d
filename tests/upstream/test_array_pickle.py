"""Pickles of arrays as data; tests/weights/test_paddle.py has what a hostile or damaged one may hold."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tresnet_tasks.upstream.array_pickle import RefusedPickleError, read_array_pickle


def test_arrays_come_with_the_plain_values_beside_them(tmp_path: Path) -> None:
    plain = {"labels": [3, 1], "name": "a", b"raw": b"x", "more": {"deep": (1.5, None)}}
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({**plain, "data": np.arange(6, dtype=">i2").reshape(2, 3)}))
    found = read_array_pickle(path)
    assert np.array_equal(found.pop("data"), [[0, 1, 2], [3, 4, 5]])
    assert found == plain


def test_anything_but_arrays_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({"data": os.mkdir}))
    with pytest.raises(RefusedPickleError, match=r"\w+\.mkdir"):
        read_array_pickle(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(pickle.dumps([1]), "it holds a list, not a dict"), (b"", "Ran out of input|EOFError")],
)
def test_what_is_no_dict_or_no_pickle_is_an_error(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_array_pickle(tmp_path / "batch")
