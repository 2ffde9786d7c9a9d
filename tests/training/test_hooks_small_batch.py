from __future__ import annotations

from typing import Any

import pytest

from tresnet_tasks.training.hooks import SmallBatchHook


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "warned"),
    # 12 images: the last batch of 11 has one, of 5 two, of 1 one.
    [(11, False, True), (11, True, False), (5, False, False), (1, False, True)],
)
def test_a_last_batch_of_one_image_is_told_beforehand(
    batch_size: int,
    drop_last: bool,
    warned: bool,
    make_runner: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runner = make_runner()
    runner._train_dataloader.update(batch_size=batch_size, drop_last=drop_last)
    SmallBatchHook().before_train(runner)
    assert ("drop_last=True" in capsys.readouterr().out) is warned
