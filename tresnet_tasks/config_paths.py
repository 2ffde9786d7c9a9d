"""Where the configs are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def config_root() -> Path:
    """The folder that holds ``cls/``, ``quickstart/``, ...: the checkout's or the installed copy.

    Raises:
        FileNotFoundError: if the installation has no configs.
    """
    installed = _PACKAGE / "configs"
    if installed.is_dir():
        return installed
    # An editable install runs from the checkout. Asking for setup.cfg keeps a stranger's
    # site-packages/configs out.
    checkout = _PACKAGE.parent
    if (checkout / "setup.cfg").is_file() and (checkout / "configs").is_dir():
        return checkout / "configs"
    raise FileNotFoundError(
        f"no configs folder at {installed} or {checkout / 'configs'}: the installation is "
        "incomplete. Install again: pip install --force-reinstall --no-deps tresnet_tasks"
    )


def config_names() -> list[str]:
    """Names of all configs that can be run, sorted, as `find_config` takes them."""
    root = config_root()
    names = (path.relative_to(root).with_suffix("") for path in root.rglob("*.py"))
    return sorted(name.as_posix() for name in names if name.parts[0] != "_base_")


def find_config(name: str | Path) -> Path:
    """The file of a config.

    Args:
        name: a path, absolute or relative to the current folder, or a name under `config_root`,
            such as ``cls/tresnet_m_imagenet``; either with or without ``.py``. A name may begin
            with ``configs/``, so that a line written for a checkout works anywhere.

    Raises:
        FileNotFoundError: if there is none; the message says where it was looked for and gives the
        nearest names.
    """
    given = Path(name).expanduser()
    root = config_root()
    inside = Path(*given.parts[1:]) if given.parts[:1] == ("configs",) else given
    # with_name, not with_suffix: "tresnet_m_v1.5" has no suffix to replace. root / absolute is the
    # absolute one.
    for path in (given, root / inside):
        for candidate in (path, path.with_name(f"{path.name}.py")) if path.name else ():
            if candidate.is_file():
                return candidate
    known = config_names()
    wanted = inside.as_posix().removesuffix(".py")
    near = get_close_matches(wanted, known, n=3, cutoff=0.5)
    if not near:  # the folder was left out, or is another one
        stems = {config.rsplit("/", 1)[-1]: config for config in known}
        close = get_close_matches(wanted.rsplit("/", 1)[-1], stems, n=3, cutoff=0.6)
        near = [stems[stem] for stem in close]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
    raise FileNotFoundError(
        f"no config {str(name)!r}: looked for that file in {Path.cwd()} and in {root}, "
        f"with and without .py. {hint}"
    )
