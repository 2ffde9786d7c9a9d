"""Predict with one object that is made from one file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from ..backbones import pack_for_cpu
from ..datasets.image_io import UnreadableImageError
from ..layers import fold_abn
from ..registry import SCOPE, TRANSFORMS
from ..weights.files import WeightsFile, read_weights
from ..weights.hub import HUB_WEIGHTS, find_weights
from .detections import Detections, detections_of, one_threshold
from .image_sources import Images, ImageSource, list_images, rgb_array
from .joint import JointPrediction, JointReader
from .model_building import apply_thresholds, build_model, category_ids, class_names
from .prediction import Prediction
from .recipe import recipe_from_checkpoint, recipe_from_config
from .tags import prediction_of

# A pipeline is not made to be used by two threads at once: each has its own. More than a few do not
# help, because albumentations and torch run threads of their own.
_MAX_WORKERS = 4

_Transform = Callable[[dict[str, Any]], dict[str, Any]]


# What a user gets for an image, by the kind of model.
Answer: TypeAlias = Prediction | Detections | JointPrediction


class Predictor:
    """Classify images, or find objects on them, with a trained model.

    A checkpoint that ``tresnet-tasks train`` wrote is all it needs:

        predictor = Predictor("work_dirs/run/best.pth")
        for prediction in predictor(["a.jpg", "folder/"]):
            print(prediction.path, prediction.class_name, prediction.score)

    Config, class names and pipeline in the checkpoint are read as data. Nothing in it is executed,
    and a config that names anything but known modules is refused.

    Args:
        weights: the checkpoint; with ``config`` any weights that ``load_weights`` reads, hub names
            included.
        config: path or name of a config, or an mmengine ``Config`` or dict. Needed for weights that
            carry none; replaces the one that the checkpoint carries. A config file is Python and is
            run: name none that you do not trust.
        device: where to compute, such as ``'cpu'`` or ``'cuda:1'``; None is the first CUDA device,
            else the CPU.
        thresholds: of a model with several labels an image: a file that ``test --find-thresholds``
            wrote, or one number for all classes; None takes the checkpoint's, else 0.5. Of a
            detector: the score above which objects are told and drawn, 0.3 if None.
        dtype: of the convolutions; ``torch.bfloat16`` (and on CUDA ``torch.float16``) is faster
            where the processor has it, and rounds more.

    Attributes:
        classes: names of the C classes in the order of their ids; the ids as text where nobody
            names them.
        device: where it computes.
        model: the network, in evaluation mode, batch norm folded; on a CPU in float32 also packed
            (``pack_for_cpu``), and no longer to be saved or moved.

    Raises:
        FileNotFoundError: if the weights or the config are not there.
        ValueError: if the file is damaged or refused, carries no config and ``config`` is None, or
            does not fit the model, or if there is no such device.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str],
        config: str | os.PathLike[str] | Config | Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
        thresholds: str | os.PathLike[str] | float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device = _device(device)
        self.dtype = _autocast_dtype(dtype, self.device)
        file = _read(weights, config is not None)
        recipe = (
            recipe_from_checkpoint(file) if config is None else recipe_from_config(config, file)
        )
        workers = min(_MAX_WORKERS, os.cpu_count() or 1)
        self._pipelines: SimpleQueue[list[_Transform]] = SimpleQueue()
        self._pil_lock = Lock()
        # Under our scope whatever scope is set outside, and back to that one afterwards.
        with DefaultScope.overwrite_default_scope(SCOPE):
            self.model = build_model(recipe, file)
            for _ in range(workers):
                self._pipelines.put([TRANSFORMS.build(dict(step)) for step in recipe.pipeline])
        self._workers = workers
        # Batch norm multiplied into the convolutions, and the layout that they are fastest in.
        fold_abn(self.model).to(self.device, memory_format=torch.channels_last)
        if self.device.type == "cpu" and self.dtype is torch.float32:
            pack_for_cpu(self.model)
        # Takes what the model says of an image: data sample and path in, the user's answer out.
        self._take: Callable[[Any, str | None], Answer]
        self.classes: tuple[str, ...] | dict[str, tuple[str, ...]]
        if hasattr(self.model, "heads"):
            joint = JointReader(self.model, file, thresholds)
            self.classes, self._take = joint.classes, joint.read
            return
        self.classes = classes = class_names(recipe, self.model)
        if hasattr(self.model, "head"):
            stored, where = file.meta.get("thresholds"), f"checkpoint {file.path}"
            apply_thresholds(self.model.head, classes, thresholds, stored, where)
            self._take = partial(prediction_of, head=self.model.head, classes=classes)
        else:
            about: dict[str, Any] = (
                {} if thresholds is None else {"threshold": one_threshold(thresholds)}
            )
            ids = category_ids(file, len(classes))
            self._take = partial(detections_of, classes=classes, category_ids=ids, **about)

    def __call__(self, images: Images, batch_size: int = 32) -> list[Answer]:
        """Classify images.

        Args:
            images: the path of an image or of a folder (all images in it and below, sorted by
                path), an array (H, W, 3) uint8 RGB, a PIL image, or a list of these in any mixture.
            batch_size: how many images go through the network at once, if the pipeline makes them
                of one size.

        Returns:
            One prediction an image, in the order given; an empty list for an empty list.

        Raises:
            FileNotFoundError: if a path does not exist, or a folder holds no images.
            ValueError: naming the image, if one cannot be read or used; or for a batch size below
                1.
        """
        return list(self.stream(images, batch_size))

    def stream(
        self,
        images: Images,
        batch_size: int = 32,
        on_unreadable: Callable[[str, UnreadableImageError], None] | None = None,
    ) -> Iterator[Answer]:
        """Classify images one batch after the other, for more of them than results fit into memory.

        Args:
            images: as for a call; all paths are looked at before the first prediction.
            batch_size: as for a call.
            on_unreadable: called with the path and the error of an image that cannot be read, which
                is then left out; None raises the error.

        Returns:
            An iterator over the predictions, in the order given.

        Raises:
            FileNotFoundError: as for a call, at once.
            ValueError: as for a call; for an unreadable image when the iterator comes to it.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r}; expected a whole number from 1 on.")
        return self._predictions(list_images(images), batch_size, on_unreadable)

    def __repr__(self) -> str:
        return f"Predictor({type(self.model).__name__}, {len(self.classes)} classes, {self.device})"

    # ------------------------------------------------------------------ from sources to batches

    def _predictions(
        self,
        sources: list[ImageSource],
        batch_size: int,
        on_unreadable: Callable[[str, UnreadableImageError], None] | None,
    ) -> Iterator[Answer]:
        batch: list[tuple[ImageSource, dict[str, Any]]] = []
        for source, prepared in self._in_order(sources, ahead=2 * batch_size):
            try:
                batch.append((source, prepared.result()))
            except UnreadableImageError as error:
                if on_unreadable is None:
                    yield from self._predict(batch)  # those before it
                    raise
                on_unreadable(str(source), error)
            if len(batch) == batch_size:
                yield from self._predict(batch)
                batch = []
        yield from self._predict(batch)

    def _in_order(
        self, sources: Iterable[ImageSource], ahead: int
    ) -> Iterator[tuple[ImageSource, Future[dict[str, Any]]]]:
        """Prepare images in threads, some of them ahead of the one asked for."""
        waiting: deque[tuple[ImageSource, Future[dict[str, Any]]]] = deque()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="predictor")
        try:
            for index, source in enumerate(sources):
                waiting.append((source, pool.submit(self._prepare, source, index)))
                if len(waiting) > ahead:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            pool.shutdown(cancel_futures=True)

    def _prepare(self, source: ImageSource, index: int) -> dict[str, Any]:
        pipeline = self._pipelines.get()
        try:
            results: dict[str, Any] = {"sample_idx": index}
            if isinstance(source, str):
                results["img_path"] = source
            else:
                results["img"] = self._pixels(source)
            for transform in pipeline:
                results = transform(results)
            return results
        finally:
            self._pipelines.put(pipeline)

    def _pixels(
        self, source: np.ndarray[Any, np.dtype[np.uint8]] | Image.Image
    ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        if isinstance(source, np.ndarray):
            return source
        with self._pil_lock:  # an image that is listed twice must not be decoded by two threads
            return rgb_array(source)

    # ------------------------------------------------------------------ from batches to predictions

    def _predict(self, batch: list[tuple[ImageSource, dict[str, Any]]]) -> Iterator[Answer]:
        sizes = {tuple(prepared["inputs"].shape) for _, prepared in batch}
        parts = [batch] if len(sizes) == 1 else [[item] for item in batch]
        for part in parts:
            try:
                answers = self._answers([prepared for _, prepared in part])
            except ValueError as error:  # of a size that the network does not take
                raise ValueError(f"{_described(part[0][0])}: {error}") from error
            for (source, _), sample in zip(part, answers, strict=True):
                yield self._take(sample, source if isinstance(source, str) else None)

    @torch.inference_mode()
    def _answers(self, prepared: list[dict[str, Any]]) -> list[Any]:
        """The data samples of N images of one size, with the model's answers."""
        data = {
            "inputs": [item["inputs"] for item in prepared],
            "data_samples": [item["data_samples"] for item in prepared],
        }
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            return list(self.model.test_step(data))


def _read(weights: str | os.PathLike[str], has_config: bool) -> WeightsFile:
    name = os.fspath(weights)
    published = any(name.endswith(known.removeprefix("timm/")) for known in HUB_WEIGHTS)
    if published and not has_config and not Path(name).expanduser().exists():
        # Said before anything is downloaded.
        raise ValueError(
            f"weights {name!r} are published without a config; name the one to use them with, such "
            "as config='cls/tresnet_m_imagenet' (--config on the command line)."
        )
    return read_weights(find_weights(name))


def _described(source: ImageSource) -> str:
    if isinstance(source, str):
        return f"image {source}"
    return "an array" if isinstance(source, np.ndarray) else "a PIL image"


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        wanted = torch.device(device)
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device {str(device)!r} cannot be used here ({str(error).splitlines()[0]}). "
            "Use 'cpu', or leave it out for the first CUDA device, else the CPU."
        ) from error
    return wanted


def _autocast_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    known = [torch.float32, torch.bfloat16]
    if device.type != "cpu":
        known.append(torch.float16)
    if dtype not in known:
        raise ValueError(f"dtype={dtype} on {device}; expected {' or '.join(map(str, known))}.")
    return dtype
