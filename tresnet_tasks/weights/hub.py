"""Names of published weights on the Hugging Face hub, and the local cache."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

HUB_WEIGHTS = (
    "timm/tresnet_m.miil_in21k_ft_in1k",
    "timm/tresnet_m.miil_in21k",
    "timm/tresnet_m.miil_in1k",
    "timm/tresnet_m.miil_in1k_448",
    "timm/tresnet_l.miil_in1k",
    "timm/tresnet_l.miil_in1k_448",
    "timm/tresnet_xl.miil_in1k",
    "timm/tresnet_xl.miil_in1k_448",
    "timm/tresnet_v2_l.miil_in21k_ft_in1k",
    "timm/tresnet_v2_l.miil_in21k",
)
"""The weights that exist there, all Apache-2.0, converted by timm from the authors' files."""

_FILE = "model.safetensors"
_SUFFIXES = (".pth", ".pt", ".safetensors", ".pdparams")  # no hub name has one of these


def find_weights(path_or_name: str | Path) -> Path:
    """Give the local file for a path or a hub name.

    Args:
        path_or_name: a file, or a name of ``HUB_WEIGHTS`` (``timm/`` may be left out). A hub file
            that lies in the local cache is used without asking the network; ``HF_HOME`` and
            ``HF_HUB_OFFLINE`` are honoured.

    Raises:
        FileNotFoundError: if it is neither, or cannot be downloaded; the message says how to get
            it.
        ValueError: if it is a folder.
    """
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        raise ValueError(f"weights {path} is a folder; expected a file in it or a hub name.")
    if path.exists():
        return path
    text = str(path_or_name).removeprefix("hf-hub:").removeprefix("hf_hub:")
    name = text if text.startswith("timm/") else f"timm/{text}"
    if name in HUB_WEIGHTS:
        return _from_hub(name)
    if path.suffix in _SUFFIXES or (name != text and Path(text).name != text):  # meant as a path
        raise FileNotFoundError(
            f"weights {str(path_or_name)!r}: the file {path.absolute()} does not exist. Check the path, or give a "
            f"hub name such as {HUB_WEIGHTS[0]}."
        )
    near = get_close_matches(name, HUB_WEIGHTS, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Names: {', '.join(HUB_WEIGHTS)}."
    raise FileNotFoundError(
        f"weights {str(path_or_name)!r}: there is no such file, and no TResNet of that name is "
        f"published. {hint} (Another network of timm can be a teacher: "
        "DistillationHook(timm='NAME').)"
    )


def _from_hub(name: str) -> Path:
    # Not at the top: it takes long to import, and files on disk do not need it.
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(name, _FILE)
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(hf_hub_download(name, _FILE))
    except Exception as error:  # its errors come from three HTTP libraries, by version
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            why = "HF_HUB_OFFLINE is set"
        raise FileNotFoundError(
            f"weights {name!r} are not in the local cache ({constants.HF_HUB_CACHE}) and were not "
            f"downloaded: {why}.\n"
            f"With a network, without HF_HUB_OFFLINE: hf download {name} {_FILE}\n"
            f"Without one: fetch https://huggingface.co/{name}/resolve/main/{_FILE} elsewhere, "
            "copy it here and give its path in place of the name."
        ) from error
