from __future__ import annotations

import builtins
import os
import pickle
import subprocess

import numpy as np
import pytest
import torch

from tresnet_tasks.weights.paddle import read_pdparams


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "float64", ">f4", "int64", "uint8", "bool"]
)
def test_arrays_come_back_exactly(save_pdparams, protocol, dtype):
    array = (np.arange(24).reshape(2, 3, 4) % 2 * 7).astype(dtype)
    saved = {"c": array, "f": np.asfortranarray(array), "empty": array[:0], "zero": array[0, 0, 0]}
    found = read_pdparams(save_pdparams(saved, protocol))
    for name, value in saved.items():
        assert np.array_equal(found[name].numpy(), value), name
        assert found[name].shape == value.shape


def test_what_is_no_array_is_left_out(save_pdparams):
    saved = {"a": np.ones(2), "StructuredToParameterName@@": {"a": "linear_0.w_0"}, "epoch": 3}
    assert list(read_pdparams(save_pdparams(saved))) == ["a"]


def test_numpy_1_names_are_known(save_pdparams):
    path = save_pdparams({"a": np.ones(3)}, 2)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert torch.equal(read_pdparams(path)["a"], torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "function", [os.system, eval, exec, builtins.__import__, subprocess.getoutput, getattr, print]
)
def test_any_other_call_is_refused_and_does_not_run(save_pdparams, payload, protocol, function):
    payload.function = function
    path = save_pdparams({"a": np.ones(3), "b": payload}, protocol)
    with pytest.raises(ValueError, match=f"refused.*{function.__name__}"):
        read_pdparams(path)
    assert not payload.marker.exists()


def test_arrays_of_objects_are_not_built(save_pdparams):
    with pytest.raises(ValueError, match="dtype 'O8'"):
        read_pdparams(save_pdparams({"a": np.array([{}, []], dtype=object)}))


def test_structured_arrays_are_not_built(save_pdparams):
    with pytest.raises(ValueError, match="dtype 'V"):
        read_pdparams(save_pdparams({"a": np.zeros(2, dtype=[("x", "f4")])}))


@pytest.mark.parametrize(
    "pickled",
    [
        # a shape that promises more numbers than there are bytes
        pickle.dumps({"a": np.ones(4)}, 2).replace(b"K\x04\x85", b"K\x7f\x85"),
        # BUILD on a stand-in itself, as one sets attributes of a class
        b"\x80\x02cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02cnumpy\nndarray\nN}X\x01\x00\x00\x00aK\x01s\x86b.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        # the class called directly, and another class in its place
        b"\x80\x02cnumpy\nndarray\nK\x05\x85R.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85U\x01b\x87R.",
        # persistent ids, extension codes, nothing at all
        b"\x80\x02X\x01\x00\x00\x00aQ.",
        b"\x80\x02\x82\x01.",
        b"",
        b"\x80\x04N.",
        b"<!DOCTYPE html>",
    ],
)
def test_crafted_or_damaged_bytes_are_an_error(tmp_path, pickled):
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickled)
    with pytest.raises(ValueError, match=r"w\.pdparams is (damaged|refused)"):
        read_pdparams(path)
