"""The largest batch that fits into memory."""

from __future__ import annotations

from collections.abc import Callable

_FIRST = (2, 8)
# What two batches say of a third is off by some per cent, as allocators round.
_NEAR = 0.02


def largest_batch(peak: Callable[[int], int], limit: int) -> int:
    """Find it in few trials: a step's peak grows with the batch along a straight line, nearly.

    Args:
        peak: bytes of a step at a batch size; ``MemoryError`` where it does not fit at all.
        limit: bytes that there are.

    Returns:
        A batch size that was tried and fits, while one of two per cent more (or one image more)
        was tried and does not; 0 if not a single image fits.
    """
    fits: dict[int, int] = {0: 0}
    too_large: dict[int, int | None] = {}  # and bytes, where they are known

    def attempt(size: int) -> bool:
        try:
            found = peak(size)
        except MemoryError:
            too_large[size] = None
            return False
        (fits if found <= limit else too_large)[size] = found
        return found <= limit

    all(attempt(size) for size in _FIRST)
    while True:
        best = max(fits)
        step = max(1, int(_NEAR * best))
        if not too_large:
            before = sorted(fits)[-2]
            guess = _meeting(before, fits[before], best, fits[best], limit)
            attempt(min(max(guess, best + step), 8 * best))
            continue
        worst = min(too_large)
        if worst - best <= step:
            return best
        used = too_large[worst]
        guess = (best + worst) // 2
        if best and used is not None:
            guess = _meeting(best, fits[best], worst, used, limit)
        attempt(min(max(guess, best + step), worst - step))


def _meeting(one: int, used: int, other: int, more: int, limit: int) -> int:
    """Where the straight line through two batch sizes and their bytes meets the limit."""
    slope = max((more - used) / (other - one), 1.0)
    return one + int((limit - used) / slope)
