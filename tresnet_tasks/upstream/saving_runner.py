"""mmengine's Runner, writing checkpoints that are data and are never half written.

mmengine 0.10 writes into the final file, while training waits, and stores what
``torch.load(weights_only=True)`` refuses. Can go when it does neither.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, get_world_size, is_main_process, master_only
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from .accumulation import accumulated_batches, optimizer_stepped
from .checkpoint_writer import CheckpointWriter
from .checkpoints import complete_file, plain_data, write_checkpoint
from .generators import generator_states
from .loop_position import LoopPosition
from .run_record import git_commit, versions
from .run_state import message_hub_state, schedule_states, snapshot


class SavingRunner(Runner):
    """A Runner whose checkpoints hold the whole state of a run, as plain data and tensors.

    ``writer`` is the `CheckpointWriter` that those written in the background go through.
    """

    optim_wrapper: Any
    param_schedulers: Any

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
        *,
        background: bool = False,
        then: Callable[[], object] | None = None,
    ) -> None:
        """Write a checkpoint that appears under its name only when complete; to be called by all ranks.

        It belongs where the optimizer has stepped: gradients that are being accumulated are not
        stored (they would be gigabytes, to save a few batches).

        Args:
            out_dir: a folder on this machine.
            filename: the file's name in it.
            file_client_args: must be None; only local files are written.
            save_optimizer: whether the optimizer's state goes in.
            save_param_scheduler: whether the schedules' states go in.
            meta: further plain data for ``meta``; may set what `LoopPosition` says of the run.
            by_epoch: with a training loop that is not ours, whether this is called at the end of an
                epoch, before the counter of epochs is raised.
            backend_args: must be None.
            background: copy the state to CPU memory and return; a thread writes it. Its errors are
                raised by ``writer``.
            then: called when the file is complete, by whoever has written it.

        Raises:
            ValueError: if asked for anything but local files.
            OSError: if it cannot be written; an older file of that name is then as it was.
        """
        if file_client_args is not None or backend_args is not None:
            raise ValueError(
                "checkpoints go to local files; leave file_client_args and backend_args out"
            )
        position = self.position(by_epoch)
        checkpoint: dict[str, Any] = {
            "meta": {**asdict(position), **plain_data(meta or {}), **self._meta()},
            "state_dict": self._bare_model().state_dict(),
            "message_hub": message_hub_state(self.message_hub),
            "generators": all_gather_object(generator_states()),
        }
        if save_optimizer and isinstance(self.optim_wrapper, OptimWrapper):
            checkpoint["optimizer"] = self.optim_wrapper.state_dict()
            if not optimizer_stepped(self.optim_wrapper):
                self.logger.warning(
                    f"{filename} is written between two steps of the optimizer: the gradients "
                    "accumulated since the last are not in it"
                )
        if save_param_scheduler and self.param_schedulers:
            checkpoint["param_schedulers"] = schedule_states(self.param_schedulers)
        self.call_hook("before_save_checkpoint", checkpoint=checkpoint)
        state = snapshot(checkpoint, keep=is_main_process())
        if not is_main_process():
            return

        def write() -> None:
            write_checkpoint(state, Path(out_dir) / filename)
            if then is not None:
                then()

        if background:
            self.writer.start(write)
        else:
            self.writer.wait()
            write()

    @cached_property
    def writer(self) -> CheckpointWriter:
        """Writes checkpoints beside the training."""
        return CheckpointWriter()

    def position(self, by_epoch: bool = False) -> LoopPosition:
        """What of the training is done, at any moment, inside hooks too.

        Args:
            by_epoch: see `save_checkpoint`.
        """
        position = getattr(self.train_loop, "position", None)
        if isinstance(position, LoopPosition):
            return position
        return LoopPosition(self.epoch + by_epoch, self.iter + (not by_epoch))

    def _loader_record(self) -> dict[str, Any]:
        """What an iteration and an optimizer step are made of."""
        return {
            "batch_size": getattr(self.train_dataloader, "batch_size", None),
            "processes": get_world_size(),
            "accumulation": accumulated_batches(self.optim_wrapper),
        }

    @master_only
    def _write_record(self) -> None:
        record = {**self._record(), "command": sys.argv, "config": self._plain_cfg}
        with complete_file(Path(self.work_dir) / "run.json") as temporary:
            temporary.write_text(json.dumps(record, indent=2), encoding="utf-8")

    def _record(self) -> dict[str, Any]:
        return {
            "experiment_name": self.experiment_name,
            "seed": self.seed,
            # In UTC and to the microsecond: the newest checkpoint is found by it.
            "time": datetime.now(timezone.utc).isoformat(),
            "versions": versions(),
            "git_commit": git_commit(),
        }

    def _meta(self) -> dict[str, Any]:
        meta = {**self._record(), "cfg": self._plain_cfg, "cfg_text": self._cfg_text}
        meta["dataset_meta"] = self._dataset_meta()
        meta["loader"] = self._loader_record()
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
        if "tasks" in meta and isinstance(self._val_loop, BaseLoop):
            # Heads that do not train are known from the validation alone.
            known = getattr(self._val_loop.dataloader.dataset, "metainfo", {}).get("tasks", {})
            meta["tasks"] = {**plain_data(known), **meta["tasks"]}
        return meta

    def _bare_model(self) -> Any:
        return self.model.module if is_model_wrapper(self.model) else self.model
