from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tresnet_tasks.config_paths import config_names, find_config
from tresnet_tasks.training.checks import check_config

Write = Callable[..., Path]


def problem(path: Path) -> str:
    with pytest.raises((ValueError, KeyError)) as raised:
        check_config(Config.fromfile(path))
    return str(raised.value.args[0])


def child(path: Path, text: str) -> Path:
    """A config that changes the one at ``path``."""
    file = path.with_name("child.py")
    file.write_text(f"_base_ = './{path.name}'\n{text}\n")
    return file


@pytest.mark.parametrize("name", config_names())
def test_every_config_of_the_project_passes(name: str) -> None:
    check_config(Config.fromfile(find_config(name)))


def test_the_tiny_config_passes(tiny_config: Write) -> None:
    check_config(Config.fromfile(tiny_config()))


@pytest.mark.parametrize(
    ("old", "new", "where", "wrong", "right"),
    [
        ("lr=0.02", "lrr=0.02", "optim_wrapper.optimizer", "lrr", "lr"),
        ("max_epochs=2", "max_epoch=2", "train_cfg", "max_epoch", "max_epochs"),
        ("topk=(1,)", "topkk=(1,)", "val_evaluator", "topkk", "topk"),
        ("convert_to_iter_based=True", "Tmax=2", "param_scheduler", "Tmax", "T_max"),
        ("num_workers=0", "num_worker=0", "train_dataloader", "num_worker", "num_workers"),
        ("data_root=_root", "root=_root", "train_dataloader.dataset", "root", "data_root"),
        ("shuffle=True", "shufle=True", "train_dataloader.sampler", "shufle", "shuffle"),
        ('"SGD"', '"SDG"', "optim_wrapper.optimizer", "SDG", "SGD"),
        (
            '"LoadImage"',
            '"LoadImg"',
            "train_dataloader.dataset.pipeline[0]",
            "LoadImg",
            "LoadImage",
        ),
        ('"ImageFolder"', '"ImageFoldr"', "train_dataloader.dataset", "ImageFoldr", "ImageFolder"),
        ('"Accuracy"', '"Acuracy"', "val_evaluator", "Acuracy", "Accuracy"),
        ('"CosineAnnealingLR"', '"CosineAnealingLR"', "param_scheduler", "", "CosineAnnealingLR"),
        ('dict(type="collate")', 'dict(type="colate")', "collate_fn", "colate", "collate"),
    ],
)
def test_a_misspelt_name_is_answered_with_its_place_and_the_nearest(
    old: str, new: str, where: str, wrong: str, right: str, tiny_config: Write
) -> None:
    message = problem(tiny_config(old=old, new=new))
    assert where in message and wrong in message
    assert f"Did you mean {right!r}" in message


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        ("model = dict(backbone=dict(frozen_stage=1))", "frozen_stage", "frozen_stages"),
        ("model = dict(backbone=dict(type='TRessNet'))", "TRessNet", "TResNet"),
        ("model = dict(head=dict(drop_out=0.1))", "drop_out", "dropout"),
        ("model = dict(head=dict(loss=dict(smoothing=0.1)))", "smoothing", "label_smoothing"),
        ("model = dict(data_preprocessor=dict(mix_probs=1.0))", "mix_probs", "mix_prob"),
        (
            "model = dict(backbone=dict(init_cfg=dict(type='Pretraind', checkpoint='x')))",
            "Pretraind",
            "Pretrained",
        ),
        (
            "model = dict(backbone=dict(init_cfg=dict(type='Pretrained', chekpoint='x')))",
            "chekpoint",
            "checkpoint",
        ),
        ("default_hooks = dict(logger=dict(intervall=1))", "intervall", "interval"),
        ("default_hooks = dict(checkpoint=dict(savebest='x'))", "savebest", "save_best"),
        ("custom_hooks = [dict(type='ModelEMAhook')]", "ModelEMAhook", "ModelEMAHook"),
        ("custom_hooks = [dict(type='ModelEMAHook', decays=0.9)]", "decays", "decay"),
        (
            "optim_wrapper = dict(paramwise_cfg=dict(flat_decay=0.0))",
            "flat_decay",
            "flat_decay_mult",
        ),
        ("optim_wrapper = dict(accumulative_count=2)", "accumulative_count", "accumulative_counts"),
        ("env_cfg = dict(cudnn_bench=True)", "cudnn_bench", "cudnn_benchmark"),
        ("randomness = dict(sed=1)", "sed", "seed"),
        ("visualizer = dict(type='Visualiser')", "Visualiser", "Visualizer"),
        ("val_cfg = dict(fp_16=True)", "fp_16", "fp16"),
    ],
)
def test_a_change_of_a_base_is_checked_likewise(
    text: str, wrong: str, right: str, tiny_config: Write
) -> None:
    message = problem(child(tiny_config(), text))
    assert wrong in message and f"Did you mean {right!r}" in message


def test_a_misspelt_top_level_key(tiny_config: Write) -> None:
    message = problem(tiny_config("resum = True"))
    assert "'resum'" in message and "Did you mean 'resume'?" in message


def test_a_misspelt_key_that_is_also_an_argument_somewhere(tiny_config: Write) -> None:
    assert "'optimizer'" in problem(tiny_config("optimizer = dict(type='SGD')"))


@pytest.mark.parametrize(
    "text",
    [
        "width = 2\n_other = width + 1",
        "width = 2\nmodel = dict(type='Classifier', backbone=dict(type='TResNet', in_channels=width))",
        "_anything = 3",
        "names = ('a', 'b')\n_first = [name for name in names]",
    ],
)
def test_a_variable_is_no_unknown_key(text: str, tiny_config: Write) -> None:
    check_config(Config.fromfile(tiny_config(text)))


def test_a_variable_of_the_base_that_the_child_reads(tiny_config: Write) -> None:
    base = tiny_config("epochs = 3")
    check_config(Config.fromfile(child(base, "train_cfg = dict(max_epochs={{_base_.epochs}})")))


def test_variables_are_told_from_keys_wherever_the_file_lies(
    tiny_config: Write, tmp_path: Path
) -> None:
    folder = tmp_path / "it's 0x a folder"
    folder.mkdir()
    text = tiny_config("width = 2\n_other = width").read_text()
    (folder / "3d.py").write_text(text)
    check_config(Config.fromfile(folder / "3d.py"))


def test_arguments_of_a_type_that_was_replaced_are_refused(tiny_config: Write) -> None:
    text = "optim_wrapper = dict(optimizer=dict(type='Adagrad'))"
    message = problem(child(tiny_config(), text))
    assert "Adagrad" in message and "'momentum'" in message and "_delete_=True" in message


def test_a_type_that_is_replaced_as_a_whole_passes(tiny_config: Write) -> None:
    text = "optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adagrad', lr=0.1))"
    check_config(Config.fromfile(child(tiny_config(), text)))


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('dict(type="LoadImage")', 'dict(typ="LoadImage")', "pipeline[0]"),
        ('dict(type="ImageFolder", ', "dict(", "train_dataloader.dataset"),
        ('type="Accuracy", ', "", "val_evaluator"),
        ('type="SGD", ', "", "optim_wrapper.optimizer"),
    ],
)
def test_a_part_without_a_type_is_named(old: str, new: str, where: str, tiny_config: Write) -> None:
    message = problem(tiny_config(old=old, new=new))
    assert where in message and "'type'" in message


@pytest.mark.parametrize("key", ["model", "train_cfg", "train_dataloader", "optim_wrapper"])
def test_what_is_no_dict_is_named(key: str, tiny_config: Write) -> None:
    assert key in problem(tiny_config(f"{key} = 3"))


def test_a_loader_needs_a_data_set(tiny_config: Write) -> None:
    message = problem(tiny_config("val_dataloader = dict(batch_size=1)"))
    assert "val_dataloader has no 'dataset'; it has batch_size" in message


def test_an_optim_wrapper_needs_an_optimizer(tiny_config: Write) -> None:
    assert "optimizer" in problem(tiny_config("optim_wrapper = dict(accumulative_counts=2)"))


@pytest.mark.parametrize(
    "text",
    [
        "optim_wrapper = dict(clip_grad=dict(max_norm=1.0, type='norm'))",
        "val_evaluator = dict(_delete_=True, metrics=[dict(type='Accuracy')])",
        "val_evaluator = [dict(type='Accuracy')]\ntest_evaluator = val_evaluator",
        "default_hooks = dict(logger=None)",
        "param_scheduler = [dict(type='LinearLR', start_factor=0.1, end=3)]",
        "train_cfg = dict(_delete_=True, by_epoch=False, max_iters=5, val_interval=5)",
        "model = dict(data_preprocessor=dict(mixes=[dict(type='MixUp', alpha=0.2)]))",
        "train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=2, dataset=dict("
        "type='ImageFolder', data_root='x')))",
    ],
)
def test_what_mmengine_understands_passes(text: str, tiny_config: Write) -> None:
    check_config(Config.fromfile(child(tiny_config(), text)))


def test_mmdets_own_settings_of_a_detector_are_no_loops() -> None:
    cfg: dict[str, Any] = {
        "model": {
            "type": "mmdet.FCOS",
            "backbone": {"type": "TResNet"},
            "train_cfg": {
                "assigner": {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.4}
            },
            "test_cfg": {"nms": {"type": "nms", "iou_threshold": 0.6}, "nms_pre": 1000},
        }
    }
    check_config(Config(cfg))


def test_the_classes_of_mmdets_configs_are_led_to_ours(tiny_config: Write) -> None:
    file = child(
        tiny_config(), "train_dataloader = dict(dataset=dict(metainfo=dict(classes=['a'])))"
    )
    assert "metainfo=dict(classes=...) is classes=[...] here" in problem(file)
