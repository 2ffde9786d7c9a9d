"""Lets mmdet's SSD predict: mmdet 3.3 (the newest) asks every dense head for ``loss_cls``, and SSDHead has none.

Can go when ``SSDHead`` sets it, or ``BaseDenseHead`` no longer asks.
"""

from __future__ import annotations


def repair() -> None:
    """Give SSDHead a ``loss_cls`` that says nothing special, where mmdet does not."""
    from mmdet.models.dense_heads import SSDHead

    if not hasattr(SSDHead, "loss_cls"):
        SSDHead.loss_cls = None
