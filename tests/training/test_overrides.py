from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.training.launch import load_config
from tresnet_tasks.training.overrides import parse_value

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("1e-3", 1e-3),
        ("true", True),
        ("False", False),
        ("None", None),
        ("'3'", "3"),
        ("tresnet_m", "tresnet_m"),
        ("[1,2]", [1, 2]),
        ("(224, 224)", (224, 224)),
        ("[a, 3]", ["a", 3]),
        ("a,b", ["a", "b"]),
        ("{'type': 'SGD', 'lr': 0.1}", {"type": "SGD", "lr": 0.1}),
        ("/data/my images, new/x", "/data/my images, new/x"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_value_is_what_it_looks_like(text: str, value: Any) -> None:
    got = parse_value(text)
    assert got == value and type(got) is type(value)


def test_an_override_reaches_deep_and_into_lists(tiny_config: Write) -> None:
    words = (
        "train_dataloader.dataset.pipeline.0.scale=2",
        "model.head.dropout=0.5",
        "load_from=a=b.pth",
    )
    cfg = load_config(str(tiny_config()), words)
    assert cfg.train_dataloader.dataset.pipeline[0].scale == 2
    assert cfg.model.head.dropout == 0.5 and cfg.model.head.type == "LinearHead"
    assert cfg.load_from == "a=b.pth"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("train_cfg.max_epochs", "expected key=value"),
        ("=3", "expected key=value"),
        ("resum=True", "Did you mean 'resume'"),
        ("train_cgf.max_epochs=3", "Did you mean 'train_cfg'"),
        ("_root=/x", "variable of the config file"),
        ("train_dataloader.dataset.pipeline.7.scale=2", "A list grows in a config alone"),
    ],
)
def test_an_override_that_would_do_nothing_is_refused(
    word: str, expected: str, tiny_config: Write
) -> None:
    with pytest.raises(ValueError, match="--cfg-options") as raised:
        load_config(str(tiny_config()), [word])
    assert expected in str(raised.value)
