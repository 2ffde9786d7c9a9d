"""Two processes under torchrun's launcher, over gloo, against one with all their images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed import run as torchrun
from torch.distributed.launcher.api import elastic_launch

from tresnet_tasks.preprocessing import MultiTaskPreprocessor
from tresnet_tasks.structures import MultiTaskDataSample
from tresnet_tasks.training.replicated_model import ReplicatedModel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks processes")

WEIGHTS = {"cls": 0.5, "tags": 1.0, "boxes": 1.5}
# What the second of two processes lacks.
CASES: dict[str, dict[str, bool]] = {
    "all": {},
    "no_boxes": {"boxes": False},
    "classes_alone": {"tags": False, "boxes": False},
    "boxes_alone": {"cls": False, "tags": False},
    "nothing": {"cls": False, "tags": False, "boxes": False},
}
METHODS = ("norm", "pcgrad")


def batch(joint: Any, case: str) -> tuple[Tensor, list[MultiTaskDataSample]]:
    """Four images, of which the last two may lack labels."""
    torch.manual_seed(1)
    few = CASES[case]
    samples = [joint.sample(), joint.sample(boxes=False)]
    samples += [joint.sample(**few), joint.sample(**{"cls": False, **few})]
    return torch.rand(4, 3, 64, 64), samples


def build(joint: Any, **settings: Any) -> Any:
    """In training, but with statistics that stay, so that images do not meet there."""
    backbone = {**joint.BACKBONE, "norm_eval": True}
    return joint.build(backbone=backbone, **{"loss_weights": WEIGHTS, **settings}).train()


def trunk(model: Any) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.backbone.parameters()])


def gradients(model: Any, images: Tensor, samples: Any, net: Any = None) -> dict[str, Tensor]:
    losses = (net or model)(images, samples, mode="loss")
    sum(value for key, value in losses.items() if "loss" in key).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    heads = torch.cat([p.grad.flatten() for p in model.heads.parameters()])
    found = {"trunk": trunk(model), "heads": heads}
    if model.balance.products is not None:
        found["products"] = model.balance.products
    return found


def groups_of(sizes: list[tuple[str, int]], **settings: Any) -> Any:
    """The sizes of the groups that a batch is split into, or what is said against it."""
    images = [torch.zeros(3, size, size, dtype=torch.uint8) for _, size in sizes]
    samples = [MultiTaskDataSample(metainfo={"source": source}) for source, _ in sizes]
    data = {"inputs": images, "data_samples": samples}
    try:
        inputs = MultiTaskPreprocessor(**settings)(data, training=True)["inputs"]
    except ValueError as error:
        return str(error)
    return [len(inputs)] if isinstance(inputs, Tensor) else [len(group) for group in inputs]


def in_a_process(joint: Any) -> dict[str, Any]:
    """All that is computed in one of the two processes."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    mine = slice(2 * rank, 2 * rank + 2)
    found: dict[str, Any] = {}
    for name, case, settings in [
        *((case, case, {}) for case in CASES),
        *((method, "no_boxes", {"balance": method}) for method in METHODS),
    ]:
        model = build(joint, **settings)
        model.balance.wanted = True
        images, samples = batch(joint, case)
        found[name] = gradients(model, images[mine], samples[mine], ReplicatedModel(model))
    one_has_two_sizes = [("a", 64), ("b", 64 if rank else 32)]
    found["groups"] = groups_of(one_has_two_sizes)
    found["one group"] = groups_of([("a", 64), ("b", 64)])
    found["per source"] = groups_of([("a", 64), ("b", 64)], batch_statistics="per_source")
    found["not the same sources"] = groups_of([("a", 64), ("a" if rank else "b", 32)])
    torch.distributed.destroy_process_group()
    return found


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """What each process found."""
    logs = tmp_path_factory.mktemp("torchrun")
    joint = sys.modules[f"{__name__.rpartition('.')[0]}.conftest"]
    line = "--nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint localhost:0 --log-dir"
    arguments = [*line.split(), str(logs), str(Path(__file__))]
    settings, _, _ = torchrun.config_from_args(torchrun.parse_args(arguments))
    settings.start_method = "fork"  # torchrun's agent takes a function as well as a command
    results = elastic_launch(settings, in_a_process)(joint)
    yield [results[rank] for rank in range(2)]


def close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).norm() <= 1e-5 * other.norm())


def in_one_process(joint: Any, case: str, **settings: Any) -> dict[str, Tensor]:
    # Of losses that are sums over the images, the processes' mean is taken: half of the whole sum.
    model = build(joint, loss_weights={**WEIGHTS, "tags": WEIGHTS["tags"] / 2}, **settings)
    model.balance.wanted = True
    return gradients(model, *batch(joint, case))


def test_the_joint_gradient_is_the_weighted_sum_of_the_single_tasks(
    joint: Any, ranks: list[dict[str, Any]]
) -> None:
    images, samples = batch(joint, "all")
    whole = build(joint)
    apart: Any = 0
    for name, head in joint.HEADS.items():
        neck = {} if name == "boxes" else {"neck": None}
        alone = build(joint, heads={name: head}, loss_weights=None, **neck)
        alone.load_state_dict(whole.state_dict(), strict=False)
        weight = WEIGHTS[name] / 2 if name == "tags" else WEIGHTS[name]
        apart = apart + weight * gradients(alone, images, samples)["trunk"]
    for rank in ranks:
        assert close(rank["all"]["trunk"], apart)


@pytest.mark.parametrize("case", CASES)
def test_labels_that_one_process_lacks_make_no_difference(
    joint: Any, ranks: list[dict[str, Any]], case: str
) -> None:
    whole = in_one_process(joint, case)
    for rank in ranks:
        for part in ("trunk", "heads", "products"):
            assert close(rank[case][part], whole[part]), part


@pytest.mark.parametrize("method", METHODS)
def test_processes_balance_as_one(joint: Any, ranks: list[dict[str, Any]], method: str) -> None:
    whole = in_one_process(joint, "no_boxes", balance=method)
    for rank in ranks:
        assert close(rank[method]["trunk"], whole["trunk"])


def test_all_processes_split_their_batches_alike(ranks: list[dict[str, Any]]) -> None:
    """One whose images all have one size splits them as well if another has to."""
    for rank in ranks:
        assert rank["groups"] == rank["per source"] == [1, 1]
        assert rank["one group"] == [2]
        assert "TaskSampler" in rank["not the same sources"]
