from __future__ import annotations

from threading import Event

import pytest

from tresnet_tasks.upstream.checkpoint_writer import CheckpointWriter


def test_the_next_job_waits_for_the_last() -> None:
    writer, go, done = CheckpointWriter(), Event(), []
    writer.start(lambda: (go.wait(10), done.append(1)))
    assert not done  # the caller went on
    go.set()
    writer.start(lambda: done.append(2))
    writer.wait()
    assert done == [1, 2]


@pytest.mark.parametrize("then", ["wait", "check", "start"])
def test_an_error_is_raised_once_where_training_can_be_stopped(then: str) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    writer = CheckpointWriter()
    writer.start(fail)
    assert writer._thread is not None
    writer._thread.join()
    with pytest.raises(OSError, match="No space left"):
        writer.start(lambda: None) if then == "start" else getattr(writer, then)()
    writer.wait()
