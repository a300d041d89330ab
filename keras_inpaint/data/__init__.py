"""Photos on disk as streams of image batches."""

from keras_inpaint.data.photos import photos
from keras_inpaint.data.picture_dataset import PictureDataset
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import find_photos

__all__ = ["PictureDataset", "SkipLog", "find_photos", "photos"]
