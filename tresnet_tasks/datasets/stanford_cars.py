"""Stanford Cars (Krause et al., 3D Object Representations for Fine-Grained Categorization, 2013)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..registry import DATASETS
from .mat_file import read_mat
from .published import PublishedDataset

_ANNOTATIONS = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}


@DATASETS.register_module()
class StanfordCars(PublishedDataset):
    """Stanford Cars: 8,144 and 8,041 photos of 196 models of cars, in the published files.

    Args:
        data_root: the folder that holds ``cars_train/``, ``cars_test/``, ``devkit/`` and
            ``cars_test_annos_withlabels.mat``.
        split: 'train' or 'test'.
        kwargs: see ``PublishedDataset``, as for what is raised.
    """

    splits = tuple(_ANNOTATIONS)
    prepare_name = "cars"
    layout = (
        "  cars_train/00001.jpg ...\n  cars_test/00001.jpg ...\n"
        "  devkit/{cars_meta.mat,cars_train_annos.mat}\n  cars_test_annos_withlabels.mat"
    )

    @classmethod
    def published_names(cls, data_root: Path) -> tuple[str, ...]:
        """Read the names."""
        names = cls._read(data_root / "devkit" / "cars_meta.mat", "class_names")
        return tuple(str(name) for name in names)

    def published_samples(self) -> list[tuple[str, int]]:
        """Read the annotations."""
        file = self.data_root / _ANNOTATIONS[self.split]
        rows = self._read(file, "annotations")
        if not {"fname", "class"} <= set(rows.dtype.names or ()):
            raise ValueError(
                f"{file}: annotations has the fields {', '.join(rows.dtype.names or ()) or 'none'}; "
                "expected fname and class. The file of the test images that has no classes, "
                f"cars_test_annos.mat, is another one. {self.fetch_again()}"
            )
        folder = self.existing(self.data_root / f"cars_{self.split}")
        paths = [str(folder / str(name)) for name in rows["fname"]]
        self.check_images(paths)
        return [(path, int(label) - 1) for path, label in zip(paths, rows["class"], strict=True)]

    @classmethod
    def _read(cls, path: Path, name: str) -> NDArray[Any]:
        try:
            return read_mat(cls.existing(path), name)
        except ValueError as error:
            raise ValueError(f"{error} {cls.fetch_again()}") from error
