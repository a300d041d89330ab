"""Photos on disk: found, paired with their masks, and streamed as batches of images."""

from typing import Any

from keras_inpaint.data.pairs import Pairs, find_pairs
from keras_inpaint.data.photos import photos
from keras_inpaint.data.sharding import write_shards
from keras_inpaint.data.shards import Shards
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import find_photos

__all__ = [
    "Pairs",
    "PictureDataset",
    "Shards",
    "SkipLog",
    "find_pairs",
    "find_photos",
    "photos",
    "write_shards",
]


def __getattr__(name: str) -> Any:
    # Keras, which it needs, takes seconds: finding files must not wait for it.
    if name == "PictureDataset":
        from keras_inpaint.data.picture_dataset import PictureDataset

        return PictureDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
