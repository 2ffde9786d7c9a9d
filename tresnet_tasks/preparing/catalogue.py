"""The data sets that can be prepared.

Checksums, and addresses where they still answer, are those of torchvision's own data sets. COCO
publishes no checksums and torchvision has none: these are the ones that PaddlePaddle, LAVIS and
NVIDIA's examples state. Those of Stanford Cars are torchvision's of the days when its site answered.
"""

from __future__ import annotations

from . import counts
from .imagenet import sort_validation
from .source import Archive, DataSource, Split

_CIFAR = "https://www.cs.toronto.edu/~kriz"
_FLOWERS = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
_VOC = "https://thor.robots.ox.ac.uk/pascal/VOC"
_COCO = "http://images.cocodataset.org"  # its certificate for https is not its own
_FASTAI = "https://s3.amazonaws.com/fast-ai-imageclas"


def _coco(year: int, train: Split, val: Split, archives: tuple[Archive, ...]) -> DataSource:
    kinds = ("captions", "instances", "person_keypoints")
    notes = (f"annotations/{kind}_{part}{year}.json" for kind in kinds for part in ("train", "val"))
    return DataSource(
        name=f"coco{year}",
        title=f"COCO {year}: 80 classes, boxes and masks",
        folder="coco",
        archives=archives,
        pieces=(f"train{year}", f"val{year}", *notes),
        splits=(train, val),
    )


def _imagenette(suffix: str, side: str, size: int, md5: str) -> DataSource:
    top = f"imagenette2{suffix}"
    return DataSource(
        name=f"imagenette{suffix.removeprefix('-')}",
        title=f"Imagenette: 10 classes of ImageNet, {side}",
        folder=f"imagenette{suffix.removeprefix('-')}",
        archives=(Archive(f"{top}.tgz", size, md5, f"{_FASTAI}/{top}.tgz"),),
        top=top,
        pieces=("train", "val"),
        splits=(
            Split("train", 9_469, counts.files("train/*/*.JPEG")),
            Split("val", 3_925, counts.files("val/*/*.JPEG")),
        ),
    )


_ALL = (
    DataSource(
        name="cifar10",
        title="CIFAR-10: 10 classes, 32x32 px",
        folder="cifar10",
        archives=(
            Archive(
                "cifar-10-python.tar.gz",
                170_498_071,
                "c58f30108f718f92721af3b95e74349a",
                f"{_CIFAR}/cifar-10-python.tar.gz",
            ),
        ),
        pieces=("cifar-10-batches-py",),
        splits=(
            Split("train", 50_000, counts.batches("cifar-10-batches-py/data_batch_*")),
            Split("test", 10_000, counts.batches("cifar-10-batches-py/test_batch")),
        ),
    ),
    DataSource(
        name="cifar100",
        title="CIFAR-100: 100 classes, 32x32 px",
        folder="cifar100",
        archives=(
            Archive(
                "cifar-100-python.tar.gz",
                169_001_437,
                "eb9058c3a382ffc7106e4002c42a8d85",
                f"{_CIFAR}/cifar-100-python.tar.gz",
            ),
        ),
        pieces=("cifar-100-python",),
        splits=(
            Split("train", 50_000, counts.batches("cifar-100-python/train")),
            Split("test", 10_000, counts.batches("cifar-100-python/test")),
        ),
    ),
    DataSource(
        name="flowers102",
        title="Oxford Flowers-102",
        folder="flowers102",
        archives=(
            Archive(
                "102flowers.tgz",
                344_862_509,
                "52808999861908f626f3c1f4e79d11fa",
                f"{_FLOWERS}/102flowers.tgz",
            ),
            Archive(
                "imagelabels.mat",
                502,
                "e0620be6f572b9609742df49c70aed4d",
                f"{_FLOWERS}/imagelabels.mat",
            ),
            Archive(
                "setid.mat", 14_989, "a5357ecc9cb78c4bef273ce3793fc85c", f"{_FLOWERS}/setid.mat"
            ),
        ),
        pieces=("jpg", "imagelabels.mat", "setid.mat"),
        splits=(
            Split("train", 1_020, counts.flowers("trnid")),
            Split("val", 1_020, counts.flowers("valid")),
            Split("test", 6_149, counts.flowers("tstid")),
        ),
    ),
    DataSource(
        name="cars",
        title="Stanford Cars: 196 classes",
        folder="cars",
        archives=(
            Archive("cars_train.tgz", 979_269_282, "065e5b463ae28d29e77c1b4b166cfe61"),
            Archive("cars_test.tgz", 977_350_468, "4ce7ebf6a94d07f1952d94dd34c4d501"),
            Archive("car_devkit.tgz", 330_960, "c3b158d763b6e2245038c8ad08e45376"),
            Archive("cars_test_annos_withlabels.mat", 185_758, "b0a2b23655a3edd16d84508592a98d10"),
        ),
        pieces=("cars_train", "cars_test", "devkit", "cars_test_annos_withlabels.mat"),
        splits=(
            Split("train", 8_144, counts.files("cars_train/*.jpg")),
            Split("test", 8_041, counts.files("cars_test/*.jpg")),
        ),
        by_hand="The site that published it, ai.stanford.edu/~jkrause/cars, is gone; copies go by these names.",
    ),
    DataSource(
        name="voc07",
        title="Pascal VOC 2007: 20 classes, boxes",
        folder="VOCdevkit",
        archives=(
            Archive(
                "VOCtrainval_06-Nov-2007.tar",
                460_032_000,
                "c52e279531787c972589f7e41ab4ae64",
                f"{_VOC}/voc2007/VOCtrainval_06-Nov-2007.tar",
            ),
            Archive(
                "VOCtest_06-Nov-2007.tar",
                451_020_800,
                "b6e924de25625d8de591ea690078ad9f",
                f"{_VOC}/voc2007/VOCtest_06-Nov-2007.tar",
            ),
        ),
        top="VOCdevkit",
        pieces=("VOC2007",),
        splits=(
            Split("trainval", 5_011, counts.listed("VOC2007", "trainval")),
            Split("test", 4_952, counts.listed("VOC2007", "test")),
        ),
    ),
    DataSource(
        name="voc12",
        title="Pascal VOC 2012: 20 classes, boxes; the labels of its test split were never published",
        folder="VOCdevkit",
        archives=(
            Archive(
                "VOCtrainval_11-May-2012.tar",
                1_999_639_040,
                "6cd6e144f989b92b3379bac3b3de84fd",
                f"{_VOC}/voc2012/VOCtrainval_11-May-2012.tar",
            ),
        ),
        top="VOCdevkit",
        pieces=("VOC2012",),
        splits=(
            Split("train", 5_717, counts.listed("VOC2012", "train")),
            Split("val", 5_823, counts.listed("VOC2012", "val")),
        ),
    ),
    _coco(
        2014,
        Split("train", 82_783, counts.files("train2014/*.jpg")),
        Split("val", 40_504, counts.files("val2014/*.jpg")),
        (
            Archive(
                "train2014.zip",
                13_510_573_713,
                "0da8c0bd3d6becc4dcb32757491aca88",
                f"{_COCO}/zips/train2014.zip",
            ),
            Archive(
                "val2014.zip",
                6_645_013_297,
                "a3d79f5ed8d289b7a7554ce06a5782b3",
                f"{_COCO}/zips/val2014.zip",
            ),
            Archive(
                "annotations_trainval2014.zip",
                252_872_794,
                "0a379cfc70b0e71301e0f377548639bd",
                f"{_COCO}/annotations/annotations_trainval2014.zip",
            ),
        ),
    ),
    _coco(
        2017,
        Split("train", 118_287, counts.files("train2017/*.jpg")),
        Split("val", 5_000, counts.files("val2017/*.jpg")),
        (
            Archive(
                "train2017.zip",
                19_336_861_798,
                "cced6f7f71b7629ddf16f17bbcfab6b2",
                f"{_COCO}/zips/train2017.zip",
            ),
            Archive(
                "val2017.zip",
                815_585_330,
                "442b8da7639aecaf257c1dceb8ba8c80",
                f"{_COCO}/zips/val2017.zip",
            ),
            Archive(
                "annotations_trainval2017.zip",
                252_907_541,
                "f4bbac642086de4f52a3fdda2de5fa2c",
                f"{_COCO}/annotations/annotations_trainval2017.zip",
            ),
        ),
    ),
    DataSource(
        name="imagenet",
        title="ImageNet (ILSVRC 2012): 1,000 classes",
        folder="imagenet",
        archives=(
            Archive(
                "ILSVRC2012_img_train.tar",
                147_897_477_120,
                "1d675b47d978889d74fa0da5fadfb00e",
                into="train",
                nested=True,
            ),
            Archive(
                "ILSVRC2012_img_val.tar",
                6_744_924_160,
                "29b22e2961454d5413ddabcf34fc5622",
                into="val",
            ),
            Archive("ILSVRC2012_devkit_t12.tar.gz", 2_568_145, "fa75699e90414af021442c21a62c3abf"),
        ),
        pieces=("train", "val"),
        splits=(
            Split("train", 1_281_167, counts.files("train/*/*.JPEG")),
            Split("val", 50_000, counts.files("val/*/*.JPEG")),
        ),
        arrange=sort_validation,
        by_hand="They need a login at https://image-net.org/download-images (ILSVRC 2012, tasks 1 and 2).",
    ),
    _imagenette("", "full size", 1_557_161_267, "fe2fc210e6bb7c5664d602c3cd71e612"),
    _imagenette("-320", "short side 320 px", 341_663_724, "3df6f0d01a2c9592104656642f5e78a3"),
    _imagenette("-160", "short side 160 px", 99_003_388, "e793b78cc4c9e9a4ccc0c1155377a412"),
)

SOURCES: dict[str, DataSource] = {source.name: source for source in _ALL}
"""All of them, by their names."""
