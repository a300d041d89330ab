"""Metrics and sheets for TensorBoard, without TensorFlow."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_inpaint.pictures import read_header


class TensorBoard(keras.callbacks.Callback):
    """Writes every metric, and sheets of pictures, for TensorBoard: on TensorFlow and on JAX.

    `keras.callbacks.TensorBoard` needs TensorFlow, and asks for the metrics of each step.
    This one writes what `fit` reports at the end of an epoch, by the steps made in the whole
    training, and the sheets that `PictureSheets` drew meanwhile.

    Args:
        folder: str or path. Where the events go; `tensorboard --logdir` reads it.
        sheets: str, path or `None`. The folder of `PictureSheets`.

    Raises:
        ModuleNotFoundError: If the package tensorboard is not installed.

    Example:
    >>> import os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> board = keras_inpaint.gan.TensorBoard(folder)
    >>> board.write(1000, {"hole_loss": 0.25, "val_psnr": 21.5})
    >>> board.close()
    >>> [name.split(".")[0] for name in os.listdir(folder)]
    ['events']
    """

    def __init__(
        self, folder: str | os.PathLike[str], sheets: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__()
        try:
            # What PyTorch writes by too. Public names that draw pictures need TensorFlow.
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ModuleNotFoundError as error:
            if str(error.name).split(".")[0] != "tensorboard":
                raise
            raise ModuleNotFoundError(
                "`tensorboard` needs tensorboard, which is not installed. "
                "Run `pip install tensorboard`",
                name="tensorboard",
            ) from error
        self.folder = Path(folder)
        self.sheets = None if sheets is None else Path(sheets)
        self._events, self._summaries = event_pb2, summary_pb2
        self._make_writer = EventFileWriter
        self._writer: Any = None
        self._drawn = self._all_sheets()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.write(self.model.num_steps, logs or {})

    def on_train_end(self, logs: Any = None) -> None:
        self.close()

    def write(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Writes metrics, and the sheets that are new.

        Args:
            step: int. The steps made in the whole training.
            metrics: Mapping of numbers by name.
        """
        values = [
            self._summaries.Summary.Value(tag=name, simple_value=float(value))
            for name, value in metrics.items()
        ]
        self._add(step, values)
        for path in sorted(self._all_sheets() - self._drawn):
            height, width = read_header(path).size
            picture = self._summaries.Summary.Image(
                height=height,
                width=width,
                colorspace=3,
                encoded_image_string=path.read_bytes(),
            )
            value = self._summaries.Summary.Value(tag="sheet", image=picture)
            self._add(int(path.stem.removeprefix("step-")), [value])
            self._drawn.add(path)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file; what is written later goes to another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, step: int, values: list[Any]) -> None:
        if self._writer is None:
            self._writer = self._make_writer(str(self.folder))
            # What a run that was resumed had written of later steps is no longer true.
            start = self._events.SessionLog(status=self._events.SessionLog.START)
            self._writer.add_event(
                self._events.Event(wall_time=time.time(), step=step, session_log=start)
            )
        summary = self._summaries.Summary(value=values)
        self._writer.add_event(
            self._events.Event(wall_time=time.time(), step=step, summary=summary)
        )

    def _all_sheets(self) -> set[Path]:
        return set() if self.sheets is None else set(self.sheets.glob("step-*.png"))
