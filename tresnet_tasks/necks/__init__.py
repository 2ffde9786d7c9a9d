"""Necks: between the backbone's feature maps and the heads. Pyramids are mmdet's."""

from .neck_level import NeckLevel

__all__ = ["NeckLevel"]
