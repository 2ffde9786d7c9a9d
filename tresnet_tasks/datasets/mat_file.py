"""MATLAB's files of annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_mat(path: Path, name: str) -> NDArray[Any]:
    """Read one variable of a ``.mat`` file, version 4 to 7.2.

    Args:
        path: an existing file.
        name: of the variable.

    Returns:
        The array without axes of length 1, but with one at least; of a struct array a structured
        one.

    Raises:
        ValueError: for a damaged file or one without the variable.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(path, squeeze_me=True)
    except OSError:
        raise
    except Exception as error:  # scipy lets nearly any exception out on a damaged file
        raise ValueError(f"cannot read {path}: {str(error) or type(error).__name__}.") from error
    if name not in found:
        known = ", ".join(key for key in found if not key.startswith("__"))
        raise ValueError(f"{path} has no variable {name!r}, only {known or 'none'}.")
    return np.atleast_1d(found[name])
