"""What happens to a batch on the device, before the backbone."""

from .batch_mix import BatchMix
from .multitask_preprocessor import MultiTaskPreprocessor
from .preprocessor import Preprocessor

__all__ = ["BatchMix", "MultiTaskPreprocessor", "Preprocessor"]
