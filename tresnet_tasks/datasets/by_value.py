"""How a worker hands over many small tensors."""

from __future__ import annotations

import pickle
from copyreg import dispatch_table
from io import BytesIO
from typing import Any

import torch


class ByValueList(list[Any]):
    """A list whose tensors travel to another process inside the message.

    torch's loaders send every tensor through a piece of shared memory and a file descriptor of its
    own. For a label of eight bytes that takes longer than decoding the image, and a large batch
    runs out of descriptors. It arrives as a plain list.
    """

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        buffer = BytesIO()
        pickler = pickle.Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = {**dispatch_table, torch.Tensor: _reduce_tensor}
        pickler.dump(list(self))
        return pickle.loads, (buffer.getvalue(),)


def _reduce_tensor(tensor: torch.Tensor) -> Any:
    try:
        array = tensor.detach().numpy()
    except (TypeError, RuntimeError):  # bfloat16 and the like
        return tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)  # type: ignore[no-untyped-call]
    return torch.from_numpy, (array,)
