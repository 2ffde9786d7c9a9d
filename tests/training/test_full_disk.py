from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from mmengine.hooks import Hook

from tresnet_tasks.commands._errors import plain_message
from tresnet_tasks.upstream.checkpoints import read_checkpoint, write_checkpoint

pytestmark = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="the system has no /dev/full"
)


def fill_disk(path: Path) -> None:
    """Let whatever is written for ``path`` meet a full disk."""
    path.with_name(f".{path.name}.{os.getpid()}.tmp").symlink_to("/dev/full")


def test_a_checkpoint_that_does_not_fit_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "epoch_1.pth"
    write_checkpoint({"a": 1}, path)
    fill_disk(path)
    with pytest.raises(OSError, match=r"epoch_1.pth could not be written: No space left"):
        write_checkpoint({"a": 2}, path)
    assert read_checkpoint(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_run_stops_in_plain_words_with_its_checkpoints_intact(
    make_runner: Any, tmp_path: Path
) -> None:
    class Fill(Hook):
        def before_train_epoch(self, runner: Any) -> None:
            if runner.epoch == 1:
                fill_disk(tmp_path / "run/epoch_2.pth")

    with pytest.raises(OSError, match=r"epoch_2\.pth could not be written") as error:
        make_runner(custom_hooks=[Fill()]).train()
    assert "Make room on the disk" in (plain_message(error.value) or "")
    files = {path.name for path in (tmp_path / "run").iterdir() if ".pth" in path.name}
    assert files == {"epoch_1.pth"}
    assert read_checkpoint(tmp_path / "run/epoch_1.pth")["meta"]["epoch"] == 1
    make_runner(resume=True).train()  # there is room again
    assert read_checkpoint(tmp_path / "run/epoch_4.pth")["meta"]["epoch"] == 4


def test_a_log_that_does_not_fit_is_told_in_plain_words() -> None:
    with pytest.raises(OSError) as error, Path("/dev/full").open("w") as log:
        log.write("x")
    assert plain_message(error.value) == "[Errno 28] No space left on device"
