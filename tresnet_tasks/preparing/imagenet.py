"""ImageNet's validation images, sorted into folders by the ground truth of the development kit."""

from __future__ import annotations

from pathlib import Path

_KIT = Path("ILSVRC2012_devkit_t12", "data")


def sort_validation(folder: Path) -> None:
    """Move each image of ``val`` into the folder of its class, as ``train`` has them.

    Args:
        folder: has ``val`` with all images, and the unpacked development kit.

    Raises:
        ValueError: if there are more or fewer images than lines of the ground truth.
    """
    from scipy.io import loadmat  # half a second

    synsets = loadmat(folder / _KIT / "meta.mat", squeeze_me=True)["synsets"]
    wnids = {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in synsets}
    truth = folder / _KIT / "ILSVRC2012_validation_ground_truth.txt"
    labels = [int(line) for line in truth.read_text(encoding="ascii").split()]
    images = sorted((folder / "val").glob("*.JPEG"))
    if len(images) != len(labels):
        raise ValueError(
            f"the validation archive has {len(images):,} images, and {truth.name} of the "
            f"development kit {len(labels):,} labels. Fetch both again from their source."
        )
    for image, label in zip(images, labels, strict=True):
        target = folder / "val" / wnids[label]
        target.mkdir(exist_ok=True)
        image.rename(target / image.name)
