"""Evaluate weights on the test data of a config.

WEIGHTS is a checkpoint of this project, any published TResNet file, or a hub name such as timm/tresnet_m.miil_in1k.

examples:
  tresnet-tasks test quickstart/cls_digit_scenes work_dirs/cls_digit_scenes/best.pth
  tresnet-tasks test cls/tresnet_m_imagenet timm/tresnet_m.miil_in1k
  tresnet-tasks test cls/tresnet_m_imagenet_448 tresnet_m_448.pth --out metrics.json
  tresnet-tasks test det/fcos_tresnet_m_coco work_dirs/boxes/best.pth --tta
  tresnet-tasks test multilabel/tresnet_l_coco_448 MS_COCO_TRresNet_L_448_86.6.pth --find-thresholds thresholds.json
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("config", help="path of a config, or a name such as cls/tresnet_m_imagenet")
    parser.add_argument("weights", help="a checkpoint, a published weights file or a hub name")
    parser.add_argument(
        "--work-dir",
        help="where logs and pictures go, in its folder test (default: work_dirs/NAME)",
    )
    parser.add_argument("--out", metavar="FILE.json", help="also write the metrics here")
    parser.add_argument(
        "--thresholds",
        metavar="FILE.json",
        help="several labels an image: also score at these thresholds, in place of the checkpoint's",
    )
    parser.add_argument(
        "--find-thresholds",
        metavar="FILE.json",
        help="several labels an image: find thresholds on these data and write them; use them with --thresholds of "
        "test and predict on other data",
    )
    parser.add_argument(
        "--precision",
        type=float,
        help="with --find-thresholds: the precision to reach in each class (default: the highest F1)",
    )
    parser.add_argument(
        "--temperature", action="store_true", help="with --find-thresholds: also fit a temperature"
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: answer from several views of each image, those of the config's tta_pipeline "
        "(default: the image and its mirror image). Boxes are merged by NMS, or by the config's tta_model; scores "
        "of a classifier are averaged",
    )
    parser.add_argument("--channels-last", action="store_true", help="channels_last memory format")
    parser.add_argument(
        "--compile", action="store_true", help="compile the backbone (needs a C++ compiler)"
    )
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change the config"
    )
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm", "mpi"),
        default="none",
        help="how the processes of a distributed run were started (default: none, a single process)",
    )
    parser.add_argument("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Evaluate."""
    from ..training.evaluate import evaluate
    from ..training.launch import LaunchOptions, load_config
    from ..training.test_thresholds import TestThresholds

    options = LaunchOptions(
        work_dir=args.work_dir,
        compile=args.compile,
        channels_last=args.channels_last,
        launcher=args.launcher,
    )
    thresholds = TestThresholds(
        args.thresholds, args.find_thresholds, args.precision, args.temperature
    )
    cfg = load_config(args.config, args.cfg_options)
    evaluate(cfg, args.weights, options, out=args.out, thresholds=thresholds, tta=args.tta)
    return 0
