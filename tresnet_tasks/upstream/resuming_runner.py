"""mmengine's Runner, resuming from checkpoints as data.

mmengine 0.10 executes ``meta['config']`` of the checkpoint that it resumes from, as Python, whatever
``weights_only`` says; cannot resume under ``torch.load(weights_only=True)``; takes whatever
``last_checkpoint`` names; and begins the interrupted epoch anew. Can go, one method at a time, when
it does none of these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, get_rank, get_world_size, is_main_process

from .checkpoints import read_checkpoint
from .epoch_loop import ResumableEpochLoop
from .generators import restore_generators
from .iter_loop import ResumableIterLoop
from .loop_position import resumed_position
from .resume_point import check_resumable, newest_checkpoint
from .run_record import differences
from .run_state import load_schedule_states, load_weights_into, with_groups_of
from .saving_runner import SavingRunner
from .sharded_state import share_optimizer_state

# Settings of where and how a run goes on, not of what it computes.
_NOT_COMPARED = ("work_dir", "resume", "load_from", "launcher", "log_level", "experiment_name")


class ResumingRunner(SavingRunner):
    """A Runner that loads and resumes without executing anything that a checkpoint holds."""

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
        self._go_on_at(meta, checkpoint.get("generators"))
        self._compare(meta, path)
        self._take_seed(meta.get("seed"))
        if isinstance(checkpoint.get("message_hub"), dict):
            self.message_hub.load_state_dict(checkpoint["message_hub"])
        if resume_optimizer and "optimizer" in checkpoint:
            self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
            try:
                state = share_optimizer_state(checkpoint["optimizer"], self.optim_wrapper)
                self.optim_wrapper.load_state_dict(state)
            except (ValueError, KeyError) as error:
                raise ValueError(
                    f"the optimizer's state in {path} does not fit this config's optimizer "
                    f"({error}). Resume with the optimizer that the run was started with, or give "
                    "the file as load_from to take its weights only."
                ) from error
        if resume_param_scheduler and self.param_schedulers and "param_schedulers" in checkpoint:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
            load_schedule_states(self.param_schedulers, checkpoint["param_schedulers"], path)
        self._write_record()  # the seed may be the checkpoint's now
        self.logger.info(f"resumed from {path}: epoch {self.epoch}, iteration {self.iter}")

    def _go_on_at(self, meta: dict[str, Any], generators: Any) -> None:
        """Put the training loop where the checkpoint was taken, and the generators of this rank."""
        loop = self.train_loop
        if not isinstance(loop, ResumableEpochLoop | ResumableIterLoop):
            loop._epoch, loop._iter = meta["epoch"], meta["iter"]
            return
        position = resumed_position(meta, self._loader_record(), len(loop.dataloader))
        restore: Callable[[], object] = lambda: None  # noqa: E731
        if isinstance(generators, list) and len(generators) == get_world_size():
            restore = partial(restore_generators, generators[get_rank()])
        loop.resume(position, restore)

    def roll_back(self, path: Path, checkpoint: dict[str, Any]) -> None:
        """Take weights, average and optimizer state of a checkpoint, in the middle of training.

        Counters, schedules, learning rates and the order of the data go on as they are. Hooks that
        keep a state of their own are told by ``after_roll_back(runner)``.

        Args:
            path: where it was read from, for messages.
            checkpoint: what `read_checkpoint` gave.

        Raises:
            ValueError: if it does not fit the model.
        """
        resumed, self._resume = self._resume, True  # hooks look at it to tell this from loading
        try:
            self._load_weights(checkpoint, path, strict=True)
        finally:
            self._resume = resumed
        self.call_hook("after_roll_back")
        if "optimizer" in checkpoint:
            present = self.optim_wrapper.state_dict()
            state = share_optimizer_state(checkpoint["optimizer"], self.optim_wrapper)
            self.optim_wrapper.load_state_dict(with_groups_of(present, state))
        self.optim_wrapper.zero_grad()

    def _compare(self, meta: dict[str, Any], path: Path) -> None:
        """Warn of what differs between the checkpoint's run and this one; no text is parsed."""
        old = meta.get("cfg")
        lines = []
        if isinstance(old, dict) and self.cfg:
            same = dict.fromkeys(_NOT_COMPARED)
            lines += differences({**old, **same}, {**self._plain_cfg, **same})
        if isinstance(meta.get("loader"), dict):
            lines += differences(meta["loader"], self._loader_record(), "loader")
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
