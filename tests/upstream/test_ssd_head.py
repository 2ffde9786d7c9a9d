from __future__ import annotations

from tresnet_tasks.registry import MODELS


def test_ssd_has_what_mmdet_asks_every_dense_head_for() -> None:
    assert hasattr(MODELS.get("SSDHead"), "loss_cls")
