from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tresnet_tasks.training import processes
from tresnet_tasks.training.checks import check_config
from tresnet_tasks.training.launch import load_config
from tresnet_tasks.training.processes import (
    check_agreement,
    choose_wrapper,
    collect_in_work_dir,
)

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("settings", "kind", "sync"),
    [
        ({}, "ReplicatedModel", False),
        ({"sync_bn": True}, "ReplicatedModel", True),
        ({"model_wrapper_cfg": {"type": "MMDistributedDataParallel"}}, "ReplicatedModel", False),
        ({"model_wrapper_cfg": {"type": "ShardedModel", "sync_bn": True}}, "ShardedModel", True),
    ],
)
def test_mmengines_settings_choose_our_wrappers(
    settings: dict[str, Any], kind: str, sync: bool
) -> None:
    cfg = Config(settings)
    choose_wrapper(cfg)
    assert cfg.model_wrapper_cfg == {"type": f"tresnet_tasks.{kind}", "sync_bn": sync}
    assert "sync_bn" not in cfg  # mmengine would convert by itself


def test_unused_parameters_may_be_allowed_as_in_mmengine() -> None:
    cfg = Config({"find_unused_parameters": True})
    choose_wrapper(cfg)
    assert cfg.model_wrapper_cfg.find_unused_parameters


def test_torchs_synchronised_batch_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="Set sync_bn=True"):
        choose_wrapper(Config({"sync_bn": "torch"}))


def test_a_misspelt_argument_of_a_wrapper_is_answered(tiny_config: Write) -> None:
    cfg = load_config(
        str(tiny_config("sync_bn = True\nmodel_wrapper_cfg = dict(type='ShardedModel', unit=())"))
    )
    with pytest.raises(ValueError, match="Did you mean 'units'"):
        check_config(cfg)


def test_metrics_meet_below_the_work_dir(tiny_config: Write) -> None:
    cfg = load_config(str(tiny_config()))
    cfg.work_dir = "there"
    collect_in_work_dir(cfg)
    assert cfg.val_evaluator.collect_dir == str(Path("there") / ".collected")


def test_metrics_of_a_joint_models_heads_meet_there_too() -> None:
    metrics = {"cls": {"type": "Accuracy"}, "tags": [{"type": "MultiLabelMetric"}]}
    evaluator = {"type": "MultiTaskEvaluator", "metrics": metrics}
    cfg = Config({"work_dir": "there", "val_evaluator": evaluator})
    collect_in_work_dir(cfg)
    given = cfg.val_evaluator.metrics
    assert given.cls.collect_dir == given.tags[0].collect_dir == str(Path("there") / ".collected")


def test_processes_with_equal_settings_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        processes, "all_gather_object", lambda mine: [mine, ("b", {"lr": [1, 2], "n": (1,)})]
    )
    check_agreement({"lr": (1, 2), "n": [1]})
