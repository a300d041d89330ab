"""Loading TensorFlow without a word."""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from keras_inpaint.cli.console import LOGGER


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps what libraries say while they load from the terminal.

    What a user did wrong, or has not installed, is told by an exception. If anything else
    goes wrong, all that was said is shown. With `--verbose`, nothing is kept back.
    """
    if LOGGER.isEnabledFor(logging.DEBUG):
        yield
        return
    # 3: errors too, for a missing GPU is reported as one. Silences what comes later.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        # The first words are C++'s, said before TensorFlow has read its log level.
        os.dup2(said.fileno(), 2)
        try:
            yield
        except (OSError, ValueError, ModuleNotFoundError):
            raise
        except BaseException:
            said.seek(0)
            with os.fdopen(os.dup(stderr), "wb") as terminal:
                shutil.copyfileobj(said, terminal)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
