"""Draw the images of a config as the network gets them, with labels, tags or boxes.

CONFIG is one of `train`. Its data go through pipeline, collation and preprocessor as in training, so that
augmentations, padding, Mixup and CutMix are seen. Of the training data these are the first steps of --epoch, of the
others images drawn at random. How often each class occurs is told as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._pictures import SHEET_IMAGES, Pictures

if TYPE_CHECKING:
    from ..training.model_inputs import ModelInputs

EXAMPLES = """\
examples:
  tresnet-tasks browse quickstart/cls_digit_scenes
  tresnet-tasks browse det/fcos_tresnet_m_coco --split val --number 6 --out pictures/
  tresnet-tasks browse configs/mine.py --number 4 --repeats 6        each image in six epochs, side by side

augmentations to try, each a line of the training pipeline, before the step that packs the image (the first two move
pixels and are refused where there are boxes):
  dict(type="TorchVision", name="AutoAugment")
  dict(type="TorchVision", name="RandAugment", num_ops=2, magnitude=9)
  dict(type="Cutout", factor=0.5)
  dict(type="TorchVision", name="RandomErasing", p=0.5, value="random")
  dict(type="GridMask", keep=0.6, prob=0.8)
  dict(type="HideAndSeek", hide=0.5, prob=0.8)
and two of the whole batch, on the device, for one label an image:
  model = dict(data_preprocessor=dict(mixes=[dict(type="MixUp", alpha=0.2)]))
  model = dict(data_preprocessor=dict(mixes=[dict(type="CutMix", alpha=1.0)]))

A config's list takes the place of its base's, so one more step is written with it:
  _steps = _base_.train_dataloader.dataset.pipeline
  train_dataloader = dict(dataset=dict(pipeline=[*_steps[:-1], dict(type="Cutout", factor=0.5), _steps[-1]]))
"""

# What preprocessors do to training batches alone.
_IN_TRAINING = ("mixes", "mix_prob", "batch_augments")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``browse``."""
    parser.epilog = EXAMPLES
    parser.add_argument("config", help="path of a config, or a name such as cls/tresnet_m_imagenet")
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        default="train",
        help="which data (default: train)",
    )
    parser.add_argument(
        "--number", metavar="N", type=_whole(1), default=16, help="images (default: 16)"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help=f"folder of the pictures: one an image, and a sheet of the first {SHEET_IMAGES}, whose path is printed "
        "last (default: work_dirs/NAME/browse)",
    )
    parser.add_argument(
        "--epoch", type=_whole(0), default=0, help="whose augmentations, from 0 (default: 0)"
    )
    parser.add_argument(
        "--repeats",
        metavar="K",
        type=_whole(1),
        default=1,
        help="draw each image as K epochs have it, side by side (default: 1)",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change the config, such as randomness.seed=1",
    )


def run(args: argparse.Namespace) -> int:
    """Draw and count; returns 0.

    Raises:
        FileNotFoundError: if the config or its data are not there.
        ValueError: if the config is wrong, an image cannot be read, or pictures cannot be written.
    """
    # Not at the top: `--help` must not wait for torch.
    from ..reports import drawn_truth
    from ..training.launch import load_config
    from ..training.model_inputs import ModelInputs

    cfg = load_config(args.config, args.cfg_options)
    inputs = ModelInputs(cfg, args.split)
    rows = list(inputs.draw(args.number, args.epoch, args.repeats))
    folder = args.out or Path("work_dirs", Path(cfg.filename).stem, "browse")
    paths = [_path(one.sample) for row in rows for one in row]
    pictures = Pictures(folder, paths, sheet=args.split, option="--out")
    for row in rows:
        for one in row:
            path = Path(_path(one.sample))
            title = f"epoch {one.epoch}: {path.name}" if args.repeats > 1 else path.name
            drawn = drawn_truth(one.image, one.sample, inputs.dataset.metainfo, title)
            later = f"_epoch_{one.epoch}" if args.repeats > 1 else ""
            pictures.add_drawn(drawn, str(path.with_name(f"{path.stem}{later}{path.suffix}")))

    for line in _told(cfg, args, inputs, len(rows)):
        print(line)
    print(pictures.finish(columns=args.repeats if args.repeats > 1 else None))
    return 0


def _whole(least: int) -> Any:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"got {text!r}; expected a whole number of {least} or more"
            )
        return int(text)

    return parse


def _path(sample: Any) -> str:
    metainfo = sample.metainfo
    return str(metainfo.get("img_path") or f"sample_{metainfo.get('sample_idx', 0)}")


# ---------------------------------------------------------------------------------- what is told


def _told(cfg: Any, args: argparse.Namespace, inputs: ModelInputs, shown: int) -> Iterator[str]:
    from ..training.hooks.unreadable_images import data_sets

    where = "drawn at random"
    if inputs.training:
        where = f"of the first steps of epoch {args.epoch} ({inputs.batch_size} images a step)"
    yield f"{args.split}: {len(inputs.dataset):,} images, {shown} shown, {where}, seed {inputs.seed}"
    yield from _pipelines(cfg[f"{args.split}_dataloader"]["dataset"])
    skipped = () if inputs.training else _IN_TRAINING
    device = {key: value for key, value in inputs.preprocessor.items() if key not in skipped}
    yield f"on the device: {_step(device)}"
    yield from _class_counts(inputs.dataset, args.split)
    left_out = [path for part in data_sets(inputs.dataset) for path in part.unreadable_files()]
    if left_out:
        yield f"left out, as they cannot be read: {', '.join(left_out)}"


def _class_counts(dataset: Any, split: str) -> Iterator[str]:
    """A table for each reader that knows how often its classes occur."""
    import numpy as np

    from ..training.hooks.class_counts import counts_table
    from ..training.model_inputs import labelled_parts

    for head, part in labelled_parts(dataset):
        if hasattr(part, "label_counts"):
            held, known = part.label_counts()
        elif hasattr(part, "box_counts"):
            held, known = np.array(part.box_counts()), None
        else:
            continue
        names = [str(name) for name in part.metainfo["classes"]]
        heading = f"{split}, {head}" if head else split
        yield f"\n{counts_table(names, held, known, len(part), heading=heading).rstrip()}"
        absent = [name for name, number in zip(names, held, strict=True) if not number]
        if absent:
            few = ", ".join(absent[:10]) + (", ..." if len(absent) > 10 else "")
            what = "box" if known is None else "image"
            yield f"{heading}: {len(absent)} of {len(names)} classes have no {what}: {few}"


def _pipelines(dataset: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """A line for each pipeline of a data set and of those in it."""
    inner = dataset.get("dataset", dataset.get("datasets")) or {}
    if "type" in inner:
        inner = {name: inner}
    parts = inner.items() if isinstance(inner, Mapping) else ((name, part) for part in inner)
    for key, part in parts:
        yield from _pipelines(part, key)
    if dataset.get("pipeline"):
        steps = " > ".join(map(_step, dataset["pipeline"]))
        yield f"pipeline{f' of {name}' if name else ''}: {steps}"


def _step(value: Any) -> str:
    """A config in one line: ``Cutout(factor=0.5)``."""
    if isinstance(value, Mapping) and "type" in value:
        arguments = [f"{k}={_step(v)}" for k, v in value.items() if k != "type"]
        return f"{value['type']}({', '.join(arguments)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_step, value))}]"
    return repr(value)
