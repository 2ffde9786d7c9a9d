"""The kernels as machine code of NVIDIA's GPUs, which Triton makes without one; they are not run.

For bfloat16: in float16 the blur of contiguous tensors puts up to 24 bytes a thread on the stack.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tresnet_tasks.kernels.norm import InputGradient

CHANNELS = 128
VECTOR = torch.zeros(CHANNELS)
NORM = (VECTOR,) * 4
PER_IMAGE = torch.zeros(2, CHANNELS)
LAYOUTS = [torch.channels_last, torch.contiguous_format]


class _NoGPU:
    """What Triton asks of a machine before it compiles for it."""

    def __init__(self, capability: int) -> None:
        compiler = importlib.import_module("triton.backends.compiler")
        self._target = compiler.GPUTarget("cuda", capability, 32)

    def get_current_target(self) -> Any:
        return self._target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


@pytest.fixture(params=[80, 90], ids=["A100", "H100 and H200"])
def compiled(
    request: pytest.FixtureRequest,
    fresh_kernels: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> list[Any]:
    """What has been compiled: kernels as they are asked to be launched, but they are not."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    driver, jit = map(importlib.import_module, ("triton.runtime.driver", "triton.runtime.jit"))
    found: list[Any] = []
    run = jit.JITFunction.run

    def compile_alone(self: Any, *args: Any, **kwargs: Any) -> None:
        found.append(run(self, *args, **{**kwargs, "warmup": True}))

    monkeypatch.setattr(jit.JITFunction, "run", compile_alone)
    monkeypatch.setattr(driver.driver, "_active", _NoGPU(request.param))
    return found


def _images(size: int, layout: torch.memory_format) -> Tensor:
    x = torch.zeros(2, CHANNELS, size, size, dtype=torch.bfloat16)
    return x.contiguous(memory_format=layout)


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("blur", [False, True])
def test_activated(
    compiled: list[Any], layout: torch.memory_format, blur: bool, tmp_path: Path
) -> None:
    kernels = importlib.import_module("tresnet_tasks.kernels.abn_triton")
    x, grad = _images(28, layout), _images(14 if blur else 28, layout)
    run = partial(kernels.sums, x=x, norm=NORM, slope=1e-3, blur=blur)
    run(None, per_image=True)
    for gate in (None, PER_IMAGE):
        affine = None if gate is None else (gate, gate)
        kernels.forward(x, NORM, 1e-3, blur, gate)
        run(grad, per_image=gate is not None)
        kernels.gradient(grad, x, NORM, 1e-3, blur, affine, (VECTOR, VECTOR))
    assert len(compiled) == 7
    # Of neighbours in a row the blur reads every other one.
    _check(compiled, tmp_path, wide=not blur or layout == torch.channels_last)


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_addition(compiled: list[Any], layout: torch.memory_format, tmp_path: Path) -> None:
    kernels = importlib.import_module("tresnet_tasks.kernels.addition_triton")
    x = _images(28, layout)
    of_branch = InputGradient(PER_IMAGE, VECTOR, PER_IMAGE, VECTOR)
    for norm, mean, of_shortcut in ((None, None, None), (NORM, VECTOR, InputGradient(*NORM))):
        kernels.forward(x, NORM, x, norm, PER_IMAGE)
        kernels.sums(x, x, x, VECTOR, x, mean)
        kernels.gradients(x, x, x, x, of_branch, of_shortcut)
    assert len(compiled) == 6
    _check(compiled, tmp_path, wide=True)


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
def test_sizes_of_one(compiled: list[Any]) -> None:
    """Triton makes constants of them."""
    activated = importlib.import_module("tresnet_tasks.kernels.abn_triton")
    added = importlib.import_module("tresnet_tasks.kernels.addition_triton")
    x, vector = torch.zeros(1, 1, 1, 1, dtype=torch.float16), torch.zeros(1)
    activated.forward(x, (vector,) * 4, 1e-3, False, None)
    activated.sums(x, x, (vector,) * 4, 1e-3, False, False)
    activated.gradient(x, x, (vector,) * 4, 1e-3, False, None, None)
    added.forward(x, (vector,) * 4, x, None, None)
    added.sums(x, x, x, vector, x, None)
    added.gradients(x, x, x, x, InputGradient(vector[None], None, vector[None], vector), None)
    assert len(compiled) == 6


def _check(compiled: list[Any], folder: Path, wide: bool) -> None:
    """No kernel spills registers; images are read and written 16 bytes at a time if ``wide``."""
    tools = Path(importlib.import_module("triton").__file__ or "").parent / "backends/nvidia/bin"
    code = folder / "kernel.cubin"
    for kernel in compiled:
        code.write_bytes(kernel.asm["cubin"])
        command = [tools / "cuobjdump", "-res-usage", code]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "STACK:0 " in usage
        assert "LOCAL:0 " in usage
        accesses = set(re.findall(r"(?:ld|st)\.global\S*", kernel.asm["ptx"]))
        assert any(".v4.b32" in access for access in accesses) or not wide
        assert not any(".b16" in access for access in accesses) or not wide
