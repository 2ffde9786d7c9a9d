"""Necks between backbone and head; none of our own yet, mmdet's are used by name."""
