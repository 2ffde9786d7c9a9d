from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tresnet_tasks.upstream.mmcv_ops.extension import OPERATORS
from tresnet_tasks.upstream.mmcv_ops.finder import MmcvExtFinder, install
from tresnet_tasks.upstream.mmcv_ops.refused import needed_by


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent


def _run(code: str, folder: Path) -> str:
    line = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def mmcv_calls() -> list[ast.Call]:
    """Every ``ext_module.something(...)`` in mmcv's Python files."""
    calls = []
    for path in sorted((_package("mmcv") / "ops").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func.value) == "ext_module"
            ):
                calls.append(node)
    return calls


def test_mmdets_models_import_in_a_fresh_process(repository: Path) -> None:
    code = "import tresnet_tasks, mmdet.models, mmcv._ext; print(mmcv._ext.__spec__.origin)"
    assert _run(code, repository).strip() == "tresnet_tasks.upstream.mmcv_ops"


def test_mmengine_takes_mmcv_for_complete() -> None:
    from mmengine.utils.dl_utils import mmcv_full_available

    assert mmcv_full_available()


def test_a_compiled_extension_wins(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "mmcv").mkdir()
    (tmp_path / "mmcv" / "__init__.py").write_text("")
    (tmp_path / "mmcv" / "_ext.py").write_text("who = 'compiled'")
    code = (
        f"import sys; sys.path.insert(0, {str(repository)!r}); sys.path.insert(0, '.')\n"
        "import tresnet_tasks, mmcv._ext; print(mmcv._ext.who)"
    )
    assert _run(code, tmp_path).strip() == "compiled"


def test_the_finder_is_installed_once_and_last() -> None:
    install()
    ours = [finder for finder in sys.meta_path if isinstance(finder, MmcvExtFinder)]
    assert len(ours) == 1


@pytest.mark.parametrize("name", ["mmcv", "mmcv.ops", "_ext", "mmcv._ext.more", "mmdet._ext"])
def test_the_finder_serves_one_name(name: str) -> None:
    assert MmcvExtFinder.find_spec(name) is None


def test_mmcvs_calls_fit_our_signatures(mmcv_calls: list[ast.Call]) -> None:
    seen = set()
    for call in mmcv_calls:
        name = call.func.attr  # type: ignore[attr-defined]
        starred = any(isinstance(argument, ast.Starred) for argument in call.args)
        if name not in OPERATORS or starred:  # starred: only under another tensor library
            continue
        keywords = {keyword.arg: 0 for keyword in call.keywords if keyword.arg}
        inspect.signature(OPERATORS[name]).bind(*call.args, **keywords)
        seen.add(name)
    assert seen == set(OPERATORS) - {"nms_match"}


def test_every_other_operator_is_refused_by_name_and_need(mmcv_calls: list[ast.Call]) -> None:
    import mmcv._ext

    others = {call.func.attr for call in mmcv_calls} - set(OPERATORS)  # type: ignore[attr-defined]
    assert len(others) > 50
    for name in others:
        need = needed_by(name)
        assert need is not None, name
        with pytest.raises(NotImplementedError, match=re.escape(f"{name!r} was called")) as error:
            getattr(mmcv._ext, name)(1, two=2)
        assert need in str(error.value)


def test_private_names_are_not_made_up() -> None:
    import mmcv._ext

    assert not hasattr(mmcv._ext, "__file__")
    assert not hasattr(mmcv._ext, "_private")


def test_nothing_that_mmdet_names_reaches_a_refused_operator() -> None:
    """Configs name mmcv's parts by strings, code imports them."""
    import mmcv.ops  # noqa: F401  # registers its parts
    from mmengine.registry import MODELS

    folder = _package("mmcv") / "ops"
    homes = {
        name: part.__module__.rpartition(".")[2]
        for name, part in MODELS.module_dict.items()
        if part.__module__.startswith("mmcv.ops.")
    }
    for node in ast.walk(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level:
            homes |= {alias.name: node.module for alias in node.names}
    named = re.compile(r"(?:['\".]|import.*?\b)(" + "|".join(sorted(homes, reverse=True)) + r")\b")
    used = set()
    for path in _package("mmdet").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "mmcv.ops" in text or ".mim" in path.parts:
            used |= set(named.findall(text))
    assert {"RoIAlign", "DCNv2", "MaskedConv2d", "MMSyncBN", "DeformRoIPoolPack", "SAC"} <= used
    assert "nms_quadri" not in used
    for name in used:
        source = (folder / f"{homes[name]}.py").read_text(encoding="utf-8")
        called = set(re.findall(r"ext_module\.(\w+)", source)) - {"nms_quadri"}
        assert called <= set(OPERATORS), name
