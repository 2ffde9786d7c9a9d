"""The networks that are compared."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from tresnet_tasks.backbones import TResNet


class Ours(nn.Module):
    """Our backbone with a linear classifier, nothing around it."""

    def __init__(self, arch: str, abn: str, with_cp: bool = False) -> None:
        super().__init__()
        self.backbone = TResNet(arch, abn=abn, with_cp=with_cp)
        self.fc = nn.Linear(self.backbone.arch.channels[-1], 1000)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.backbone(x)[-1].mean((2, 3)))
        return logits


def _timm(arch: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            f"{error}. To compare with it: pip install timm; or leave timm out of --models."
        ) from error
    model: nn.Module = timm.create_model(arch, num_classes=1000)
    return model


def _resnet50(arch: str) -> nn.Module:
    from torchvision.models import resnet50

    model: nn.Module = resnet50()
    return model


CONTESTANTS: dict[str, Callable[[str], nn.Module]] = {
    "ours": lambda arch: Ours(arch, "memory"),
    "ours_plain": lambda arch: Ours(arch, "plain"),
    "ours_with_cp": lambda arch: Ours(arch, "memory", with_cp=True),
    "timm": _timm,
    "resnet50": _resnet50,
}


def build(name: str, arch: str = "tresnet_m") -> nn.Module:
    """One of them, from random weights.

    Raises:
        ValueError: for another name.
    """
    if name not in CONTESTANTS:
        raise ValueError(f"model {name!r} is unknown; expected some of {', '.join(CONTESTANTS)}.")
    return CONTESTANTS[name](arch)
