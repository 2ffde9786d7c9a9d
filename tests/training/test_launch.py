from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tresnet_tasks.training import launch
from tresnet_tasks.training.launch import LaunchOptions, load_config, prepare_config
from tresnet_tasks.upstream.checkpoints import read_checkpoint

Write = Callable[..., Path]


def prepared(path: Path, **options: Any) -> Any:
    return prepare_config(load_config(str(path)), LaunchOptions(**options))


def test_a_config_is_found_by_name() -> None:
    assert load_config("cls/tresnet_m_imagenet").model.backbone.arch == "tresnet_m"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(FileNotFoundError, match="Did you mean cls/tresnet_m_imagenet"):
        load_config("cls/tresnet_n_imagenet")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = nothing_of_that_name", "line"),
        ("def f(:", "SyntaxError"),
        ("_base_ = './gone.py'\nx = 1", "gone.py"),
        ("_base_ = './base.py'\nmodel = 3\n", "model"),
    ],
)
def test_a_config_that_cannot_be_read_is_named(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text("model = dict(type='Classifier')")
    file = tmp_path / "broken.py"
    file.write_text(text + "\n")
    try:
        cfg = load_config(str(file))
    except ValueError as error:
        assert str(file) in str(error) and expected in str(error)
    else:  # mmengine lets a base's dict be replaced by a number: refused when it is checked
        with pytest.raises(ValueError, match=expected):
            prepare_config(cfg, LaunchOptions())


def test_a_config_without_a_recipe_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("model = dict(type='Classifier')")
    with pytest.raises(ValueError, match="has no train_dataloader, train_cfg, optim_wrapper"):
        prepared(tmp_path / "empty.py")


def test_validation_data_need_an_evaluator(tiny_config: Write) -> None:
    with pytest.raises(ValueError, match="has val_dataloader but no val_evaluator"):
        prepared(tiny_config("val_evaluator = None"))


def test_empty_loops_may_be_left_out(tiny_config: Write) -> None:
    cfg = prepared(tiny_config("del val_cfg, test_cfg"))
    assert cfg.val_cfg == {} and cfg.test_cfg == {}


def test_training_without_validation_is_fine(tiny_config: Write) -> None:
    cfg = prepared(tiny_config("val_dataloader = val_evaluator = None"))
    assert cfg.val_cfg is None


def test_our_scope_is_the_default(tiny_config: Write) -> None:
    assert prepared(tiny_config("default_scope = None")).default_scope == "tresnet_tasks"


def test_the_work_dir_is_the_options_the_configs_or_one_by_its_name(tiny_config: Write) -> None:
    assert prepared(tiny_config()).work_dir == str(Path("work_dirs") / "tiny")
    named = tiny_config("work_dir = 'here'")
    assert prepared(named).work_dir == "here"
    assert prepared(named, work_dir="there").work_dir == "there"


def test_the_seed_is_the_options_the_configs_or_a_drawn_one(
    tiny_config: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = tiny_config("randomness = dict(seed=3, deterministic=True)")
    assert prepared(stated).randomness == {"seed": 3, "deterministic": True}
    assert prepared(stated, seed=4).randomness.seed == 4
    capsys.readouterr()
    drawn = prepared(tiny_config())
    assert f"seed {drawn.randomness.seed} (drawn" in capsys.readouterr().out
    assert prepared(tiny_config()).randomness.seed != drawn.randomness.seed


def test_another_seed_than_the_resumed_runs_gives_way_and_is_told(
    tiny_run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = load_config(str(tiny_run.config))
    cfg = prepare_config(stored, LaunchOptions(resume=str(tiny_run.best), seed=1))
    assert cfg.randomness.seed != 1
    assert f"seed {cfg.randomness.seed}, as the resumed run had it, in place of 1" in (
        capsys.readouterr().out
    )


def test_all_processes_agree_on_the_drawn_seed(
    tiny_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receive(values: list[Any]) -> None:  # as a rank other than 0 does
        values[0] = 77

    monkeypatch.setattr(launch, "join_processes", lambda *args: None)
    monkeypatch.setattr(launch, "broadcast_object_list", receive)
    cfg = prepared(tiny_config(), launcher="pytorch")
    assert cfg.randomness.seed == cfg.train_dataloader.sampler.seed == 77


def test_workers_are_no_more_than_cores(
    tiny_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config("for _l in (train_dataloader, val_dataloader): _l['num_workers'] = 64")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert prepared(config).train_dataloader.num_workers == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert prepared(config).train_dataloader.num_workers == 2


def test_without_workers_their_settings_go(tiny_config: Write) -> None:
    cfg = prepared(tiny_config("train_dataloader['persistent_workers'] = True"))
    assert "persistent_workers" not in cfg.train_dataloader


def test_hanging_workers_are_waited_for_a_quarter_of_an_hour_unless_stated(
    tiny_config: Write,
) -> None:
    cfg = prepared(
        tiny_config(
            "train_dataloader['num_workers'] = 1\nval_dataloader.update(num_workers=1, timeout=5)"
        )
    )
    assert (cfg.train_dataloader.timeout, cfg.val_dataloader.timeout) == (900, 5)


@pytest.mark.parametrize(
    ("amp", "kind"),
    [("off", "OptimWrapper"), ("bf16", "BFloat16OptimWrapper"), ("fp16", "AmpOptimWrapper")],
)
def test_amp_replaces_the_wrapper_and_keeps_the_rest(
    amp: str, kind: str, tiny_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    config = tiny_config(
        "optim_wrapper = dict(type='AmpOptimWrapper', loss_scale=512.0, accumulative_counts=2, "
        "optimizer=dict(type='SGD', lr=0.1))"
    )
    wrapper = prepared(config, amp=amp).optim_wrapper
    assert wrapper.type == kind and wrapper.accumulative_counts == 2
    assert wrapper.get("loss_scale") == ("dynamic" if amp == "fp16" else None)


def test_channels_last_keeps_the_rest_of_the_preprocessor(tiny_config: Write) -> None:
    config = tiny_config("model['data_preprocessor'] = dict(mix_prob=0.5)")
    preprocessor = prepared(config, channels_last=True).model.data_preprocessor
    assert preprocessor == {"type": "Preprocessor", "mix_prob": 0.5, "channels_last": True}


def test_a_run_of_other_processes_goes_on_with_the_same_images_a_step(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = read_checkpoint(tiny_run.best)
    checkpoint["meta"]["loader"] = {"batch_size": 4, "processes": 2, "accumulation": 1}
    torch.save(checkpoint, tmp_path / "of_two.pth")
    stored = load_config(str(tiny_run.config))
    cfg = prepare_config(stored, LaunchOptions(resume=str(tmp_path / "of_two.pth")))
    assert cfg.optim_wrapper.accumulative_counts == 2
    assert "1 processes make the same with optim_wrapper.accumulative_counts=2" in (
        capsys.readouterr().out
    )
