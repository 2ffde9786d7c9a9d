"""mmengine's Runner with checkpoints that are data: nothing in one is ever executed, and none is
ever half written.

Needed with mmengine up to 0.10.7 (the newest), whose Runner

* executes ``meta['config']`` of the checkpoint that it resumes from, as Python, whatever
  ``weights_only`` says;
* cannot resume under ``torch.load(weights_only=True)``: its own ``HistoryBuffer`` is refused, and
  the state of a one-cycle schedule holds a function;
* writes checkpoints straight into the final file, and resumes from whatever ``last_checkpoint``
  names;
* gives two runners of one process that start in the same second one logger and one message hub.

Can go, one override at a time, when mmengine does these things itself.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process, master_only
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import weights_to_cpu

from .checkpoints import complete_file, plain_data, read_checkpoint, write_checkpoint
from .console import use_console_handler
from .resume_point import check_resumable, newest_checkpoint
from .run_record import differences, git_commit, versions
from .run_state import (
    load_schedule_states,
    load_weights_into,
    message_hub_state,
    on_cpu,
    schedule_states,
)

_RUNS = itertools.count(1)
# Settings of where and how a run goes on, not of what it computes.
_NOT_COMPARED = ("work_dir", "resume", "load_from", "launcher", "log_level", "experiment_name")


class TaskRunner(Runner):
    """mmengine's Runner, safe against what a checkpoint holds and against being killed.

    ``resume`` and ``load_checkpoint`` read through `read_checkpoint` (``weights_only`` and an exact
    allow-list); ``save_checkpoint`` writes atomically, with the resolved config, class names, seed,
    versions and git commit as plain data in ``meta``. ``resume=True`` without ``load_from`` goes on
    from the newest good checkpoint of ``work_dir``. The same record is written to
    ``work_dir/run.json``.

    Args:
        model: as in mmengine.
        work_dir: folder for everything that the run writes; made if missing.
        **kwargs: everything else that mmengine's Runner takes, by name.

    Raises:
        OSError: a `PermissionError` or its like, before anything is built, if ``work_dir`` cannot
            be written.
    """

    optim_wrapper: Any
    param_schedulers: Any

    def __init__(self, model: Any, work_dir: str | Path, **kwargs: Any) -> None:
        _require_writable(Path(work_dir))
        run = next(_RUNS)
        name = kwargs.get("experiment_name") or _stem(kwargs.get("cfg"))
        kwargs["experiment_name"] = name if run == 1 else f"{name}_{run}"
        super().__init__(model=model, work_dir=str(work_dir), **kwargs)

    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Build mmengine's logger: the file gets all, the console what `ConsoleHandler` lets by."""
        logger: logging.Logger = super().build_logger(*args, **kwargs)
        use_console_handler(logger)
        return logger

    def train(self) -> Any:
        """Train; on an error, hooks that have a method ``after_failure(runner)`` are called."""
        with self._failure_told():
            return super().train()

    def val(self) -> Any:
        """Validate; errors as in `train`."""
        with self._failure_told():
            return super().val()

    def test(self) -> Any:
        """Test; errors as in `train`."""
        with self._failure_told():
            return super().test()

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        try:
            yield
        except BaseException:  # an interrupt from the keyboard too
            self.call_hook("after_failure")
            raise

    @master_only
    def dump_config(self) -> None:
        """Write the resolved config, as Python text, and ``run.json`` to the work dir."""
        source = self.cfg.filename
        target = Path(self.work_dir) / Path(source or "").name
        # A work dir that is the config's own folder: the user's file is not to be replaced by the
        # resolved one.
        if not source or not target.exists() or target.resolve() != Path(source).resolve():
            super().dump_config()
        self._write_record()

    def _write_record(self) -> None:
        record = {**self._record(), "command": sys.argv, "config": self._plain_cfg}
        with complete_file(Path(self.work_dir) / "run.json") as temporary:
            temporary.write_text(json.dumps(record, indent=2), encoding="utf-8")

    def _record(self) -> dict[str, Any]:
        return {
            "experiment_name": self.experiment_name,
            "seed": self.seed,
            "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            "versions": versions(),
            "git_commit": git_commit(),
        }

    def load_or_resume(self) -> None:
        """Load or resume ``load_from``, or resume from the newest good checkpoint."""
        if self._has_loaded:
            return
        if self._resume and self._load_from is None:
            found = self._newest_checkpoint()
            if found is None:
                self.logger.warning(
                    f"nothing to resume: no checkpoint in {self.work_dir}; the run starts from "
                    "the beginning"
                )
                return
            self._resume_from(*found)
        elif self._resume:
            self.resume(self._load_from)
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from)

    def _newest_checkpoint(self) -> tuple[Path, dict[str, Any]] | None:
        """`newest_checkpoint` of the work dir, chosen by rank 0 for all ranks."""
        found: tuple[Path, dict[str, Any]] | None = None
        answer: list[Any] = [None, None]
        if is_main_process():
            try:
                found = newest_checkpoint(self.work_dir, self.logger.warning)
                answer[0] = found and str(found[0])
            except ValueError as error:
                answer[1] = str(error)
        broadcast_object_list(answer)
        if answer[1]:
            raise ValueError(answer[1])
        if answer[0] and found is None:
            found = Path(answer[0]), read_checkpoint(answer[0])
        return found

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = "cpu",
        strict: bool = False,
        revise_keys: Any = None,
    ) -> dict[str, Any]:
        """Load weights into the model.

        Args:
            filename: a file on this machine.
            map_location: taken for mmengine's sake; a file is always read to the CPU and copied
                into the model.
            strict: whether missing, unexpected and misshapen entries are an error rather than a
                warning.
            revise_keys: taken for mmengine's sake, must be None; ``module.`` prefixes are dropped
                in any case.

        Returns:
            What the file holds.

        Raises:
            ValueError: if the file holds more than data, is damaged, or (``strict``) does not fit
                the model.
        """
        if revise_keys is not None:
            raise ValueError(
                f"revise_keys={revise_keys!r} is not supported; convert the file first with the "
                "command 'convert'"
            )
        checkpoint = read_checkpoint(filename)
        self._load_weights(checkpoint, filename, strict)
        return checkpoint

    def _load_weights(self, checkpoint: dict[str, Any], path: str | Path, strict: bool) -> None:
        checkpoint.setdefault("state_dict", dict(checkpoint))
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        problems = load_weights_into(self._bare_model(), checkpoint["state_dict"])
        if problems:
            listed = "\n  ".join([*problems[:10], *(["..."] if len(problems) > 10 else [])])
            text = f"{path} does not fit the model in {len(problems)} places:\n  {listed}\n"
            if strict:
                hint = "Use the config that it was made with (its text is in meta.cfg_text)."
                raise ValueError(text + hint)
            self.logger.warning(text + "The rest was loaded.")
        self._has_loaded = True
        self.logger.info(f"weights loaded from {path}")

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: Any = "default",
    ) -> None:
        """Go on from a checkpoint: weights, counters, seed, message hub, optimizer and schedules.

        Nothing in the file is executed: its config is compared with this run's as data, where it is
        data.

        Args:
            filename: a file on this machine.
            resume_optimizer: whether the optimizer's state is restored.
            resume_param_scheduler: whether the schedules' states are restored.
            map_location: taken for mmengine's sake; a file is always read to the CPU.

        Raises:
            ValueError: if the file holds more than data, is damaged, holds weights alone or is of
                another model or optimizer.
        """
        checkpoint = read_checkpoint(filename)
        check_resumable(checkpoint, filename)
        self._resume_from(Path(filename), checkpoint, resume_optimizer, resume_param_scheduler)

    def _resume_from(
        self,
        path: Path,
        checkpoint: dict[str, Any],
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
    ) -> None:
        meta = checkpoint["meta"]
        self._resume = True  # hooks look at it to tell resuming from loading
        self._load_weights(checkpoint, path, strict=True)
        if "ema_state_dict" in checkpoint:
            self.logger.warning(
                f"{path} holds averaged weights, but this run has no hook that averages: it goes "
                "on from the average"
            )
        self.train_loop._epoch, self.train_loop._iter = meta["epoch"], meta["iter"]
        self._compare(meta, path)
        self._take_seed(meta.get("seed"))
        if isinstance(checkpoint.get("message_hub"), dict):
            self.message_hub.load_state_dict(checkpoint["message_hub"])
        if resume_optimizer and "optimizer" in checkpoint:
            self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
            try:
                self.optim_wrapper.load_state_dict(checkpoint["optimizer"])
            except (ValueError, KeyError) as error:
                raise ValueError(
                    f"the optimizer's state in {path} does not fit this config's optimizer "
                    f"({error}). Resume with the optimizer that the run was started with, or give "
                    "the file as load_from to take its weights only."
                ) from error
        if resume_param_scheduler and self.param_schedulers and "param_schedulers" in checkpoint:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
            load_schedule_states(self.param_schedulers, checkpoint["param_schedulers"], path)
        if is_main_process():
            self._write_record()  # the seed may be the checkpoint's now
        self.logger.info(f"resumed from {path}: epoch {self.epoch}, iteration {self.iter}")

    def _compare(self, meta: dict[str, Any], path: Path) -> None:
        """Warn of what differs between the checkpoint's run and this one; no text is parsed."""
        old = meta.get("cfg")
        lines = []
        if isinstance(old, dict) and self.cfg:
            same = dict.fromkeys(_NOT_COMPARED)
            lines += differences({**old, **same}, {**self._plain_cfg, **same})
        if isinstance(meta.get("dataset_meta"), dict):
            lines += differences(meta["dataset_meta"], self._dataset_meta(), "dataset_meta")
        if lines:
            shown = "\n  ".join([*lines[:20], *(["..."] if len(lines) > 20 else [])])
            self.logger.warning(f"{path} was made with other settings (then -> now):\n  {shown}")

    def _take_seed(self, seed: Any) -> None:
        """Go on with the checkpoint's seed, as mmengine does."""
        configured = self._randomness_cfg.get("seed")
        if not isinstance(seed, int) or seed == configured:
            return
        if configured is not None:
            self.logger.warning(
                f"the checkpoint's seed {seed} is used instead of the config's {configured}"
            )
        self._randomness_cfg.update(seed=seed)
        self.set_randomness(**self._randomness_cfg)

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = True,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint that appears under its name only when complete.

        Args:
            out_dir: a folder on this machine.
            filename: the file's name in it.
            file_client_args: must be None; only local files are written.
            save_optimizer: whether the optimizer's state goes in.
            save_param_scheduler: whether the schedules' states go in.
            meta: further plain data for ``meta``; may set ``epoch`` and ``iter``, the numbers of
                completed epochs and iterations.
            by_epoch: whether this is called at the end of an epoch, before the counter of epochs is
                raised.
            backend_args: must be None.

        Raises:
            ValueError: if asked for anything but local files.
            OSError: if it cannot be written; an older file of that name is then as it was.
        """
        if file_client_args is not None or backend_args is not None:
            raise ValueError(
                "checkpoints go to local files; leave file_client_args and backend_args out"
            )
        counters = {
            "epoch": self.epoch + 1 if by_epoch else self.epoch,
            "iter": self.iter if by_epoch else self.iter + 1,
        }
        checkpoint: dict[str, Any] = {
            "meta": {**counters, **plain_data(meta or {}), **self._meta()},
            "state_dict": weights_to_cpu(self._bare_model().state_dict()),
            "message_hub": message_hub_state(self.message_hub),
        }
        if save_optimizer and isinstance(self.optim_wrapper, OptimWrapper):
            checkpoint["optimizer"] = on_cpu(self.optim_wrapper.state_dict())
        if save_param_scheduler and self.param_schedulers:
            checkpoint["param_schedulers"] = schedule_states(self.param_schedulers)
        self.call_hook("before_save_checkpoint", checkpoint=checkpoint)
        write_checkpoint(checkpoint, Path(out_dir) / filename)

    def _meta(self) -> dict[str, Any]:
        meta = {**self._record(), "cfg": self._plain_cfg, "cfg_text": self._cfg_text}
        meta["dataset_meta"] = self._dataset_meta()
        return meta

    @cached_property
    def _plain_cfg(self) -> dict[str, Any]:
        plain: dict[str, Any] = plain_data(self.cfg)
        return plain

    @cached_property
    def _cfg_text(self) -> str:
        # Formatting takes a second with a long config, and it is the same for each checkpoint.
        return str(self.cfg.pretty_text)

    def _dataset_meta(self) -> dict[str, Any]:
        meta: dict[str, Any] = plain_data(getattr(self.train_dataloader.dataset, "metainfo", {}))
        return meta

    def _bare_model(self) -> Any:
        return self.model.module if is_model_wrapper(self.model) else self.model


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"cannot write into the work dir {folder}: {error.strerror or error}. "
            "Choose a folder that you may write to with --work-dir."
        ) from error


def _stem(cfg: Any) -> str:
    filename = getattr(cfg, "filename", None)
    return Path(filename).stem if filename else "run"
