"""For `keras_inpaint.tuning`, until it names `keras_inpaint.files` itself."""

from keras_inpaint.files import FolderLock

__all__ = ["FolderLock"]
