from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tresnet_tasks.backbones import TResNet


def _state(net: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in net.state_dict().items()}


def _frozen_prefixes(frozen_stages: int) -> tuple[str, ...]:
    return tuple(["body.conv1.", *(f"body.layer{s}." for s in range(1, 5))][: frozen_stages + 1])


@pytest.mark.parametrize("frozen_stages", range(-1, 5))
def test_exactly_the_stages_up_to_frozen_stages_are_frozen(
    make_tiny: Any, frozen_stages: int
) -> None:
    net = make_tiny(frozen_stages=frozen_stages)
    net.eval().train()
    before = _state(net)
    frozen = _frozen_prefixes(frozen_stages)
    (feat,) = net(torch.rand(2, 3, 64, 64))
    if frozen_stages < 4:
        (feat * torch.randn_like(feat)).sum().backward()
    for name, parameter in net.named_parameters():
        is_frozen = name.startswith(frozen) if frozen else False
        assert parameter.requires_grad != is_frozen, name
        assert (parameter.grad is None) == is_frozen, name
    for name, value in net.state_dict().items():
        if "running" in name or "tracked" in name:
            is_frozen = name.startswith(frozen) if frozen else False
            assert torch.equal(value, before[name]) == is_frozen, name


def test_norm_eval_keeps_all_statistics_also_after_train_again(make_tiny: Any) -> None:
    net = make_tiny(norm_eval=True)
    net.eval()
    net.train()
    assert net.training
    before = _state(net)
    (feat,) = net(torch.rand(2, 3, 64, 64))
    feat.sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"norm_eval": True},
        {"frozen_stages": 2},
        {"drop_path_rate": 0.5},
    ],
    ids=str,
)
def test_with_cp_changes_neither_outputs_nor_gradients_nor_statistics(
    make_tiny: Any, arguments: dict[str, Any]
) -> None:
    x = torch.rand(4, 3, 64, 64)
    results = []
    for with_cp in (False, True):
        net = make_tiny(with_cp=with_cp, out_indices=(1, 3), **arguments).train()
        for step in range(2):
            torch.manual_seed(step)  # the same paths are dropped
            net.zero_grad()
            feats = net(x)
            sum(
                (feat * torch.linspace(-1, 1, feat[0].numel()).view_as(feat[0])).sum()
                for feat in feats
            ).backward()
        gradients = {name: p.grad for name, p in net.named_parameters()}
        results.append((feats, gradients, _state(net)))
    (feats, gradients, state), (feats_cp, gradients_cp, state_cp) = results
    for feat, feat_cp in zip(feats, feats_cp, strict=True):
        torch.testing.assert_close(feat_cp, feat)
    torch.testing.assert_close(gradients_cp, gradients)
    torch.testing.assert_close(state_cp, state)
    assert any(v == 2 for k, v in state_cp.items() if "tracked" in k) or "norm_eval" in arguments


@pytest.mark.parametrize(
    "arguments",
    [{}, {"norm_eval": True}, {"frozen_stages": 2}, {"drop_path_rate": 0.5}, {"with_cp": True}],
    ids=str,
)
def test_memory_and_plain_have_the_same_outputs_gradients_and_statistics(
    make_tiny: Any, arguments: dict[str, Any]
) -> None:
    x = torch.rand(3, 3, 64, 48, dtype=torch.float64)
    results = []
    for abn in ("plain", "memory"):
        net = make_tiny(abn=abn, out_indices=(1, 3), **arguments).double().train()
        torch.manual_seed(0)  # the same paths are dropped
        feats = net(x)
        sum(
            (feat * torch.linspace(-1, 1, feat[0].numel()).view_as(feat[0])).sum() for feat in feats
        ).backward()
        gradients = {name: p.grad for name, p in net.named_parameters()}
        results.append((feats, gradients, _state(net)))
    torch.testing.assert_close(results[1], results[0], rtol=1e-9, atol=1e-9)


def test_a_step_of_memory_and_plain_gives_the_same_parameters(make_tiny: Any) -> None:
    x = torch.rand(4, 3, 64, 64)
    nets = [make_tiny(abn=abn).train() for abn in ("plain", "memory")]
    for net in nets:
        feat = net(x)[0]
        (feat * torch.linspace(-1, 1, feat[0].numel()).view_as(feat[0])).sum().backward()
        torch.optim.SGD(net.parameters(), lr=0.01).step()
    for (name, plain), memory in zip(nets[0].named_parameters(), nets[1].parameters(), strict=True):
        assert (memory - plain).norm() <= 1e-4 * plain.norm().clamp(min=1e-6), name


def test_memory_keeps_about_half_of_plain(make_tiny: Any) -> None:
    def kept(abn: str) -> int:
        found: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        net = make_tiny(abn=abn).train()
        own = [*net.parameters(), *net.buffers()]
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            net(torch.rand(8, 3, 96, 96))
        for parameter in own:
            found.pop(parameter.untyped_storage().data_ptr(), None)
        return sum(found.values())

    assert kept("memory") < 0.6 * kept("plain")


def test_memory_trains_in_channels_last_on_a_cpu(make_tiny: Any) -> None:
    net = make_tiny(abn="memory", out_indices=(0, 3)).train()
    for feat in net(torch.rand(2, 3, 64, 96)):
        assert feat.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert net.eval()(torch.rand(2, 3, 64, 96))[0].is_contiguous()


def test_a_state_dict_fits_both_forms(make_tiny: Any) -> None:
    memory, plain = make_tiny(abn="memory"), make_tiny(abn="plain")
    assert memory.state_dict().keys() == plain.state_dict().keys()


def test_with_cp_keeps_less_for_the_backward_pass(make_tiny: Any) -> None:
    def kept(with_cp: bool) -> int:
        sizes: list[int] = []

        def pack(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        net = make_tiny(with_cp=with_cp, abn="plain").train()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            net(torch.rand(2, 3, 64, 64))
        return sum(sizes)

    assert kept(True) < kept(False) / 2


def test_with_cp_is_idle_in_evaluation(make_tiny: Any) -> None:
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(make_tiny(with_cp=True).eval()(x)[0], make_tiny().eval()(x)[0])


def test_drop_path_acts_in_training_alone(make_tiny: Any) -> None:
    x = torch.rand(8, 3, 32, 32)
    plain, dropping = make_tiny(norm_eval=True), make_tiny(norm_eval=True, drop_path_rate=0.9)
    assert torch.equal(plain.eval()(x)[0], dropping.eval()(x)[0])
    torch.manual_seed(0)
    assert not torch.allclose(plain.train()(x)[0], dropping.train()(x)[0])


def test_drop_path_rate_grows_linearly_over_the_blocks(tiny_arch: dict[str, Any]) -> None:
    net = TResNet({**tiny_arch, "layers": (1, 2, 1, 1)}, drop_path_rate=0.4)
    blocks = [block for stage in net.body[2:] for block in stage]
    assert isinstance(blocks[0].drop_path, nn.Identity)
    rates = [block.drop_path.p for block in blocks[1:]]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_drop_path_keeps_the_expectation_and_drops_whole_images(make_tiny: Any) -> None:
    torch.manual_seed(0)
    drop = make_tiny(drop_path_rate=0.5).train().body.layer4[0].drop_path
    out = drop(torch.ones(4000, 2, 2, 2))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert (out.flatten(1).std(1) == 0).all()
    assert out.mean().item() == pytest.approx(1, abs=0.07)  # 4 standard errors


@pytest.mark.parametrize("options", [{}, {"with_cp": True, "abn": "memory"}])
def test_compiles_without_graph_breaks(make_tiny: Any, options: dict[str, Any]) -> None:
    net = make_tiny(out_indices=(1, 3), **options)
    x = torch.rand(2, 3, 64, 64)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    for mode in (False, True):
        net.train(mode)
        for feat, expected in zip(compiled(x), net(x), strict=True):
            torch.testing.assert_close(feat, expected, rtol=1e-4, atol=1e-4)


def test_compiled_training_has_the_same_gradients(make_tiny: Any) -> None:
    x = torch.rand(2, 3, 64, 64)
    gradients = []
    for compiled in (False, True):
        net = make_tiny().train()
        run = torch.compile(net, backend="aot_eager", fullgraph=True) if compiled else net
        feat = run(x)[0]
        (feat * torch.linspace(-1, 1, feat[0].numel()).view_as(feat[0])).sum().backward()
        gradients.append([p.grad for p in net.parameters()])
    for ours, expected in zip(*gradients, strict=True):
        assert (ours - expected).norm() <= 1e-4 * expected.norm()


@pytest.mark.parametrize("abn", ["plain", "memory"])
def test_shapes_can_be_asked_for_on_the_meta_device(make_tiny: Any, abn: str) -> None:
    net = make_tiny(abn=abn).to("meta").train()
    assert net(torch.zeros(2, 3, 64, 64, device="meta"))[0].shape[2:] == (2, 2)
