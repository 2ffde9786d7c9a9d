"""The network whose answers another one learns."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..datasets.nearest_name import nearest_name
from ..datasets.seeding import preserved_generators
from ..weights.files import read_own_weights


class Teacher:
    """A frozen network that answers for a student's images. It draws nothing and changes nothing.

    Args:
        network: gives logits (N, C) for (N, 3, H, W); put into evaluation mode, its gradients
            turned off.
        order: of its classes those that are the student's 0, 1, ..., (C,); None if they are in the
            student's order.
        size: (height, width) that images are resized to before it sees them; None for the
            student's.
        mean: of the three channels, of images in [0, 1], which the network wants subtracted.
        std: what it wants them divided by then.
    """

    def __init__(
        self,
        network: nn.Module,
        order: Sequence[int] | None = None,
        size: tuple[int, int] | None = None,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)
        self.size = size
        device = next(network.parameters()).device
        self._order = None if order is None else torch.tensor(order, device=device)
        self._mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self._std = torch.tensor(std, device=device).view(3, 1, 1)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, C) of images (N, 3, H, W) in [0, 1], in the student's order of classes."""
        if self.size is not None and tuple(images.shape[-2:]) != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        # On the CPU the Predictor's network may hold packed float32 weights, which autocast would
        # give bfloat16 images.
        with torch.autocast("cpu", enabled=False):
            logits: Tensor = self.network((images - self._mean) / self._std)
        return logits if self._order is None else logits[:, self._order]


def teacher_from_checkpoint(
    weights: str | Path,
    classes: Sequence[str],
    multi_label: bool,
    device: torch.device,
    config: str | None = None,
    size: tuple[int, int] | None = None,
) -> Teacher:
    """Take a trained ``Classifier`` as teacher.

    Args:
        weights: its checkpoint, read as ``Predictor`` reads it: as data, nothing in it is run.
        classes: names of the student's classes.
        multi_label: whether the student has several labels an image.
        device: where the student is.
        config: for weights that carry no config, see ``Predictor``.
        size: see ``Teacher``.

    Raises:
        FileNotFoundError: if there are no such weights.
        ValueError: if they are refused, are of no classifier, or of other classes or another task
            than the student's.
    """
    from ..heads import MultiLabel
    from ..inference import Predictor  # here, as it is not needed by other trainings

    with preserved_generators():
        predictor = Predictor(weights, config, device)
    task = getattr(getattr(predictor.model, "head", None), "task", None)
    if task is None or not isinstance(predictor.classes, tuple):
        raise ValueError(
            f"the teacher {weights} is a {type(predictor.model).__name__}; expected a Classifier. "
            "Of a joint model the command 'convert' cuts out the one of a head."
        )
    if isinstance(task, MultiLabel) != multi_label:
        words = {True: "any number of labels", False: "one label"}
        raise ValueError(
            f"the teacher {weights} tells {words[not multi_label]} an image and the student "
            f"{words[multi_label]}. Use a teacher of the same task."
        )
    order = class_order(predictor.classes, classes, str(weights))
    return Teacher(predictor.model, order, size)


def teacher_from_timm(
    name: str,
    num_classes: int,
    device: torch.device,
    weights: str | Path | None = None,
    size: tuple[int, int] | None = None,
) -> Teacher:
    """Take a model of timm as teacher. timm knows no class names: only their number is compared.

    Args:
        name: of the model, such as ``'convnext_base.fb_in22k_ft_in1k'``.
        num_classes: C, of the student.
        device: where the student is.
        weights: a file of its weights, as timm writes them; read as data. None takes timm's own,
            from its cache or the network.
        size: see ``Teacher``; None takes the model's own where it can have no other.

    Raises:
        ModuleNotFoundError: if timm is not installed.
        FileNotFoundError: if the weights are not there, or cannot be downloaded.
        ValueError: for an unknown name, weights of another model, or another number of classes.
    """
    try:
        timm: Any = import_module("timm")
        data: Any = import_module("timm.data")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the teacher {name!r} is a model of timm, which is not installed: pip install timm"
        ) from error
    known = {*timm.list_models(), *timm.list_pretrained()}
    if name not in known:
        raise ValueError(
            f"timm {timm.__version__} has no model {name!r}. {nearest_name(name, known)}"
        )
    with preserved_generators():
        if weights is None:
            network = _pretrained(timm, name)
            _check_count(name, network.num_classes, num_classes)
        else:
            network = timm.create_model(name, num_classes=num_classes)
            _load(network, name, Path(weights), num_classes)
    settings = data.resolve_model_data_config(network)
    if size is None and network.pretrained_cfg.get("fixed_input_size"):
        size = settings["input_size"][1:]
    return Teacher(network.to(device), None, size, settings["mean"], settings["std"])


def class_order(teacher: Sequence[str], student: Sequence[str], name: str) -> list[int] | None:
    """Find the student's classes among the teacher's.

    Args:
        teacher: its classes; '0', '1', ... where nobody names them, which are compared by number.
        student: its classes.
        name: what an error calls the teacher.

    Returns:
        For each class of the student its place in the teacher's list; None if the lists are equal.

    Raises:
        ValueError: if they are not the same classes, with what differs and the nearest names.
    """
    unnamed = tuple(str(label) for label in range(len(teacher)))
    numbered = tuple(str(label) for label in range(len(student)))
    if tuple(teacher) == tuple(student):
        return None
    if len(teacher) == len(student) and (tuple(teacher) == unnamed or tuple(student) == numbered):
        return None
    only_teacher = [known for known in teacher if known not in student]
    only_student = [known for known in student if known not in teacher]
    if only_teacher or only_student:
        hints = [f"{known!r}: {nearest_name(known, teacher)}" for known in only_student[:3]]
        raise ValueError(
            f"the teacher {name} has other classes than the data.\n"
            f"  only the teacher's ({len(only_teacher)} of {len(teacher)}): {_few(only_teacher)}\n"
            f"  only the data's ({len(only_student)} of {len(student)}): {_few(only_student)}\n"
            f"{' '.join(hints)} Use a teacher that was trained on the classes of these data."
        )
    return [list(teacher).index(known) for known in student]


def _pretrained(timm: Any, name: str) -> Any:
    try:
        return timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub's errors come from three HTTP libraries, by version
        why = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise FileNotFoundError(
            f"timm has no weights of {name!r} in its cache and could not download them: {why} "
            "Give the file of its weights (weights=...), or a name of timm.list_pretrained()."
        ) from error


def _load(network: Any, name: str, path: Path, num_classes: int) -> None:
    tensors = dict(read_own_weights(path).converted.state_dict)
    last = network.pretrained_cfg.get("classifier")
    layers = [last] if isinstance(last, str) else list(last or ())
    for layer in layers:
        weight = tensors.get(f"{layer}.weight")
        if weight is not None:
            _check_count(f"{name} in {path}", len(weight), num_classes)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:300]
        raise ValueError(
            f"weights {path} are not those of timm's {name}: {first} Name the model that they "
            "were trained with."
        ) from error


def _check_count(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(
            f"the teacher {name} has {found} classes but the data have {expected}. Use a teacher "
            "that was trained on the classes of these data."
        )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "") if names else "none"
