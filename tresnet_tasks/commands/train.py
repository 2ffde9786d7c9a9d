"""Train a model from a config.

examples:
  tresnet-tasks train cls/tresnet_m_imagenet
  tresnet-tasks train configs/quickstart/cls_digit_scenes.py --work-dir work_dirs/mine
  tresnet-tasks train cls/tresnet_m_imagenet --resume             newest good checkpoint of the work dir
  tresnet-tasks train cls/tresnet_m_imagenet --dry-run            one batch through everything, then stop
  tresnet-tasks train mine.py --find-lr                           draw the loss over rising rates, suggest one
  tresnet-tasks train mine.py --draw-schedule                     draw the rates of the run to come
  tresnet-tasks train mine.py --auto-batch --amp bf16             the batch that fits, rates scaled with it
  tresnet-tasks train mine.py --folds 5                           cross-validation: mean and spread of 5 runs
  tresnet-tasks train cls/tresnet_m_imagenet --cfg-options train_cfg.max_epochs=100 optim_wrapper.optimizer.lr=0.2
  torchrun --nproc-per-node 8 -m tresnet_tasks train cls/tresnet_m_imagenet --launcher pytorch

exit status:
  0 done; 1 an error; 130 after Ctrl-C; 75 after SIGTERM or SIGUSR1: a checkpoint of the last step was saved, start the
  run again with --resume. In a Slurm script: srun ... --resume || { [ $? -eq 75 ] && scontrol requeue $SLURM_JOB_ID; }
"""

from __future__ import annotations

import argparse
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("config", help="path of a config, or a name such as cls/tresnet_m_imagenet")
    parser.add_argument(
        "--work-dir", help="where checkpoints, logs and pictures go (default: work_dirs/NAME)"
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        metavar="PATH",
        help="go on from PATH, or without one from the newest good checkpoint of the work dir",
    )
    parser.add_argument(
        "--amp",
        choices=("off", "bf16", "fp16"),
        help="mixed precision (default: what the config says)",
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile the backbone (needs a C++ compiler)"
    )
    parser.add_argument(
        "--channels-last",
        action="store_true",
        help="channels_last memory format, faster on recent GPUs",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="of everything random (default: the config's, or one is drawn and stored)",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change the config, such as train_dataloader.batch_size=64; a number is an index into a "
        'list, and a value may be a list or a dict: \'model.data_preprocessor.mixes=[{"type": '
        '"MixUp"}]\'',
    )
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm", "mpi"),
        default="none",
        help="how the processes of a distributed run were started (default: none, a single process)",
    )
    parser.add_argument(
        "--auto-batch",
        action="store_true",
        help="find the batch size: the largest that fits a GPU, the smallest that is fast on a CPU, "
        "with 20 steps an epoch at least; rates are scaled with it (auto_scale_lr)",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run",
        action="store_true",
        help="one batch through training, validation, checkpoint and resume; says time and memory",
    )
    instead.add_argument(
        "--find-lr",
        action="store_true",
        help="up to 100 steps at rates from 1e-5 to 1: draws find_lr.png and suggests one",
    )
    instead.add_argument(
        "--draw-schedule",
        action="store_true",
        help="draw rates and momentum of all groups over the whole run: schedule.png; no training",
    )
    instead.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="train K times, each on K-1 of K parts of the training data and validated on the rest: "
        "prints mean and spread, writes folds.json; with --resume, folds that are done are kept",
    )
    # torchrun of old hands the rank over like this; the environment has it as well.
    parser.add_argument("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Train."""
    from mmengine.dist import is_main_process

    from ..training.launch import (
        LaunchOptions,
        build_runner,
        load_config,
        prepare_config,
        run_training,
    )

    cfg = load_config(args.config, args.cfg_options)
    options = LaunchOptions(
        work_dir=args.work_dir,
        resume=args.resume,
        amp=args.amp,
        compile=args.compile,
        channels_last=args.channels_last,
        launcher=args.launcher,
        seed=args.seed,
    )
    if args.auto_batch:
        from ..training.batch_size import fit_batch_size

        print(fit_batch_size(cfg, options), flush=True)
    told = _instead(args, cfg, options)
    if told is not None:
        if is_main_process():
            print(told)
        return 0
    run_training(build_runner(prepare_config(cfg, options), options))
    return 0


def _instead(args: argparse.Namespace, cfg: Any, options: Any) -> object | None:
    """Do what is asked for in place of one training; returns what is to be printed."""
    if args.dry_run:
        from ..training.dry_run import dry_run

        return dry_run(cfg, options)
    if args.find_lr:
        from ..training.find_lr import find_lr

        return find_lr(cfg, options)
    if args.draw_schedule:
        from ..training.schedule_preview import preview_schedule

        return preview_schedule(cfg, options)
    if args.folds is not None:
        from ..training.cross_validation import cross_validate

        return cross_validate(cfg, options, args.folds)
    return None
