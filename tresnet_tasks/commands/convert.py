"""Convert TResNet weights of any published format to ours or timm's.

Reads the official TResNet, ASL, ML_Decoder (backbone), ImageNet21K and torch-tresnet files,
PaddlePaddle's .pdparams, timm's files and hub names, and the checkpoints of this project. Files are
read as data: one that carries code is refused.
"""

from __future__ import annotations

import argparse

EXAMPLES = """\
examples:
  the authors' file as a checkpoint of ours:
    tresnet-tasks convert tresnet_m.pth tresnet_m_ours.pth
  weights from the hub, or from its local cache:
    tresnet-tasks convert timm/tresnet_l.miil_in1k tresnet_l.safetensors
  your own training for timm (timm.create_model('tresnet_m', num_classes=5,
  checkpoint_path='flowers.safetensors')):
    tresnet-tasks convert work_dirs/flowers/best.pth flowers.safetensors --format timm
  the detector of a joint model, by itself, and models of one task as the start of a joint one:
    tresnet-tasks convert joint.pth boxes.pth --split boxes
    tresnet-tasks convert boxes.pth start.pth --join boxes tags=tags.pth cls=cls.pth
  the authors' Stanford Cars weights, trained with other slopes:
    tresnet-tasks convert stanford_cars_tresnet-l-v2_96_27.pth cars.pth --slopes 1e-6 1e-6
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of ``convert``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "input", metavar="IN", help="weights file, or hub name such as timm/tresnet_m.miil_in1k"
    )
    parser.add_argument("output", metavar="OUT", help="file to write: .pth, .pt or .safetensors")
    parser.add_argument(
        "--format",
        choices=("ours", "timm"),
        default="ours",
        help="ours: for load_weights and our commands; timm: flat names that timm loads strictly "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--slopes",
        nargs=2,
        type=float,
        metavar=("STEM", "BLOCKS"),
        help="negative slopes the weights were trained with, where not 1e-2 and 1e-3; kept in OUT",
    )
    parser.add_argument(
        "--no-ema",
        action="store_true",
        help="take the raw weights where the file also has their running average",
    )
    parser.add_argument(
        "--fuse",
        action="store_true",
        help="multiply each batch norm into its convolution: a smaller file, for predict alone",
    )
    tasks = parser.add_mutually_exclusive_group()
    tasks.add_argument(
        "--split",
        metavar="HEAD",
        help="IN is a joint checkpoint: write the model of this head alone, with its config, class "
        "names and thresholds",
    )
    tasks.add_argument(
        "--join",
        nargs="+",
        metavar=("HEAD", "HEAD=FILE"),
        help="IN and each FILE are checkpoints of one task: write them as these heads of a joint "
        "model, with the backbone of IN, for load_from",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def run(args: argparse.Namespace) -> int:
    """Convert one file; returns 0.

    Raises:
        FileNotFoundError: if the input is not there.
        FileExistsError: if the output is, without ``--overwrite``.
        ValueError: if the input is refused, damaged or no TResNet.
    """
    if args.split or args.join:
        print(_convert_tasks(args))
        return 0
    # Not at the top: `--help` must not wait for torch.
    from ..weights import convert_weights

    slopes = (args.slopes[0], args.slopes[1]) if args.slopes else None
    print(
        convert_weights(
            args.input,
            args.output,
            layout=args.format,
            slopes=slopes,
            ema=not args.no_ema,
            fuse=args.fuse,
            overwrite=args.overwrite,
        )
    )
    return 0


def _convert_tasks(args: argparse.Namespace) -> str:
    from pathlib import Path

    from ..weights import join_tasks, split_task

    asked = "--split" if args.split else "--join"
    others = {"--format timm": args.format == "timm", "--slopes": args.slopes, "--fuse": args.fuse}
    others["--no-ema"] = args.no_ema
    for option, given in others.items():
        if given:
            raise ValueError(f"{asked} takes no {option}; convert in two steps, or leave it out.")
    target = Path(args.output).expanduser()
    if target.suffix not in (".pth", ".pt"):
        raise ValueError(f"{asked} writes a checkpoint; expected OUT.pth, got {target}.")
    if target.exists() and not args.overwrite:
        raise FileExistsError(f"{target} exists; give another name, or --overwrite to replace it.")
    if args.split:
        return split_task(args.input, target, args.split)
    sources = {args.join[0]: args.input}
    for word in args.join[1:]:
        head, _, file = word.partition("=")
        if not file or head in sources:
            raise ValueError(
                f"--join got {word!r} behind {args.join[0]}; expected HEAD=FILE with a name for each "
                "file: --join boxes tags=tags.pth."
            )
        sources[head] = file
    return join_tasks(sources, target)
