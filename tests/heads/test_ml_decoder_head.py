from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tresnet_tasks.heads import MLDecoderHead
from tresnet_tasks.losses import AsymmetricLoss
from tresnet_tasks.registry import MODELS
from tresnet_tasks.structures import ClsDataSample

DIMS, HEADS = 16, 4


def build(num_classes: int = 7, **arguments: Any) -> MLDecoderHead:
    torch.manual_seed(0)
    sizes = {"embed_dims": DIMS, "num_heads": HEADS, "feedforward_channels": 24}
    head = MLDecoderHead(num_classes, 10, **{**sizes, **arguments})
    for name, value in head.named_parameters():  # away from where layers start
        torch.nn.init.normal_(value.data, std=0.3, mean=float(name.endswith("norm1.weight")))
    return head.eval()


@pytest.fixture
def feats() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(3, c, s, s, generator=generator) for c, s in ((4, 6), (10, 3)))


def by_hand(state: dict[str, Tensor], feat: Tensor, num_classes: int) -> Tensor:
    """The published definition, an image and an attention head at a time."""
    w = {name.removeprefix("decoder."): value.double() for name, value in state.items()}
    layer = "layers.0."

    def norm(x: Tensor, which: int) -> Tensor:
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
        return x * w[f"{layer}norm{which}.weight"] + w[f"{layer}norm{which}.bias"]

    logits = []
    for image in feat.double():
        memory = image.flatten(1).T @ w["embed_standart.weight"].T + w["embed_standart.bias"]
        memory = memory.clamp(min=0)
        x = norm(2 * w["query_embed.weight"], 1)
        in_w = w[f"{layer}multihead_attn.in_proj_weight"].chunk(3)
        in_b = w[f"{layer}multihead_attn.in_proj_bias"].chunk(3)
        q, k, v = (y @ a.T + b for y, a, b in zip((x, memory, memory), in_w, in_b, strict=True))
        read = [
            (a @ b.T / math.sqrt(DIMS / HEADS)).softmax(-1) @ c
            for a, b, c in zip(*(y.chunk(HEADS, dim=1) for y in (q, k, v)), strict=True)
        ]
        out = w[f"{layer}multihead_attn.out_proj.weight"], w[f"{layer}multihead_attn.out_proj.bias"]
        x = norm(x + torch.cat(read, 1) @ out[0].T + out[1], 2)
        hidden = (x @ w[f"{layer}linear1.weight"].T + w[f"{layer}linear1.bias"]).clamp(min=0)
        x = norm(x + hidden @ w[f"{layer}linear2.weight"].T + w[f"{layer}linear2.bias"], 3)
        answers = [row @ matrix for row, matrix in zip(x, w["duplicate_pooling"], strict=True)]
        logits.append(torch.cat(answers)[:num_classes] + w["duplicate_pooling_bias"])
    return torch.stack(logits)


@pytest.mark.parametrize("groups", [None, 1, 3, 7])
def test_logits_are_those_of_the_definition(feats: tuple[Tensor, ...], groups: int | None) -> None:
    head = build(groups=groups)
    expected = by_hand(head.state_dict(), feats[-1], 7)
    torch.testing.assert_close(head(feats).double(), expected, rtol=1e-4, atol=1e-5)


def test_parameters_have_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        head = MLDecoderHead(num_classes=9605, in_channels=2048)
    shapes = {name: tuple(value.shape) for name, value in head.state_dict().items()}
    layer = "decoder.layers.0."
    norms = {f"{layer}norm{i}.{leaf}": (768,) for i in (1, 2, 3) for leaf in ("weight", "bias")}
    assert shapes == {
        "decoder.embed_standart.weight": (768, 2048),
        "decoder.embed_standart.bias": (768,),
        "decoder.query_embed.weight": (100, 768),
        "decoder.duplicate_pooling": (100, 768, 97),
        "decoder.duplicate_pooling_bias": (9605,),
        f"{layer}multihead_attn.in_proj_weight": (2304, 768),
        f"{layer}multihead_attn.in_proj_bias": (2304,),
        f"{layer}multihead_attn.out_proj.weight": (768, 768),
        f"{layer}multihead_attn.out_proj.bias": (768,),
        f"{layer}linear1.weight": (2048, 768),
        f"{layer}linear1.bias": (2048,),
        f"{layer}linear2.weight": (768, 2048),
        f"{layer}linear2.bias": (768,),
        **norms,
    }


def test_a_query_a_class_up_to_a_hundred() -> None:
    with torch.device("meta"):
        few, many = MLDecoderHead(80, 8), MLDecoderHead(101, 8)
    assert few.decoder.duplicate_pooling.shape == (80, 768, 1)
    assert many.decoder.duplicate_pooling.shape == (100, 768, 2)


def test_queries_stay_as_they_are(feats: tuple[Tensor, ...]) -> None:
    head = build().train()
    losses = head.loss(feats, [ClsDataSample().set_gt_label([0, 2]) for _ in range(3)])
    losses["loss"].backward()
    trained = {name for name, value in head.named_parameters() if value.grad is not None}
    assert trained == {n for n, _ in head.named_parameters()} - {"decoder.query_embed.weight"}


def test_multi_label_loss_and_scores(feats: tuple[Tensor, ...]) -> None:
    head = build()
    targets = torch.randint(-1, 2, (3, 7), generator=torch.Generator().manual_seed(2)).float()
    losses = head.loss(feats, [ClsDataSample().set_gt_score(row) for row in targets])
    torch.testing.assert_close(losses["loss"], AsymmetricLoss()(head(feats), targets))
    scores = torch.stack([sample.pred_score for sample in head.predict(feats)])
    torch.testing.assert_close(scores, head(feats).sigmoid())


def test_single_label_loss_and_scores(feats: tuple[Tensor, ...]) -> None:
    head = build(task="single_label")
    losses = head.loss(feats, [ClsDataSample().set_gt_label(i) for i in (6, 0, 3)])
    assert list(losses) == ["loss"]
    expected = F.cross_entropy(head(feats), torch.tensor([6, 0, 3]))
    torch.testing.assert_close(losses["loss"], expected)
    scores = torch.stack([sample.pred_score for sample in head.predict(feats)])
    torch.testing.assert_close(scores, head(feats).softmax(1))


def test_dropout_acts_in_training_alone(feats: tuple[Tensor, ...]) -> None:
    head = build(dropout=0.5)
    assert torch.equal(head(feats), head(feats))
    assert not torch.equal(head.train()(feats), head(feats))


def test_an_image_is_judged_by_itself(feats: tuple[Tensor, ...]) -> None:
    head = build()
    alone = torch.cat([head([feats[-1][i : i + 1]]) for i in range(3)])
    torch.testing.assert_close(head(feats), alone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 8}, "groups=8 with 7 classes; expected 1 to 7"),
        ({"groups": 0}, "groups=0"),
        ({"num_heads": 3}, "embed_dims=16 is no multiple of num_heads=3"),
        ({"task": "tags"}, "'tags'.*'single_label' or 'multi_label'"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_is_built_by_name() -> None:
    head = MODELS.build({"type": "MLDecoderHead", "num_classes": 3, "in_channels": 4})
    assert isinstance(head, MLDecoderHead)
