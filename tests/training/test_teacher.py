from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from tresnet_tasks import Predictor
from tresnet_tasks.training.teacher import (
    Teacher,
    class_order,
    teacher_from_checkpoint,
    teacher_from_timm,
)
from tresnet_tasks.upstream.checkpoints import read_checkpoint, write_checkpoint

CPU = torch.device("cpu")
COLOURS = ("blue", "green", "red")
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Sizes(nn.Module):
    """Answers with the height, the width and the mean of the images."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        return torch.stack([torch.tensor([height, width, image.mean()]) for image in images])


# --------------------------------------------------------------------------------- what it does


def test_it_answers_as_the_predictor_does(tiny_run: Any) -> None:
    teacher = teacher_from_checkpoint(tiny_run.best, COLOURS, False, CPU)
    expected = Predictor(tiny_run.best, device="cpu").model(IMAGES)
    torch.testing.assert_close(teacher(IMAGES), expected)


def test_its_answers_carry_no_gradient_and_draw_nothing(tiny_run: Any) -> None:
    state = torch.get_rng_state()
    teacher = teacher_from_checkpoint(tiny_run.best, COLOURS, False, CPU)
    logits = teacher(IMAGES.clone().requires_grad_())
    assert not logits.requires_grad and not logits.is_inference()
    assert not any(p.requires_grad for p in teacher.network.parameters())
    assert not teacher.network.training
    assert torch.equal(torch.get_rng_state(), state)


def test_classes_in_another_order_are_put_into_the_students(tiny_run: Any) -> None:
    teacher = teacher_from_checkpoint(tiny_run.best, COLOURS, False, CPU)
    turned = teacher_from_checkpoint(tiny_run.best, ("red", "blue", "green"), False, CPU)
    assert torch.equal(turned(IMAGES), teacher(IMAGES)[:, [2, 0, 1]])


def test_it_sees_images_in_its_own_size_and_scale() -> None:
    logits = Teacher(Sizes(), size=(48, 64), mean=(0.5,) * 3, std=(0.25,) * 3)(
        torch.ones(1, 3, 8, 8)
    )
    assert logits.tolist() == [[48.0, 64.0, 2.0]]


# ---------------------------------------------------------------------------------- other classes


def test_equal_lists_need_no_order() -> None:
    assert class_order(COLOURS, list(COLOURS), "t") is None


def test_classes_without_names_are_compared_by_number() -> None:
    assert class_order(("0", "1", "2"), COLOURS, "t") is None
    with pytest.raises(ValueError, match="only the teacher's"):
        class_order(("0", "1"), COLOURS, "t")


def test_other_classes_are_refused_with_both_lists_and_the_nearest() -> None:
    with pytest.raises(ValueError) as told:
        class_order(("blue", "greens", "red", "teal"), COLOURS, "t.pth")
    text = str(told.value)
    assert "the teacher t.pth has other classes than the data" in text
    assert "only the teacher's (2 of 4): greens, teal" in text
    assert "only the data's (1 of 3): green\n" in text
    assert "'green': Did you mean 'greens'?" in text


def test_a_teacher_of_another_task_is_refused(tiny_run: Any) -> None:
    with pytest.raises(ValueError, match="one label an image and the student any number"):
        teacher_from_checkpoint(tiny_run.best, COLOURS, True, CPU)


def test_a_checkpoint_that_would_run_code_is_refused(tiny_run: Any, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch '{tmp_path}/ran'",)

    torch.save({**read_checkpoint(tiny_run.best), "more": Payload()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match="is refused"):
        teacher_from_checkpoint(tmp_path / "bad.pth", COLOURS, False, CPU)
    assert not (tmp_path / "ran").exists()


# ------------------------------------------------------------------------------------------ timm


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """A random model of timm's with three classes, and the file of its weights."""
    torch.manual_seed(0)
    network = timm.create_model("test_efficientnet", num_classes=3).eval()
    write_checkpoint({"state_dict": network.state_dict()}, tmp_path / "timm.pth")
    return network, tmp_path / "timm.pth"


def test_a_model_of_timm_answers_as_it_does_there(small: Any) -> None:
    network, file = small
    teacher = teacher_from_timm("test_efficientnet", 3, CPU, file)
    mean, std = (
        torch.tensor(network.pretrained_cfg[key])[:, None, None] for key in ("mean", "std")
    )
    torch.testing.assert_close(teacher(IMAGES), network((IMAGES - mean) / std))
    assert not teacher.network.training


def test_a_model_of_timm_that_takes_one_size_alone_gets_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_vit", num_classes=3).eval()
    write_checkpoint(network.state_dict(), tmp_path / "vit.pth")
    teacher = teacher_from_timm("test_vit", 3, CPU, tmp_path / "vit.pth")
    assert teacher.size == network.pretrained_cfg["input_size"][1:]
    assert teacher(IMAGES).shape == (2, 3)


def test_another_number_of_classes_of_timms_is_refused(small: Any) -> None:
    with pytest.raises(ValueError, match=r"timm\.pth has 3 classes but the data have 5"):
        teacher_from_timm("test_efficientnet", 5, CPU, small[1])


def test_weights_of_another_model_of_timms_are_refused(small: Any) -> None:
    with pytest.raises(ValueError, match="are not those of timm's test_resnet"):
        teacher_from_timm("test_resnet", 3, CPU, small[1])


def test_an_unknown_model_of_timms_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"has no model 'resnet_50'\. Did you mean 'resnet50'"):
        teacher_from_timm("resnet_50", 3, CPU)


def test_pretrained_weights_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch) -> None:

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(FileNotFoundError, match=r"(?s)resnet18.*not known.*weights=\.\.\."):
        teacher_from_timm("resnet18", 3, CPU)


def test_timm_itself_is_asked_for_where_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ModuleNotFoundError, match="pip install timm"):
        teacher_from_timm("resnet18", 3, CPU)
