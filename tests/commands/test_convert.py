from __future__ import annotations

import argparse
import os
import subprocess
import sys

import pytest
import timm
import torch
from timm.models.tresnet import TResNet as TimmTResNet

from tresnet_tasks.commands import convert
from tresnet_tasks.weights import read_weights


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def run(*words):
    parser = argparse.ArgumentParser()
    convert.add_arguments(parser)
    return convert.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def weights(tmp_path):
    net = TimmTResNet([1, 1, 1, 1], num_classes=5, width_factor=0.125)
    torch.save({"state_dict": net.state_dict()}, tmp_path / "in.pth")
    return tmp_path / "in.pth"


def test_writes_ours_and_says_so(weights, tmp_path, capsys):
    assert run(weights, tmp_path / "out.pth") == 0
    assert read_weights(tmp_path / "out.pth").converted.layout == "ours"
    assert "timm layout" in capsys.readouterr().out


def test_writes_timms_format(weights, tmp_path):
    run(weights, tmp_path / "out.safetensors", "--format", "timm")
    twin = TimmTResNet([1, 1, 1, 1], num_classes=5, width_factor=0.125)
    timm.models.load_checkpoint(twin, tmp_path / "out.safetensors", strict=True)


def test_slopes_are_kept_in_the_file(weights, tmp_path):
    run(weights, tmp_path / "out.pth", "--slopes", "1e-6", "1e-6")
    assert read_weights(tmp_path / "out.pth").slopes == (1e-6, 1e-6)


def test_payload_is_refused_and_nothing_is_written(tmp_path):
    marker = tmp_path / "ran"
    torch.save({"model": {"a.b": Payload(marker)}}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth is refused"):
        run(tmp_path / "evil.pth", tmp_path / "out.pth")
    assert not marker.exists()
    assert not (tmp_path / "out.pth").exists()


def test_help_teaches_by_example_and_does_not_import_torch():
    code = (
        "import argparse, sys; from tresnet_tasks.commands import convert as c;"
        "p = argparse.ArgumentParser(description=c.__doc__); c.add_arguments(p);"
        "print(p.format_help()); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tresnet-tasks convert timm/tresnet_l.miil_in1k" in done.stdout
