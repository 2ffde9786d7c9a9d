"""TResNet (arXiv 2003.13630): network and variants. Parameter names follow timm's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..layers import ConvABN, SpaceToDepth, keep_statistics
from ..registry import MODELS
from .residual_blocks import BLOCKS, BasicBlock, Bottleneck


class Arch(NamedTuple):
    """The numbers that make a variant.

    Attributes:
        layers: blocks in stages 1 to 4.
        width_factor: multiplies the 64 base planes.
        blocks: kind of block in stages 1 to 4, ``basic`` or ``bottleneck``.
    """

    layers: tuple[int, ...]
    width_factor: float
    blocks: tuple[str, ...]

    @property
    def base_planes(self) -> int:
        """Planes of the stem and of stage 1."""
        planes = int(64 * self.width_factor)
        # The second version, bottlenecks everywhere, rounds down to a multiple of 8.
        return planes // 8 * 8 if self.blocks[0] == "bottleneck" else planes

    @property
    def channels(self) -> tuple[int, ...]:
        """Output channels of stages 1 to 4."""
        return tuple(
            self.base_planes * 2**stage * BLOCKS[block].expansion
            for stage, block in enumerate(self.blocks)
        )


class FeatureSpec(NamedTuple):
    """Channels and strides of the feature maps that a backbone returns."""

    channels: tuple[int, ...]
    strides: tuple[int, ...]


_MIXED = ("basic", "basic", "bottleneck", "bottleneck")

ARCHS: dict[str, Arch] = {
    "tresnet_m": Arch((3, 4, 11, 3), 1.0, _MIXED),
    "tresnet_l": Arch((4, 5, 18, 3), 1.2, _MIXED),
    "tresnet_xl": Arch((4, 5, 24, 3), 1.3, _MIXED),
    "tresnet_v2_l": Arch((3, 4, 23, 3), 1.0, ("bottleneck",) * 4),
}


@MODELS.register_module()
class TResNet(BaseModule):
    """TResNet backbone with feature-pyramid outputs.

    Args:
        arch: a published variant (``tresnet_m``, ``tresnet_l``, ``tresnet_xl``, ``tresnet_v2_l``)
            or a dict ``(layers=, width_factor=, blocks=)`` for another size, see :class:`Arch`.
        in_channels: channels of the image.
        out_indices: stages whose output is returned; 0 to 3 are C2 to C5 at strides 4, 8, 16, 32.
        frozen_stages: stem and stages up to this one (1 to 4) do not train and keep their batch
            statistics; 0 freezes the stem alone, -1 nothing.
        norm_eval: whether all batch statistics stay as loaded while training.
        drop_path_rate: stochastic depth of the last block; grows linearly from 0 at the first.
        with_cp: recompute each block in the backward pass, trading time for memory. Results are the
            same. In ``torch.compile`` it changes nothing: the compiler chooses what to keep.
        abn: what the blocks keep for the backward pass. ``memory`` keeps the outputs of the
            convolutions and computes again what lies between them: from a batch of 4 on about half
            the memory of ``plain``, which leaves it to autograd. On a CPU it trains in channels_last whatever the
            layout of the images, and with fewer multiplications (``layers/winograd.py``), so that
            it takes no more time. Results are the same but for rounding, checkpoints fit both. A
            block whose layers have hooks or were replaced is computed as with ``plain``, and said
            so; second derivatives need ``plain``. In ``torch.compile`` both are ``plain``.
        slopes: negative slopes of the stem and of the blocks. One published file set, the Stanford
            Cars weights of the official repository, needs ``(1e-6, 1e-6)``.
        zero_init_last: begin with zeros as weights of each block's last norm, so that a block starts
            as its shortcut, as published. A short training from random weights starts learning much
            sooner with False.
        init_cfg: mmengine's initialisation, such as
            ``dict(type='Pretrained', checkpoint=PATH_OR_HUB_NAME)``.

    Raises:
        ValueError: for an unknown arch or an argument out of its range.
    """

    def __init__(
        self,
        arch: str | Mapping[str, Any] = "tresnet_m",
        in_channels: int = 3,
        out_indices: Sequence[int] = (3,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        abn: str = "plain",
        slopes: Sequence[float] = (1e-2, 1e-3),
        zero_init_last: bool = True,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not isinstance(with_cp, bool):
            raise ValueError(f"with_cp={with_cp!r}; expected True or False.")
        if abn not in ("memory", "plain"):
            raise ValueError(f"abn={abn!r} is not known; expected 'memory' or 'plain'.")
        if not -1 <= frozen_stages <= 4:
            raise ValueError(f"frozen_stages={frozen_stages}; expected -1 (none) to 4 (all).")
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f"drop_path_rate={drop_path_rate}; expected a probability in [0, 1).")
        self.arch = _resolve_arch(arch)
        self.in_channels = in_channels
        self.out_indices = _checked_indices(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        self.recompute = abn == "memory"

        stem_slope, block_slope = slopes
        planes = self.arch.base_planes
        # One rate a block, from 0 to drop_path_rate over the whole depth.
        last = sum(self.arch.layers) - 1
        rates = iter([drop_path_rate * index / last for index in range(last + 1)])
        body: OrderedDict[str, nn.Module] = OrderedDict()
        body["s2d"] = SpaceToDepth()
        body["conv1"] = ConvABN(in_channels * 16, planes, 3, slope=stem_slope)
        channels = planes
        for stage, (depth, kind) in enumerate(zip(self.arch.layers, self.arch.blocks, strict=True)):
            block = partial(
                BLOCKS[kind],
                planes=planes * 2**stage,
                use_se=stage < 3,
                slope=block_slope,
                recompute=self.recompute,
            )
            blocks = []
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(block(channels, stride=stride, drop_path_rate=next(rates)))
                channels = self.arch.channels[stage]
            body[f"layer{stage + 1}"] = nn.Sequential(*blocks)
        self.body = nn.Sequential(body)
        self._init_parameters(zero_init_last)
        self._freeze()

    @staticmethod
    def feature_spec(
        arch: str | Mapping[str, Any] = "tresnet_m", out_indices: Sequence[int] = (3,)
    ) -> FeatureSpec:
        """Channels and strides of the outputs, without building the network.

        Args:
            arch: as for the constructor.
            out_indices: as for the constructor.
        """
        channels = _resolve_arch(arch).channels
        indices = _checked_indices(out_indices)
        return FeatureSpec(tuple(channels[i] for i in indices), tuple(4 * 2**i for i in indices))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps.

        Args:
            x: (N, in_channels, H, W) in [0, 1], RGB, neither mean nor standard deviation applied;
                H and W multiples of 4 and at least 20.

        Returns:
            One (N, C_i, ceil(H / s_i), ceil(W / s_i)) for each of ``out_indices``.

        Raises:
            ValueError: if the shape is not as stated.
        """
        self._check_input(x)
        x = self.body[0](x)  # space-to-depth
        if self.recompute and self.training and x.is_cpu and not torch.compiler.is_compiling():
            # Whatever the layout of the input: this one takes a tenth less time there.
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.body[1](x)  # stem
        outs = {}
        checkpoints = self.with_cp and self.training and not torch.compiler.is_compiling()
        for stage in range(max(self.out_indices) + 1):
            for block in self.body[stage + 2].children():
                x = self._recomputed(block, x) if checkpoints else block(x)
            outs[stage] = x
        return tuple(outs[stage] for stage in self.out_indices)

    def train(self, mode: bool = True) -> TResNet:
        """Switch to training or evaluation; frozen statistics stay frozen."""
        super().train(mode)
        if mode:
            self._freeze()
        return self

    def _check_input(self, x: Tensor) -> None:
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"TResNet got an input of shape {tuple(x.shape)}; "
                f"expected (N, {self.in_channels}, H, W)."
            )
        h, w = x.shape[2:]
        if h % 4 or w % 4 or min(h, w) < 20:
            raise ValueError(
                f"TResNet got an image of {h}x{w} (height x width); both must be multiples of 4 "
                "and at least 20. Resize, crop or pad it in the pipeline, for example with "
                "dict(type='Albumentations', transforms=[dict(type='Resize', height=224, width=224)]); of a "
                "detector, set data_preprocessor=dict(pad_size_divisor=32)."
            )

    @staticmethod
    def _recomputed(block: nn.Module, x: Tensor) -> Tensor:
        contexts = partial(lambda b: (nullcontext(), keep_statistics(b)), block)
        out: Tensor = checkpoint(block, x, use_reentrant=False, context_fn=contexts)
        return out

    def _init_parameters(self, zero_init_last: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="leaky_relu")
            elif isinstance(module, BasicBlock | Bottleneck) and zero_init_last:
                nn.init.zeros_(module.last_norm.weight)

    def _freeze(self) -> None:
        frozen = list(self.body[1 : self.frozen_stages + 2]) if self.frozen_stages >= 0 else []
        for module in frozen:
            module.eval()
            module.requires_grad_(False)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()


def _resolve_arch(arch: str | Mapping[str, Any]) -> Arch:
    if isinstance(arch, str):
        if arch not in ARCHS:
            near = get_close_matches(arch.lower(), ARCHS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"arch {arch!r} is unknown; expected one of {list(ARCHS)}.{hint}")
        return ARCHS[arch]
    if set(arch) != set(Arch._fields):
        raise ValueError(
            f"arch has the keys {sorted(arch)}; expected exactly {list(Arch._fields)}."
        )
    resolved = Arch(tuple(arch["layers"]), float(arch["width_factor"]), tuple(arch["blocks"]))
    if len(resolved.layers) != 4 or len(resolved.blocks) != 4 or min(resolved.layers) < 1:
        raise ValueError(f"arch {dict(arch)} must give four stages of at least one block each.")
    unknown = set(resolved.blocks) - set(BLOCKS)
    if unknown:
        raise ValueError(f"arch has blocks {sorted(unknown)}; expected {list(BLOCKS)}.")
    if resolved.base_planes < 1:
        raise ValueError(
            f"arch has width_factor={resolved.width_factor}, too small: the stem would have no "
            "channels (1/64 is the least; 1/8 with bottlenecks in stage 1)."
        )
    return resolved


def _checked_indices(out_indices: Sequence[int]) -> tuple[int, ...]:
    indices = tuple(out_indices)
    if not indices or any(i not in range(4) for i in indices) or len(set(indices)) != len(indices):
        raise ValueError(
            f"out_indices={indices}; expected distinct stages from 0 (stride 4) to 3 (stride 32), "
            "such as (1, 2, 3)."
        )
    return indices
