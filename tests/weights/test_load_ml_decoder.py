"""Published ML-Decoder files, built here in their layout."""

from __future__ import annotations

import pytest
import torch

from tresnet_tasks.backbones import TResNet
from tresnet_tasks.models import Classifier
from tresnet_tasks.weights import load, load_weights

DIMS, GROUPS, CLASSES = 16, 2, 5


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(load, "tell", lambda text, **kwargs: lines.append(text))
    return lines


@pytest.fixture
def published(tiny, layouts):
    """The content of such a file."""
    generator = torch.Generator().manual_seed(0)
    state = layouts.official(tiny["timm"].state_dict())
    width = state.pop("head.fc.weight").shape[1]
    state.pop("head.fc.bias")
    layer = "layers.0."
    shapes = {
        "embed_standart.weight": (DIMS, width),
        "embed_standart.bias": (DIMS,),
        "query_embed.weight": (GROUPS, DIMS),
        "duplicate_pooling": (GROUPS, DIMS, 3),
        "duplicate_pooling_bias": (CLASSES,),
        f"{layer}multihead_attn.in_proj_weight": (3 * DIMS, DIMS),
        f"{layer}multihead_attn.in_proj_bias": (3 * DIMS,),
        f"{layer}multihead_attn.out_proj.weight": (DIMS, DIMS),
        f"{layer}multihead_attn.out_proj.bias": (DIMS,),
        f"{layer}linear1.weight": (8, DIMS),
        f"{layer}linear1.bias": (8,),
        f"{layer}linear2.weight": (DIMS, 8),
        f"{layer}linear2.bias": (DIMS,),
        **{f"{layer}norm{i}.{leaf}": (DIMS,) for i in (1, 2, 3) for leaf in ("weight", "bias")},
    }
    for name, shape in shapes.items():
        state[f"head.decoder.{name}"] = torch.randn(shape, generator=generator)
    names = {i: name for i, name in enumerate(["dog", "cat", "cow", "pig", "hen"])}
    return {"model": state, "num_classes": CLASSES, "idx_to_class": names}


@pytest.fixture
def build_decoder(tiny):
    def build(num_classes=CLASSES, **head):
        width = TResNet.feature_spec(tiny["arch"]).channels[-1]
        sizes = {"groups": GROUPS, "embed_dims": DIMS, "num_heads": 4, "feedforward_channels": 8}
        settings = {"type": "MLDecoderHead", "num_classes": num_classes, "in_channels": width}
        backbone = {"type": "TResNet", "arch": tiny["arch"]}
        return Classifier(backbone, {**settings, **sizes, **head}).eval()

    return build


def test_the_published_head_is_loaded(published, build_decoder, tmp_path, said):
    torch.save(published, tmp_path / "w.pth")
    model = build_decoder()
    report = load_weights(model, tmp_path / "w.pth")
    state = model.state_dict()
    loaded = {name: v for name, v in published["model"].items() if name.startswith("head.")}
    assert {name for name in state if name.startswith("head.")} == set(loaded)
    assert all(torch.equal(state[name], value) for name, value in loaded.items())
    assert report.initialised == report.ignored == report.notes == ()
    assert report.classes == ("dog", "cat", "cow", "pig", "hen")
    assert not said


def test_with_other_classes_the_rest_of_the_head_is_loaded(
    published, build_decoder, tmp_path, said
):
    torch.save(published, tmp_path / "w.pth")
    model = build_decoder(num_classes=6)
    report = load_weights(model, tmp_path / "w.pth")
    assert report.initialised == ("head.decoder",)
    expected = published["model"]["head.decoder.layers.0.linear1.weight"]
    assert torch.equal(model.state_dict()["head.decoder.layers.0.linear1.weight"], expected)
    assert len(said) == 1


def test_a_linear_head_in_the_file_is_said_once(tiny, layouts, build_decoder, tmp_path, said):
    torch.save({"model": layouts.official(tiny["timm"].state_dict())}, tmp_path / "w.pth")
    report = load_weights(build_decoder(), tmp_path / "w.pth")
    assert report.ignored == ("head.fc",)
    assert "head.decoder.layers.0.linear1" in report.initialised
    assert len(said) == 1
    assert "another kind of head; " in said[0] and "stay as initialised" in said[0]
