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
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def run(args: argparse.Namespace) -> int:
    """Convert one file; returns 0.

    Raises:
        FileNotFoundError: if the input is not there.
        FileExistsError: if the output is, without ``--overwrite``.
        ValueError: if the input is refused, damaged or no TResNet.
    """
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
