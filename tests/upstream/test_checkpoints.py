from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.logging import HistoryBuffer, MessageHub

from tresnet_tasks.upstream.checkpoints import (
    complete_file,
    plain_data,
    read_checkpoint,
    write_checkpoint,
)


class Payload:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, marker: Path, function) -> None:
        self.marker, self.function = marker, function

    def __reduce__(self):
        return self.function, (f"touch {self.marker}",)


def test_checkpoint_of_mmengine_comes_back(tmp_path):
    hub = MessageHub.get_instance("test_checkpoints")
    for value in (0.5, 1.5):
        hub.update_scalar("train/loss", value)
    saved = {"message_hub": hub.state_dict(), "meta": {"epoch": 2}}
    torch.save(saved, tmp_path / "c.pth")
    found = read_checkpoint(tmp_path / "c.pth")
    buffer = found["message_hub"]["log_scalars"]["train/loss"]
    assert type(buffer) is HistoryBuffer
    assert buffer.mean() == 1.0
    buffer.update(4.0)
    assert buffer.statistics("max") == 4.0


def test_buffer_that_was_read_can_be_saved_again(tmp_path):
    torch.save({"b": HistoryBuffer([1.0], [1])}, tmp_path / "c.pth")
    write_checkpoint(read_checkpoint(tmp_path / "c.pth"), tmp_path / "d.pth")
    assert read_checkpoint(tmp_path / "d.pth")["b"].current() == 1.0


def test_buffer_in_a_file_cannot_change_those_of_the_process(tmp_path, monkeypatch):
    methods = dict(HistoryBuffer._statistics_methods)
    crafted = HistoryBuffer([1.0], [1])
    crafted.statistics_methods = {"mean": 1, "other": 2}
    with monkeypatch.context() as patch:
        patch.setattr(HistoryBuffer, "__getstate__", lambda self: dict(self.__dict__))
        torch.save({"b": crafted}, tmp_path / "c.pth")
    read_checkpoint(tmp_path / "c.pth")
    assert HistoryBuffer._statistics_methods == methods


@pytest.mark.parametrize(
    "value",
    [np.float32(1.5), np.float64(2.5), np.int64(3), np.bool_(True), np.arange(4), np.ones((2, 2))],
)
def test_numpy_values_come_back(tmp_path, value):
    torch.save({"v": value}, tmp_path / "c.pth")
    assert np.array_equal(read_checkpoint(tmp_path / "c.pth")["v"], value)


def test_names_of_numpy_1_are_known(tmp_path):
    saved = {"a": np.ones(2), "s": np.float64(3)}
    torch.save(saved, tmp_path / "c.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "c.pth").read_bytes()
    (tmp_path / "c.pth").write_bytes(data.replace(b"numpy._core.", b"numpy.core."))
    found = read_checkpoint(tmp_path / "c.pth")
    assert found["s"] == 3
    assert np.array_equal(found["a"], saved["a"])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, print])
def test_payload_is_refused_and_does_not_run(tmp_path, function, zipped):
    marker = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    torch.save(
        {"state_dict": Payload(marker, function)}, path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(ValueError, match=r"evil\.pth") as told:
        read_checkpoint(path)
    assert not marker.exists()
    if function is not getattr:  # it is stood in for, and fails on its arguments
        assert function.__name__ in str(told.value)
        assert "Nothing in it was executed" in str(told.value)


def test_getattr_in_a_file_looks_nothing_up(tmp_path):
    class Lookup:
        def __reduce__(self):
            return getattr, (HistoryBuffer, "__init__")

    torch.save({"a": Lookup()}, tmp_path / "c.pth")
    assert read_checkpoint(tmp_path / "c.pth") == {"a": None}


def test_plain_pickle_with_a_payload_does_not_run(tmp_path):
    marker = tmp_path / "ran"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"a": Payload(marker, os.system)}))
    with pytest.raises(ValueError, match="Nothing in it was executed"):
        read_checkpoint(tmp_path / "evil.pth")
    assert not marker.exists()


def test_whole_pickled_module_is_refused_by_name(tmp_path):
    torch.save({"model": torch.nn.Linear(2, 2)}, tmp_path / "c.pth")
    with pytest.raises(ValueError, match=r"refused.*torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint(tmp_path / "c.pth")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.95])
def test_truncated_file_is_called_damaged(tmp_path, keep, zipped):
    path = tmp_path / "c.pth"
    torch.save({"a": torch.ones(5000)}, path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ValueError, match=r"c\.pth .*damaged.*download"):
        read_checkpoint(path)


def test_web_page_is_called_one(tmp_path):
    (tmp_path / "c.pth").write_text("<!DOCTYPE html><title>403</title>")
    with pytest.raises(ValueError, match="web page"):
        read_checkpoint(tmp_path / "c.pth")


def test_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.pth does not exist.*--work-dir"):
        read_checkpoint(tmp_path / "absent.pth")


def test_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="is a folder"):
        read_checkpoint(tmp_path)


def test_tensor_in_place_of_a_dict_is_told(tmp_path):
    torch.save(torch.ones(2), tmp_path / "c.pth")
    with pytest.raises(ValueError, match="holds a Tensor; expected a dict"):
        read_checkpoint(tmp_path / "c.pth")


def test_written_checkpoint_reads_back(tmp_path):
    write_checkpoint({"a": torch.ones(2), "meta": {"x": [1, (2, "b")]}}, tmp_path / "new" / "c.pth")
    found = read_checkpoint(tmp_path / "new" / "c.pth")
    assert found["meta"] == {"x": [1, (2, "b")]}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c.pth"]


def test_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    write_checkpoint({"a": 1}, tmp_path / "c.pth")
    with pytest.raises((pickle.PicklingError, AttributeError)):
        write_checkpoint({"a": lambda: None}, tmp_path / "c.pth")
    assert read_checkpoint(tmp_path / "c.pth") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["c.pth"]


def test_interrupted_write_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), complete_file(tmp_path / "c.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_config_becomes_plain_data():
    cfg = Config(
        {
            "model": {"type": torch.nn.Linear, "size": (1, 2.5)},
            "hooks": [{"fn": os.path.join, "on": True, "none": None}],
            "root": Path("data"),
            "scale": np.float32(0.5),
        }
    )
    assert plain_data(cfg) == {
        "model": {"type": "torch.nn.modules.linear.Linear", "size": (1, 2.5)},
        "hooks": [{"fn": "posixpath.join", "on": True, "none": None}],
        "root": "data",
        "scale": 0.5,
    }


def test_plain_data_of_a_config_reads_back(tmp_path):
    plain = plain_data(Config({"a": {"b": [1, {"c": torch.relu}]}}))
    write_checkpoint({"meta": {"cfg": plain}}, tmp_path / "c.pth")
    assert read_checkpoint(tmp_path / "c.pth")["meta"]["cfg"] == plain
    assert type(plain["a"]) is dict
