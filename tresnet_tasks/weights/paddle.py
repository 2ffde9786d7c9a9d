"""PaddlePaddle's ``.pdparams``: a pickle of NumPy arrays, read as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..upstream.array_pickle import RefusedPickleError, read_array_pickle


def read_pdparams(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a ``.pdparams`` file under the names they have there.

    Args:
        path: an existing file, pickle protocol 2 to 5.

    Returns:
        CPU tensors; entries that are no arrays, such as ``StructuredToParameterName@@``, are left
        out.

    Raises:
        ValueError: if the file wants anything but NumPy arrays (it is refused and nothing in it has
            run), is damaged, or holds something other than a dict.
    """
    try:
        found = read_array_pickle(path)
    except RefusedPickleError as error:
        raise ValueError(
            f"weights file {path} is refused: it wants to load '{error}', and only NumPy arrays "
            "are admitted. Nothing in it was executed. Save the weights with "
            "paddle.save(model.state_dict(), ...), or ask their author to."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"weights file {path} is damaged or no .pdparams ({error}). "
            "Nothing in it was executed. Was its download cut short? Fetch it again."
        ) from error
    return {str(k): torch.from_numpy(v) for k, v in found.items() if isinstance(v, np.ndarray)}
