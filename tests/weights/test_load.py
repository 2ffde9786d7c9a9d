from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.tresnet import TResNet as TimmTResNet
from timm.models.tresnet import checkpoint_filter_fn
from torch import nn

from tresnet_tasks.backbones import ARCHS, TResNet
from tresnet_tasks.weights import load, load_weights

MIXED = ("basic", "basic", "bottleneck", "bottleneck")


def filled(net, official):
    """timm's own reading of an official file."""
    state = {name: value for name, value in official.items() if not name.endswith(".filt")}
    net.load_state_dict(checkpoint_filter_fn(state, net))
    return net.eval()


def reference(arch):
    """An untrained timm network of a tiny arch."""
    v2 = arch["blocks"][0] == "bottleneck"
    return TimmTResNet([1, 1, 1, 1], num_classes=5, width_factor=arch["width_factor"], v2=v2)


@pytest.fixture
def said(monkeypatch):
    """What the loader logs."""
    lines = []
    monkeypatch.setattr(load, "tell", lambda text, **kwargs: lines.append(text))
    return lines


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda sd: {"model": sd}, id="official"),
        pytest.param(lambda sd: {"state_dict": sd, "epoch": 3}, id="imagenet21k"),
        pytest.param(lambda sd: sd, id="flat"),
        pytest.param(lambda sd: {"model": {f"module.{k}": v for k, v in sd.items()}}, id="module"),
        pytest.param(
            lambda sd: {"state_dict": {k: v * 0 for k, v in sd.items()}, "state_dict_ema": sd},
            id="ema",
        ),
        pytest.param(
            lambda sd: {
                "model": {k: v * 0 for k, v in sd.items()},
                "model_ema": {f"module.{k}": v for k, v in sd.items()},
            },
            id="model_ema",
        ),
    ],
)
def test_official_layout_gives_timms_logits(tiny, build, layouts, same_logits, tmp_path, wrap):
    official = layouts.official(tiny["timm"].state_dict())
    torch.save(wrap(official), tmp_path / "w.pth")
    model = build(tiny["arch"])
    report = load_weights(model, tmp_path / "w.pth")
    expected = filled(reference(tiny["arch"]), official)
    same_logits(model, expected)
    assert report.layout == "official"
    assert report.negative > 0
    assert report.initialised == report.ignored == report.notes == ()


@pytest.mark.parametrize("variant", list(ARCHS))
def test_published_variants_from_the_official_layout(
    variant, build, layouts, randomise, same_logits, tmp_path
):
    oracle = randomise(timm.create_model(variant, num_classes=7))
    official = layouts.official(oracle.state_dict())
    torch.save({"model": official}, tmp_path / "w.pth")
    filled(oracle, official)
    model = build(variant, num_classes=7)
    report = load_weights(model, tmp_path / "w.pth")
    same_logits(model, oracle)
    assert report.variant == variant


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_timm_layout_keeps_negative_weights(tiny, build, same_logits, tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    state = tiny["timm"].state_dict()
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    model = build(tiny["arch"])
    report = load_weights(model, path)
    same_logits(model, tiny["timm"])
    assert (report.layout, report.negative) == ("timm", 0)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_paddle_layout_keeps_negative_weights(
    tiny, build, layouts, same_logits, save_pdparams, protocol
):
    state = layouts.paddle(tiny["timm"].state_dict())
    names = {"StructuredToParameterName@@": dict.fromkeys(state, "batch_norm_0.w_0")}
    model = build(tiny["arch"])
    report = load_weights(model, save_pdparams({**state, **names}, protocol))
    same_logits(model, tiny["timm"])
    assert report.layout == "paddle"


def test_our_own_checkpoint_comes_back(tiny, build, tmp_path):
    saved, model = build(tiny["arch"]), build(tiny["arch"])
    meta = {"dataset_meta": {"classes": ("a", "b", "c", "d", "e")}}
    torch.save({"state_dict": saved.state_dict(), "meta": meta}, tmp_path / "w.pth")
    report = load_weights(model, tmp_path / "w.pth")
    assert report.layout == "ours"
    assert report.classes == ("a", "b", "c", "d", "e")
    for name, value in saved.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_mmengines_swapped_average_is_in_state_dict(tiny, build, tmp_path):
    saved, model = build(tiny["arch"]), build(tiny["arch"])
    state = saved.state_dict()
    raw = {f"module.{k}": v * 0 for k, v in state.items()} | {"steps": torch.tensor(4)}
    torch.save({"state_dict": state, "ema_state_dict": raw}, tmp_path / "w.pth")
    report = load_weights(model, tmp_path / "w.pth")
    assert report.container == "state_dict"
    assert torch.equal(model.head.fc.weight, saved.head.fc.weight)
    load_weights(model, tmp_path / "w.pth", ema=False)
    assert not model.head.fc.weight.any()


def test_missing_batch_counters_are_fine(tiny, build, same_logits, tmp_path):
    state = tiny["timm"].state_dict()
    lean = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(lean, tmp_path / "w.pth")
    model = build(tiny["arch"])
    load_weights(model, tmp_path / "w.pth")
    same_logits(model, tiny["timm"])


def test_half_precision_file_fills_a_float32_model(tiny, build, layouts, tmp_path):
    official = layouts.official(tiny["timm"].state_dict())
    half = {k: v.half() if v.is_floating_point() else v for k, v in official.items()}
    torch.save({"model": half}, tmp_path / "w.pth")
    model = build(tiny["arch"])
    load_weights(model, tmp_path / "w.pth")
    weight = half["body.conv1.1.weight"].float().abs() + 1e-5
    assert torch.equal(model.backbone.body.conv1.bn.weight, weight)


def test_backbone_alone_leaves_the_head_of_the_file(tiny, tmp_path):
    torch.save(tiny["timm"].state_dict(), tmp_path / "w.pth")
    net = TResNet(tiny["arch"])
    report = load_weights(net, tmp_path / "w.pth")
    assert report.ignored == ("head.fc",)
    expected = tiny["timm"].state_dict()["body.layer4.0.conv3.bn.weight"]
    assert torch.equal(net.state_dict()["body.layer4.0.conv3.bn.weight"], expected)


def test_head_of_another_size_stays_and_is_said_once(tiny, build, tmp_path, said):
    torch.save(tiny["timm"].state_dict(), tmp_path / "w.pth")
    model = build(tiny["arch"], num_classes=3)
    before = model.head.fc.weight.clone()
    report = load_weights(model, tmp_path / "w.pth")
    assert torch.equal(model.head.fc.weight, before)
    assert report.initialised == ("head.fc",)
    assert len(said) == 1
    assert "(5," in said[0]


def test_ml_decoder_head_is_reported_and_the_backbone_loaded(tiny, build, layouts, tmp_path, said):
    state = layouts.official(tiny["timm"].state_dict())
    state = {k: v for k, v in state.items() if not k.startswith("head.")}
    state["head.decoder.query_embed.weight"] = torch.rand(4, 8)
    names = {1: "cat", 0: "dog"}
    torch.save({"model": state, "num_classes": 2, "idx_to_class": names}, tmp_path / "w.pth")
    report = load_weights(build(tiny["arch"]), tmp_path / "w.pth")
    assert report.ignored == ("head.decoder.query_embed",)
    assert report.initialised == ("head.fc",)
    assert report.classes == ("dog", "cat")
    assert len(said) == 1


def test_two_layer_linear_head_is_multiplied_out(tiny, build, layouts, tmp_path):
    state = layouts.official(tiny["timm"].state_dict())
    width = state.pop("head.fc.weight").shape[1]
    state.pop("head.fc.bias")
    first, last = nn.Linear(width, 4), nn.Linear(4, 5)
    for prefix, layer in (("head.fc.embedding_generator.0", first), ("head.fc.FC", last)):
        state |= {f"{prefix}.{k}": v for k, v in layer.state_dict().items()}
    torch.save({"model": state}, tmp_path / "w.pth")
    model = build(tiny["arch"])
    load_weights(model, tmp_path / "w.pth")
    feats = torch.rand(3, width)
    with torch.no_grad():
        torch.testing.assert_close(model.head.fc(feats), last(first(feats)))


@pytest.mark.parametrize(("variant", "other"), [("tresnet_v2_l", "tresnet_l")])
def test_another_variant_is_refused_by_name(variant, other, tmp_path):
    torch.save(timm.create_model(variant, num_classes=0).state_dict(), tmp_path / "w.pth")
    with torch.device("meta"):
        net = TResNet(other)
    with pytest.raises(ValueError, match=rf"fit {variant}, and the model is {other}.*call this"):
        load_weights(net, tmp_path / "w.pth")


def test_ml_decoders_xl_is_refused_with_its_arch(layouts, tmp_path):
    odd = TimmTResNet([3, 8, 34, 5], num_classes=0, width_factor=0.125, v2=True)
    torch.save({"model": layouts.official(odd.state_dict())}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"arch=dict\(layers=\(3, 8, 34, 5\), width_factor=0.125"):
        load_weights(TResNet("tresnet_m"), tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda sd: sd.pop("body.layer2.0.se.fc1.weight"), "missing .*layer2.0.se.fc1"),
        (lambda sd: sd.update({"body.extra": torch.ones(1)}), "unexpected .*body.extra"),
        (
            lambda sd: sd.update({"body.layer2.0.se.fc1.weight": torch.ones(1, 1, 1, 1)}),
            "another shape .*layer2.0.se.fc1",
        ),
    ],
)
def test_backbone_is_strict_and_the_model_untouched(tiny, tmp_path, change, problem):
    state = dict(tiny["timm"].state_dict())
    change(state)
    torch.save(state, tmp_path / "w.pth")
    net = TResNet(tiny["arch"])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=problem):
        load_weights(net, tmp_path / "w.pth")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_other_image_channels_are_refused(tiny, tmp_path):
    torch.save(tiny["timm"].state_dict(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"images of 3 channels.*in_channels=4"):
        load_weights(TResNet(tiny["arch"], in_channels=4), tmp_path / "w.pth")


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict() | {"fc.w": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="no TResNet weights"):
        load_weights(TResNet("tresnet_m"), tmp_path / "w.pth")


def test_cars_weights_in_a_model_of_usual_slopes_are_warned_of(tiny, tmp_path, said):
    path = tmp_path / "stanford_cars_tresnet-l-v2_96_27.pth"
    torch.save(tiny["timm"].state_dict(), path)
    report = load_weights(TResNet(tiny["arch"]), path)
    assert "slopes=(1e-06, 1e-06)" in report.notes[0]
    assert len(said) == 1


def test_cars_weights_in_a_model_of_their_slopes_are_silent(tiny, tmp_path, said):
    path = tmp_path / "stanford_cars_tresnet-l-v2_96_27.pth"
    torch.save(tiny["timm"].state_dict(), path)
    report = load_weights(TResNet(tiny["arch"], slopes=(1e-6, 1e-6)), path)
    assert not report.notes
    assert not said


def test_stated_slopes_must_be_the_models(tiny, tmp_path):
    torch.save(tiny["timm"].state_dict(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"TResNet\(slopes=\(1e-06, 1e-06\)\)"):
        load_weights(TResNet(tiny["arch"]), tmp_path / "w.pth", slopes=(1e-6, 1e-6))


class Peer(nn.Module):
    """A model of ours whose backbone is no TResNet."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, num_classes)


def test_model_with_another_backbone_takes_its_own_checkpoint(tmp_path, said):
    saved, model = Peer(2), Peer(3)
    torch.save({"state_dict": saved.state_dict()}, tmp_path / "w.pth")
    report = load_weights(model, tmp_path / "w.pth")
    assert torch.equal(model.backbone.weight, saved.backbone.weight)
    assert report.initialised == ("head",)


def test_model_with_another_backbone_refuses_a_tresnets(tiny, tmp_path):
    torch.save(tiny["timm"].state_dict(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"missing \(backbone.weight"):
        load_weights(Peer(2), tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".pdparams"])
def test_truncated_file_is_called_damaged(tiny, build, layouts, tmp_path, save_pdparams, suffix):
    path = tmp_path / f"weights{suffix}"
    state = tiny["timm"].state_dict()
    if suffix == ".pdparams":
        save_pdparams(layouts.paddle(state))
    else:
        (save_file if suffix == ".safetensors" else torch.save)(state, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=f"{path.name}.* damaged"):
        load_weights(build(tiny["arch"]), path)


def test_payload_is_refused_and_does_not_run(payload, tmp_path):
    torch.save({"model": {"body.conv1.0.weight": payload}}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="system"):
        load_weights(TResNet("tresnet_m"), tmp_path / "w.pth")
    assert not payload.marker.exists()


def test_python_text_in_the_config_is_not_run(tiny, build, tmp_path):
    marker = tmp_path / "ran"
    text = f"import os\nos.system('touch {marker}')\n"
    meta = {"cfg": text, "config": text, "cfg_text": text}
    saved = build(tiny["arch"])
    torch.save({"state_dict": saved.state_dict(), "meta": meta}, tmp_path / "w.pth")
    load_weights(saved, tmp_path / "w.pth")
    assert not Path(marker).exists()
