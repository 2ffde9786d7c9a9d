"""Pickles of NumPy arrays, read without giving the pickle anything to call.

What it repairs: Python's ``pickle`` and all of NumPy's own ways to read one run whatever the file
names, ``numpy.load(allow_pickle=True)`` included. Needed with every version: it can go when NumPy
reads such files as data.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})


class RefusedPickleError(ValueError):
    """A pickle names something that is no part of an array; the message is that name."""


def read_array_pickle(path: Path) -> dict[Any, Any]:
    """Read a pickled dict of arrays and plain values.

    Args:
        path: an existing file, pickle protocol 0 to 5, of Python 2 or 3. Text and bytes of Python 2
            come as str (latin1).

    Returns:
        The dict; its values are arrays of numbers, in the machine's byte order, or what Python has
        without a class: numbers, text, bytes, lists, dicts.

    Raises:
        RefusedPickleError: if it wants anything but arrays; nothing in it has run.
        ValueError: if it is damaged, or holds something other than a dict; the message is the
            reason alone.

    Neither NumPy nor anything else named in the file is called while it is read: arrays are first
    described (shape, dtype, bytes) by classes of this module, then checked, then built.
    """
    with path.open("rb") as file:
        try:
            found = _ArrayUnpickler(file, encoding="latin1").load()
            if not isinstance(found, dict):
                raise pickle.UnpicklingError(f"it holds a {type(found).__name__}, not a dict")
            return {k: v.built() if isinstance(v, _Array) else v for k, v in found.items()}
        except (RefusedPickleError, OSError):
            raise
        except Exception as error:  # a pickle of random bytes can fail in any way
            raise ValueError(str(error) or type(error).__name__) from error


class _Part:
    """Base of the stand-ins: every one answers BUILD itself, or a pickle could set attributes of
    these classes."""

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError(f"{type(self).__name__} takes no state")


class _Dtype(_Part):
    """Stands for ``numpy.dtype``; numbers only."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if code not in _DTYPES:
            raise pickle.UnpicklingError(f"dtype {code!r} is not a number's")
        self.code = code
        self.order = "<"

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
            raise pickle.UnpicklingError("dtype with fields")
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"byte order {state[1]!r}")
        self.order = state[1]


class _Array(_Part):
    """Stands for an array: what is needed to build it."""

    def __init__(self) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array's state has five parts")
        self.state = state[1:]

    def built(self) -> np.ndarray[Any, Any]:
        """The array, once shape, dtype and number of bytes are seen to agree."""
        if not self.state:
            raise pickle.UnpicklingError("an array without contents")
        shape, dtype, fortran, data = self.state
        if isinstance(data, str):  # a pickle written by Python 2
            data = data.encode("latin1")
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError("an array of something other than numbers")
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError(f"shape {shape!r}")
        kind = np.dtype(dtype.order + dtype.code)
        if math.prod(shape) * kind.itemsize != len(data):
            raise pickle.UnpicklingError(f"{len(data)} bytes for {shape} of {kind}")
        array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
        return np.array(array, dtype=kind.newbyteorder("="), order="C")


class _Ndarray(_Part):
    """Stands for the class ``numpy.ndarray``, which is only ever passed on."""

    def __init__(self, *args: object) -> None:
        raise pickle.UnpicklingError("numpy.ndarray called directly")


class _Reconstruct(_Part):
    """Stands for ``numpy.core.multiarray._reconstruct``."""

    def __new__(cls, kind: object, shape: object, code: object) -> Any:
        if kind is not _Ndarray:
            raise pickle.UnpicklingError("an array of another class")
        return _Array()


class _FromBuffer(_Part):
    """Stands for ``numpy.core.numeric._frombuffer`` (protocol 5)."""

    def __new__(cls, data: object, dtype: object, shape: object, order: object) -> Any:
        array = _Array()
        array.state = (shape, dtype, order == "F", data)
        return array


class _Scalar(_Part):
    """Stands for ``numpy.core.multiarray.scalar``."""

    def __new__(cls, dtype: object, data: object) -> Any:
        array = _Array()
        array.state = ((), dtype, False, data)
        return array


class _Encode(_Part):
    """Stands for ``_codecs.encode``, by which protocol 2 writes bytes."""

    def __new__(cls, text: str, encoding: str = "latin1") -> Any:
        if type(text) is not str or encoding != "latin1":
            raise pickle.UnpicklingError(f"encoding {encoding!r}")
        return text.encode("latin1")


class _NoBytes(_Part):
    """Stands for ``bytes``, by which protocol 2 writes the contents of an empty array."""

    def __new__(cls) -> Any:
        return b""


_ADMITTED: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Ndarray,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encode,
    ("__builtin__", "bytes"): _NoBytes,
}
for _package in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
    _ADMITTED[f"{_package}.multiarray", "_reconstruct"] = _Reconstruct
    _ADMITTED[f"{_package}.multiarray", "scalar"] = _Scalar
    _ADMITTED[f"{_package}.numeric", "_frombuffer"] = _FromBuffer


class _ArrayUnpickler(pickle.Unpickler):
    """Finds the stand-ins above and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up: one of the stand-ins, or a refusal."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise RefusedPickleError(f"{module}.{name}") from None
