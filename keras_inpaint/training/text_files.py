"""For `keras_inpaint.tuning`, until it names `keras_inpaint.files` itself."""

from keras_inpaint.files import write_table, write_text

# Behind the name of a file that is being written.
DRAFT_SUFFIX = ".unfinished"
__all__ = ["DRAFT_SUFFIX", "write_table", "write_text"]
