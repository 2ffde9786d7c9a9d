"""What the pages at the top of the repository say is true: commands run, examples work.

Every published variant is a tiny network here, its published weights lie in a cache of the test's
own, and ImageNet has two classes.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image
from torch.distributed.run import get_args_parser as torch_run
from torch.utils.data import DataLoader

from tresnet_tasks.backbones import ARCHS, Arch
from tresnet_tasks.commands.main import command_parser, main
from tresnet_tasks.config_paths import find_config
from tresnet_tasks.metrics.stored_thresholds import StoredThresholds
from tresnet_tasks.models import Classifier
from tresnet_tasks.registry import DATASETS, MODELS
from tresnet_tasks.training.launch import LaunchOptions, build_runner, load_config, prepare_config
from tresnet_tasks.upstream.checkpoints import plain_data
from tresnet_tasks.weights import HUB_WEIGHTS, convert_weights

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
TINY = Arch((1, 1, 1, 1), 0.125, ("basic", "basic", "bottleneck", "bottleneck"))
CLASSES = ("daisy", "rose")
FLOWERS5 = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
MY_PHOTOS = "configs/transfer/my_photos.py"
RETINANET = "retinanet_r50_fpn.py"
# Checkpoints that the examples name, and the configs that they are of.
RUNS = {
    "tags": "multilabel/my_csv",
    "boxes": "det/fcos_tresnet_m_voc_xml",
    "joint": "quickstart/multitask_digit_scenes",
}
# Too long for a test, a dry run on few images excepted; that their configs fit is tested.
ONLY_PREPARED = re.compile(
    r"\btrain\b(?!.*my_photos\.py --dry-run)|\btest(\.py)? .*(det/|quickstart/)"
)


class Block(NamedTuple):
    """A fenced block of code, and the heading that it stands under."""

    language: str
    heading: str
    text: str


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[Block]:
    found, heading = [], ""
    pattern = re.compile(r"^#+ ([^\n]+)$|^( *)```(\w+)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
    # A comment in a block is no heading: the pattern takes whole blocks.
    for match in pattern.finditer(page(name)):
        if match[1]:
            heading = match[1]
        else:
            text = re.sub(f"^{match[2]}", "", match[4], flags=re.MULTILINE)
            found.append(Block(match[3], heading, text))
    return [block for block in found if block.language == language]


def console_lines() -> list[str]:
    shown = [block for name in PAGES for block in blocks(name, "console")]
    lines = [line for block in shown for line in block.text.splitlines() if line.strip()]
    scripts = [block for name in PAGES for block in blocks(name, "bash")]
    return lines + re.findall("^srun .*$", "".join(s.text for s in scripts), re.MULTILINE)


LINES = console_lines()
OURS = [
    line
    for line in LINES
    if not line.startswith(("make ", "pip ", ". ", "python tools/benchmark.py"))
]


def my_photos() -> str:
    """The fine-tuning config of the README."""
    (config,) = (b.text for b in blocks("README.md", "python") if MY_PHOTOS in b.text[:80])
    return config


def any_detector() -> str:
    """The config of the README that begins with one of mmdet's."""
    (config,) = (b.text for b in blocks("README.md", "python") if RETINANET in b.text)
    return config


def longer_lists() -> str:
    """The config of the README that adds to the lists of its base."""
    (config,) = (b.text for b in blocks("README.md", "python") if "*_base_." in b.text)
    return config


def parsed(line: str) -> tuple[dict[str, str], str, list[str]]:
    """Environment, command and arguments of a line that runs one of our commands."""
    words = shlex.split(line)
    environment = {}
    while "=" in words[0]:
        key, _, value = words.pop(0).partition("=")
        environment[key] = value
    if words[0] == "torchrun":
        launcher = torch_run().parse_args(words[1:])
        words = ["python", launcher.training_script, *launcher.training_script_args]
    if words[0] == "srun":
        words = words[1:]
    if words[0] == "tresnet-tasks":
        return environment, words[1], words[2:]
    if words[:3] == ["python", "-m", "tresnet_tasks"]:
        return environment, words[3], words[4:]
    assert words[0] == "python", f"who runs {line!r}?"
    tool = Path(words[1])
    assert tool.parent == Path("tools") and (ROOT / tool).is_file()
    return environment, tool.stem, words[2:]


# ------------------------------------------------------------------------ a desk to work at


def draw(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for name in "abcdefghijklmnopqrstuvwxyz"[:count]:
        pixels = generator.integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.jpg")


def save_checkpoint(path: Path) -> None:
    """A checkpoint as training writes it."""
    torch.manual_seed(0)
    resize = {"type": "Resize", "height": 32, "width": 32}
    steps = [
        {"type": "LoadImage"},
        {"type": "Albumentations", "transforms": [resize]},
        {"type": "PackClsInputs"},
    ]
    backbone = {"type": "TResNet", "arch": dict(TINY._asdict())}
    head = {"type": "LinearHead", "num_classes": 2, "in_channels": TINY.channels[-1]}
    cfg = {
        "model": {"type": "Classifier", "backbone": backbone, "head": head},
        "test_dataloader": {"dataset": {"type": "ImageFolder", "pipeline": steps}},
    }
    state = Classifier(backbone, head).state_dict()
    meta = {"cfg": cfg, "dataset_meta": {"classes": CLASSES}}
    torch.save({"state_dict": state, "meta": meta}, path)


def save_run(folder: Path, name: str) -> None:
    """The checkpoint of a run that has not learnt anything, of a config made small."""
    arch = f"model.backbone={{'_delete_':True,'type':'TResNet','arch':{dict(TINY._asdict())}"
    levels = {"tags": (3,), "boxes": (1, 2, 3), "joint": (0, 1, 2, 3)}[folder.name]
    words = [f"{arch},'out_indices':{levels}}}"]
    if folder.name == "boxes":
        words += ["model.neck.out_channels=32", "model.bbox_head.feat_channels=32"]
        words += ["test_dataloader.dataset.pipeline.1.scale=(96,64)"]
    cfg = prepare_config(load_config(name, words), LaunchOptions(work_dir=str(folder)))
    model = MODELS.build(cfg.model)
    classes = {"classes": ("cat", "dog") if folder.name == "tags" else CLASSES}
    meta = {"cfg": plain_data(cfg), "dataset_meta": {} if folder.name == "joint" else classes}
    folder.mkdir(exist_ok=True)
    torch.save({"state_dict": model.state_dict(), "meta": meta}, folder / "best.pth")


def draw_own_data(root: Path) -> None:
    """The folder ``data/mine`` of the examples: boxes in xml, labels in tables, lines of JSON."""
    for folder in ("images", "JPEGImages"):
        draw(root / folder, 2, seed=1)
    (root / "train.jsonl").write_text(
        '{"image": "images/a.jpg", "label": "rose"}\n{"image": "images/b.jpg", "label": "daisy"}\n'
    )
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    box = "<bndbox><xmin>3</xmin><ymin>3</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>"
    for stem, name in zip("ab", CLASSES, strict=True):
        size = "<size><width>32</width><height>24</height><depth>3</depth></size>"
        found = f"<object><name>{name}</name>{box}</object>"
        (root / f"Annotations/{stem}.xml").write_text(
            f"<annotation><filename>{stem}.jpg</filename>{size}{found}</annotation>"
        )
    for split in ("train", "val"):
        (root / f"ImageSets/Main/{split}.txt").write_text("a\nb\n")
        (root / f"{split}.csv").write_text("path,cat,dog\nimages/a.jpg,1,0\nimages/b.jpg,-1,1\n")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the examples name."""
    desk = tmp_path_factory.mktemp("desk")
    draw(desk / "photos", 3, seed=0)
    for data in ("imagenet", "my_photos"):
        for seed, (name, split) in enumerate((c, s) for c in CLASSES for s in ("train", "val")):
            draw(desk / "data" / data / split / name, 16 if split == "train" else 2, seed)
    for name in FLOWERS5:
        for split in ("train", "val"):
            (desk / "data" / "flowers5" / split / name).mkdir(parents=True)
    draw_own_data(desk / "data" / "mine")
    shutil.copytree(ROOT / "configs" / "_base_", desk / "configs" / "_base_")
    (desk / MY_PHOTOS).parent.mkdir()
    (desk / MY_PHOTOS).write_text(my_photos(), encoding="utf-8")

    save_checkpoint(desk / "best.pth")
    for run in ("m", "my_photos"):
        (desk / "work_dirs" / run).mkdir(parents=True)
        shutil.copy(desk / "best.pth", desk / "work_dirs" / run)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        for run, config in RUNS.items():
            save_run(desk / "work_dirs" / run, config)
    # One line of the README writes it, another reads it, and each test may be the first to run.
    StoredThresholds(("cat", "dog"), (0.5, 0.5)).write(desk / "thresholds.json")
    convert_weights(desk / "best.pth", desk / "published.safetensors", layout="timm")
    for name in HUB_WEIGHTS:  # as the hub's client lays them down
        repo = desk / "hub" / f"models--{name.replace('/', '--')}"
        commit = "0" * 40
        (repo / "snapshots" / commit).mkdir(parents=True)
        (repo / "refs").mkdir()
        (repo / "refs" / "main").write_text(commit)
        shutil.copy(
            desk / "published.safetensors", repo / "snapshots" / commit / "model.safetensors"
        )
    return desk


@pytest.fixture
def desk(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the current folder, with the published variants made tiny."""
    monkeypatch.chdir(files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(files / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in list(ARCHS):
        monkeypatch.setitem(ARCHS, name, TINY)
    without_workers(monkeypatch)
    return files


def without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load in this process: the garbage collector waits five seconds for each worker of an earlier run."""
    original = DataLoader.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        kwargs.update(num_workers=0, persistent_workers=False, prefetch_factor=None, timeout=0)
        original(self, *args, **kwargs)

    monkeypatch.setattr(DataLoader, "__init__", init)


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an example registers is gone afterwards."""
    for registry in (MODELS, DATASETS):
        registry.import_from_location()
        monkeypatch.setattr(registry, "_module_dict", dict(registry.module_dict))
    known = set(ARCHS)
    yield
    for name in set(ARCHS) - known:
        del ARCHS[name]


# ------------------------------------------------------------------------------- commands


def test_every_command_is_shown() -> None:
    shown = {parsed(line)[1] for line in OURS}
    assert {"train", "test", "predict", "convert"} <= shown


def numbers_of_classes(model: Any) -> set[int]:
    """What the heads of a model's config tell apart."""
    heads = [model.get("head"), model.get("bbox_head"), *model.get("heads", {}).values()]
    heads = [head.get("detector", {}).get("bbox_head", head) for head in heads if head]
    return {head.num_classes for head in heads}


@pytest.mark.parametrize("line", OURS)
def test_a_line_is_understood(line: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, command, words = parsed(line)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    args = command_parser(command).parse_args(words)
    if getattr(args, "config", None):
        assert find_config(args.config).is_file()
        options = LaunchOptions(amp=getattr(args, "amp", None))
        cfg = prepare_config(load_config(args.config), options)
        number = len(FLOWERS5 if environment else CLASSES)
        expected = 10 if "digit_scenes" in args.config else number
        assert numbers_of_classes(cfg.model) == {expected}


@pytest.mark.parametrize("line", [line for line in OURS if not ONLY_PREPARED.search(line)])
def test_a_cheap_line_runs(line: str, desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    environment, command, words = parsed(line)
    assert not environment
    assert main(words, name=command) == 0, capfd.readouterr().err


def test_a_misspelt_key_is_answered_as_shown(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = blocks("README.md", "text")
    line, told = block.text.splitlines()
    _, command, words = parsed(line.removeprefix("$ "))
    assert main(words, name=command) == 1
    assert capsys.readouterr().err == f"{told}\n"


# ------------------------------------------------------------------------------- examples


def run(code: str, namespace: dict[str, Any]) -> None:
    exec(compile(code, "<example>", "exec"), namespace)


@pytest.mark.parametrize(
    "code",
    [
        b.text
        for b in blocks("README.md", "python")
        if b.text not in (my_photos(), any_detector(), longer_lists())
    ],
    ids=lambda code: re.search(r"(\w+)\(", code)[1],
)
def test_a_python_example_of_the_readme_runs(code: str, desk: Path) -> None:
    run(code, {"__name__": "readme"})


def test_the_fine_tuning_config_starts_from_the_published_weights(
    desk: Path, tmp_path: Path
) -> None:
    options = LaunchOptions(work_dir=str(tmp_path), seed=1)
    model = build_runner(prepare_config(load_config(MY_PHOTOS), options), options).model
    model.init_weights()
    published = torch.load(desk / "best.pth", weights_only=True)["state_dict"]
    name = "backbone.body.layer4.0.conv3.conv.weight"
    assert torch.equal(model.state_dict()[name].cpu(), published[name])


def test_the_backbone_goes_into_a_config_of_mmdet(desk: Path) -> None:
    path = desk / "configs" / "transfer" / "retinanet.py"
    path.write_text(any_detector(), encoding="utf-8")
    data = "{'_delete_':True,'type':'VocDetection','data_root':'data/mine','pipeline':[{'type':'LoadImage'}]}"
    splits = ("train", "val", "test")
    cfg = load_config(str(path), [f"{split}_dataloader.dataset={data}" for split in splits])
    model = prepare_config(cfg, LaunchOptions(work_dir=str(desk))).model
    assert model.neck.in_channels == list(TINY.channels[1:])
    assert model.bbox_head.num_classes == len(CLASSES)


def test_a_config_adds_to_the_lists_of_its_base(desk: Path) -> None:
    path = desk / "configs" / "transfer" / "longer.py"
    path.write_text(longer_lists(), encoding="utf-8")
    cfg = load_config(str(path))
    assert [hook.type for hook in cfg.custom_hooks] == ["ModelEMAHook", "EarlyStopHook"]
    steps = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert steps == ["LoadRandomResizedCrop", "Cutout", "PackClsInputs"]


def test_the_fine_tuning_config_is_the_one_that_is_there() -> None:
    assert my_photos() == (ROOT / MY_PHOTOS).read_text(encoding="utf-8")


@pytest.mark.parametrize("heading", ["Add a variant", "Add a reader", "Add a head"])
def test_the_examples_of_contributing_run(heading: str, desk: Path, registries: None) -> None:
    namespace: dict[str, Any] = {"__name__": "contributing"}
    codes = [b.text for b in blocks("CONTRIBUTING.md", "python") if b.heading == heading]
    assert len(codes) == 2
    for code in codes:
        run(code, namespace)
    if heading == "Add a head":
        cfg = load_config("cls/tresnet_m_imagenet", ["model.head.type=GeMHead"])
        assert prepare_config(cfg, LaunchOptions()).model.head.num_classes == 2
