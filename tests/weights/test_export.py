from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.models.tresnet import TResNet as TimmTResNet

from tresnet_tasks.upstream.checkpoints import read_checkpoint
from tresnet_tasks.weights import convert_weights, load_weights, read_weights


def timm_twin(arch):
    v2 = arch["blocks"][0] == "bottleneck"
    return TimmTResNet([1, 1, 1, 1], num_classes=5, width_factor=arch["width_factor"], v2=v2).eval()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_timm_loads_what_we_write_strictly(tiny, build, same_logits, tmp_path, suffix):
    ours = build(tiny["arch"])
    load_weights(ours, _saved(tiny["timm"].state_dict(), tmp_path))
    torch.save({"state_dict": ours.state_dict(), "optimizer": {}}, tmp_path / "best.pth")
    target = tmp_path / f"out{suffix}"
    convert_weights(tmp_path / "best.pth", target, layout="timm")
    twin = timm_twin(tiny["arch"])
    timm.models.load_checkpoint(twin, target, strict=True)
    same_logits(ours, twin)


def test_batch_counters_are_written_for_strict_readers(tiny, tmp_path):
    state = tiny["timm"].state_dict()
    lean = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    convert_weights(_saved(lean, tmp_path), tmp_path / "out.safetensors", layout="timm")
    assert load_file(tmp_path / "out.safetensors").keys() == state.keys()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_ours_keeps_classes_arch_and_slopes(tiny, build, layouts, tmp_path, suffix):
    source = {"model": layouts.official(tiny["timm"].state_dict())}
    source["idx_to_class"] = dict(enumerate("abcde"))
    target = tmp_path / f"out{suffix}"
    convert_weights(_saved(source, tmp_path), target, slopes=(1e-6, 1e-6))
    file = read_weights(target)
    assert file.classes == tuple("abcde")
    assert file.slopes == (1e-6, 1e-6)
    assert tuple(file.meta["arch"]["layers"]) == (1, 1, 1, 1)
    report = load_weights(build(tiny["arch"], slopes=(1e-6, 1e-6)), target)
    assert (report.layout, report.notes) == ("ours", ())


def test_meta_of_our_own_checkpoint_is_kept(tiny, build, tmp_path):
    meta = {"cfg": {"model": {"type": "Classifier"}}, "dataset_meta": {"classes": ("a", "b")}}
    state = build(tiny["arch"]).state_dict()
    source = _saved({"state_dict": state, "meta": meta, "optimizer": {"lr": 1}}, tmp_path)
    convert_weights(source, tmp_path / "out.pth")
    written = read_checkpoint(tmp_path / "out.pth")
    assert written["meta"]["cfg"] == meta["cfg"]
    assert written["state_dict"].keys() == state.keys()
    assert "optimizer" not in written


def test_head_that_timm_lacks_is_left_out_and_told(tiny, layouts, tmp_path):
    state = layouts.official(tiny["timm"].state_dict())
    state = {k: v for k, v in state.items() if not k.startswith("head.")}
    state["head.decoder.query_embed.weight"] = torch.rand(4, 8)
    source = _saved({"model": state}, tmp_path)
    told = convert_weights(source, tmp_path / "out.safetensors", layout="timm")
    assert "head.decoder.query_embed" in told
    assert "num_classes=0" in told


def test_existing_file_is_not_replaced_unasked(tiny, tmp_path):
    source = _saved(tiny["timm"].state_dict(), tmp_path)
    target = tmp_path / "out.pth"
    target.write_text("precious")
    with pytest.raises(FileExistsError, match="--overwrite"):
        convert_weights(source, target)
    assert target.read_text() == "precious"
    convert_weights(source, target, overwrite=True)
    assert read_weights(target).converted.layout == "ours"


def test_input_is_never_the_output(tiny, tmp_path):
    source = _saved(tiny["timm"].state_dict(), tmp_path)
    with pytest.raises(ValueError, match="input itself"):
        convert_weights(source, source, overwrite=True)


def test_unknown_suffix_is_refused_before_reading(tmp_path):
    with pytest.raises(ValueError, match=r"expected \.pth, \.pt or \.safetensors"):
        convert_weights(tmp_path / "absent.pth", tmp_path / "out.onnx")


def _saved(obj, folder):
    torch.save(obj, folder / "in.pth")
    return folder / "in.pth"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_fused_weights_have_no_batch_norm_and_a_bias(tiny, build, tmp_path, suffix):
    torch.save({"state_dict": build(tiny["arch"]).state_dict()}, tmp_path / "best.pth")
    told = convert_weights(tmp_path / "best.pth", tmp_path / f"fused{suffix}", fuse=True)
    assert "fused" in told
    names = read_weights(tmp_path / f"fused{suffix}").converted.state_dict
    assert "body.conv1.conv.bias" in names
    assert not any(".bn." in name for name in names)


def test_a_model_refuses_fused_weights(tiny, build, tmp_path):
    torch.save({"state_dict": build(tiny["arch"]).state_dict()}, tmp_path / "best.pth")
    convert_weights(tmp_path / "best.pth", tmp_path / "fused.pth", fuse=True)
    with pytest.raises(ValueError, match="are fused"):
        load_weights(build(tiny["arch"]), tmp_path / "fused.pth")


def test_timm_has_no_fused_layout(tiny, tmp_path):
    source = _saved(tiny["timm"].state_dict(), tmp_path)
    with pytest.raises(ValueError, match="fused"):
        convert_weights(source, tmp_path / "out.pth", layout="timm", fuse=True)


def test_timm_has_no_place_for_a_file_that_is_fused(tiny, build, tmp_path):
    torch.save({"state_dict": build(tiny["arch"]).state_dict()}, tmp_path / "best.pth")
    convert_weights(tmp_path / "best.pth", tmp_path / "fused.pth", fuse=True)
    with pytest.raises(ValueError, match="is fused"):
        convert_weights(tmp_path / "fused.pth", tmp_path / "timm.pth", layout="timm")
    assert not (tmp_path / "timm.pth").exists()


@pytest.mark.parametrize("fuse", [False, True])
def test_weights_of_a_diverged_training_are_told(tiny, build, tmp_path, fuse):
    model = build(tiny["arch"])
    next(model.parameters()).data[0] = float("nan")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "nan.pth")
    told = convert_weights(tmp_path / "nan.pth", tmp_path / "out.pth", fuse=fuse)
    assert "warning: NaN or infinite values in backbone.body.conv1.conv." in told
