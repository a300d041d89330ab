"""One form for all that `fit`, `evaluate` and `predict` may be given.

Keras has an adapter for each kind of data, and each has its own rules: generators must
yield tuples, only arrays take targets, a DataLoader of bare tensors is taken apart image by
image. Here the first batch of every kind is looked at, and Keras is given batches of
`{"images", "masks", "boxes", "sketches", "indices"}` as the only input, those that there are.
"""

import inspect
import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_inpaint.gan.batches import BATCH_SIZE, read_batch
from keras_inpaint.gan.parts import Tensors
from keras_inpaint.gan.validation import BatchChecker


class AdaptedData(NamedTuple):
    """Data as the trainers of Keras take them.

    Attributes:
        x: Arrays or batches of them.
        checker: `BatchChecker` that looks at the batches.
        has_known_sizes: Whether all batches have one size that is known beforehand.
        is_sequential: Whether the batches can only be taken in their order: Keras warns of
            `shuffle=True` where they are, and that is the default of `fit`.
        source: Arrays or the `tf.data.Dataset` of which devices must have equal parts;
            `None` for others, of which sizes are seen in the steps.
        num_images: int or `None`. Images of the first batch, where it was looked at.
        num_batches: int or `None`. Batches per epoch, where that is known beforehand.
    """

    x: Any
    checker: BatchChecker
    has_known_sizes: bool = False
    is_sequential: bool = False
    source: Any = None
    num_images: int | None = None
    num_batches: int | None = None


def adapt_data(
    x: Any,
    y: Any,
    checker: BatchChecker,
    batch_size: int | None = None,
    steps: int | None = None,
    add_indices: bool = False,
) -> AdaptedData:
    """Brings data to the one form, and looks at their first batch.

    Args:
        x: What `fit`, `evaluate` or `predict` was given.
        y: Masks, where `x` are images in an array; else `None`.
        checker: `BatchChecker` for the purpose.
        batch_size: int or `None`. Images per batch, where `x` are arrays.
        steps: int or `None`. Batches per epoch.
        add_indices: bool. Whether images without masks are to be numbered, so that their
            masks do not depend on the size of the batches.

    Raises:
        ValueError: If the data are of no kind that can be used, there are none, or the
            first batch is refused.
    """
    if _is_array_like(x):
        return _adapt_arrays(x, y, checker, batch_size, steps, add_indices)
    if x is None or isinstance(x, (str, bytes, os.PathLike)):
        raise ValueError(
            "`x` must be images in an array, `(images, masks)`, a dict of them, or a dataset "
            "or generator of batches. Of photos in a folder, `keras_inpaint.data.photos` makes "
            f"one. Received: {x!r} of type {type(x).__name__}"
        )
    if y is not None:
        raise ValueError(
            "`y` holds the masks of images in an array. A dataset or generator has them in "
            f"its batches, `(images, masks)`. Received: `y` beside a {type(x).__name__}"
        )
    if hasattr(x, "element_spec"):
        return _adapt_dataset(x, checker, add_indices)
    if isinstance(x, keras.utils.PyDataset):
        return _adapt_py_dataset(x, checker, add_indices)
    if _is_data_loader(x):
        return _adapt_data_loader(x, checker, add_indices)
    if hasattr(x, "__next__"):
        return _adapt_generator(x, checker, add_indices)
    if inspect.isroutine(x):
        raise ValueError(
            "A generator function must be called: `fit(function(), ...)` takes what it then "
            f"returns. Received: x={x!r}"
        )
    # Another kind that Keras knows: the steps see the shapes.
    return AdaptedData(x, checker, is_sequential=True)


def adapt_batch(x: Any, y: Any, checker: BatchChecker) -> AdaptedData:
    """Brings one batch to the one form, and looks at it; see `adapt_data`."""
    if not _is_array_like(x):
        raise ValueError(
            "One batch must be images in an array, `(images, masks)` or a dict of them. "
            f"Received: x of type {type(x).__name__}"
        )
    arrays = _read_arrays(x, y, checker)
    checker.check_first(arrays)
    return AdaptedData(arrays, checker, has_known_sizes=True)


def split_arrays(x: Any, y: Any, fraction: float, checker: BatchChecker) -> tuple[Any, Any]:
    """Splits arrays into those for training and the last ones, for validation.

    Raises:
        ValueError: If `x` are no arrays, or one of the parts would be empty.
    """
    if not _is_array_like(x):
        raise ValueError(
            "`validation_split` splits arrays. Split a dataset with `take` and `skip`, and "
            f"pass one part as `validation_data`. Received: x of type {type(x).__name__}"
        )
    arrays = _read_arrays(x, y, checker)
    num_images = len(arrays["images"])
    first = math.floor(num_images * (1 - fraction))
    if not 0 < first < num_images:
        raise ValueError(
            "`validation_split` must leave images for both, training and validation. "
            f"Received: validation_split={fraction} of {num_images} images"
        )
    return _slice(arrays, 0, first), _slice(arrays, first, num_images)


# ---- Arrays -------------------------------------------------------------------------


def _adapt_arrays(
    x: Any,
    y: Any,
    checker: BatchChecker,
    batch_size: int | None,
    steps: int | None,
    add_indices: bool,
) -> AdaptedData:
    arrays = _read_arrays(x, y, checker)
    num_images = len(arrays["images"])
    # As Keras does it.
    size = batch_size or (math.ceil(num_images / steps) if steps else BATCH_SIZE)
    left_out = (num_images % size) % checker.num_micro_batches
    if checker.num_devices > 1 or left_out == num_images:
        left_out = 0
    if left_out:
        arrays = _slice(arrays, 0, num_images - left_out)
    checker.check_first(_slice(arrays, 0, size))
    if checker.checks_all:
        for start in range(size, num_images, size):
            checker.check(_slice(arrays, start, start + size))
    if left_out:
        warnings.warn(
            f"`fit` leaves out the last {left_out} of {num_images} images: each of the "
            f"critic's {checker.num_micro_batches} updates per step needs equally many.",
            stacklevel=6,
        )
    num_images -= left_out
    if add_indices and "masks" not in arrays:
        arrays["indices"] = np.arange(num_images, dtype="int32")
    return AdaptedData(
        arrays,
        checker,
        has_known_sizes=num_images % size == 0,
        source=arrays["images"],
        num_images=min(num_images, size),
        num_batches=math.ceil(num_images / size),
    )


def _read_arrays(x: Any, y: Any, checker: BatchChecker) -> Tensors:
    """Arrays by name, of the right shapes."""
    arrays = read_batch(x)
    if y is not None:
        if "masks" in arrays:
            raise ValueError(
                "`x` holds masks already: leave out `y`. Received: masks twice, in `x` and `y`"
            )
        arrays["masks"] = y
    arrays = {name: _to_array(array) for name, array in arrays.items()}
    checker.check_shapes(arrays)
    if not len(arrays["images"]):
        raise ValueError(
            f"There are no images. Received: images.shape={tuple(arrays['images'].shape)}"
        )
    return arrays


def _slice(arrays: Tensors, start: int, end: int) -> Tensors:
    return {name: array[start:end] for name, array in arrays.items()}


def _is_array_like(x: Any) -> bool:
    return hasattr(x, "shape") or isinstance(x, (tuple, list, dict))


def _to_array(values: Any) -> Any:
    if type(values).__module__.split(".")[0] == "torch":
        return values.detach().cpu().numpy()
    # Boxes may be lists of numbers; lists of images are refused.
    is_list = isinstance(values, (list, tuple)) and not any(hasattr(v, "shape") for v in values)
    return np.asarray(values) if is_list else values


# ---- Batches ------------------------------------------------------------------------


def _finish(batch: Tensors, first_index: int, add_indices: bool) -> Tensors:
    """Numbers the images where it is asked for."""
    if add_indices and "masks" not in batch:
        size = len(batch["images"])
        batch["indices"] = np.arange(first_index, first_index + size, dtype="int32")
    return batch


def _read_host_batch(batch: Any, source: str) -> Tensors:
    """A batch that was made by Python code, as arrays by name."""
    if hasattr(batch, "shape"):
        raise ValueError(
            f"A {source} must return `(images,)` or `(images, masks)`: Keras takes bare arrays "
            f"of it for something else. Received: a {type(batch).__name__} of shape "
            f"{tuple(batch.shape)}"
        )
    return {name: _to_array(array) for name, array in read_batch(batch).items()}


def _adapt_dataset(dataset: Any, checker: BatchChecker, add_indices: bool) -> AdaptedData:
    import tensorflow as tf

    if not hasattr(dataset, "take"):  # Distributed already.
        if checker.checks_all:
            raise ValueError(
                "`check_values=True` looks at batches before they are distributed: pass the "
                f"`tf.data.Dataset` itself. Received: a {type(dataset).__name__}"
            )
        return AdaptedData(dataset, checker, is_sequential=True, source=dataset)
    specs = read_batch(dataset.element_spec)
    first = next(iter(dataset.take(1)), None)
    if first is None:
        raise ValueError(f"There is no batch in `x`. Received: an empty {dataset}")
    checker.check_first(read_batch(first))
    shapes = {
        "images": (None, None, None, checker.required.channels),
        "masks": (None, None, None, 1),
        "boxes": (None, 4),
        "sketches": (None, None, None, 1),
    }

    def finish(first_index: Any, element: Any) -> Any:
        batch = {n: tf.ensure_shape(part, shapes[n]) for n, part in read_batch(element).items()}
        if checker.checks_all:
            names = list(batch)

            def check(*parts: Any) -> None:
                checker.check(dict(zip(names, (part.numpy() for part in parts), strict=True)))

            with tf.control_dependencies([tf.py_function(check, list(batch.values()), [])]):
                batch = {name: tf.identity(part) for name, part in batch.items()}
        next_index = first_index + tf.shape(batch["images"])[0]
        if add_indices and "masks" not in batch:
            batch["indices"] = tf.range(first_index, next_index)
        return next_index, batch

    is_complete = all(
        part.shape.rank is not None and part.shape[-1] is not None for part in specs.values()
    )
    is_numbered = add_indices and "masks" not in specs
    if checker.checks_all or is_numbered or not is_complete:
        dataset = dataset.scan(tf.constant(0), finish)
    return AdaptedData(
        dataset,
        checker,
        has_known_sizes=all(part.shape.is_fully_defined() for part in specs.values()),
        is_sequential=True,
        source=dataset,
        num_images=len(read_batch(first)["images"]),
        # Negative of what is endless or unknown.
        num_batches=max(0, int(dataset.cardinality())) or None,
    )


class _AdaptedBatches(keras.utils.PyDataset):
    """Another `PyDataset`'s batches, in the one form."""

    def __init__(
        self, dataset: keras.utils.PyDataset, adapt: Callable[[Any, int], Tensors]
    ) -> None:
        super().__init__(
            workers=dataset.workers,
            use_multiprocessing=dataset.use_multiprocessing,
            max_queue_size=dataset.max_queue_size,
        )
        self._dataset = dataset
        self._adapt = adapt

    @property
    def num_batches(self) -> int | None:
        number: int | None = self._dataset.num_batches
        return number

    def __getitem__(self, index: int) -> Tensors:
        return self._adapt(self._dataset[index], index)

    def on_epoch_begin(self) -> None:
        self._dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._dataset.on_epoch_end()


class _BatchAdapter:
    """Brings the batches of a `PyDataset` to the one form; workers take it along."""

    def __init__(self, checker: BatchChecker, add_indices: bool, size: int) -> None:
        self._checker, self._add_indices, self._size = checker, add_indices, size

    def __call__(self, batch: Any, index: int) -> Tensors:
        arrays = {name: _to_array(array) for name, array in read_batch(batch).items()}
        if self._checker.checks_all:
            self._checker.check(arrays)
        # All batches but the last one are as large as the first.
        return _finish(arrays, index * self._size, self._add_indices)


def _adapt_py_dataset(
    dataset: keras.utils.PyDataset, checker: BatchChecker, add_indices: bool
) -> AdaptedData:
    if dataset.num_batches == 0:
        raise ValueError(f"There is no batch in `x`. Received: a {type(dataset).__name__} of 0")
    first = read_batch(dataset[0])
    checker.check_first(first)
    size = len(first["images"])
    adapt = _BatchAdapter(checker, add_indices, size)
    return AdaptedData(
        _AdaptedBatches(dataset, adapt),
        checker,
        is_sequential=dataset.num_batches is None,
        num_images=size,
        num_batches=dataset.num_batches,
    )


def _adapt_generator(
    generator: Iterator[Any], checker: BatchChecker, add_indices: bool
) -> AdaptedData:
    nothing = object()
    first = next(generator, nothing)
    if first is nothing:
        raise ValueError("There is no batch in `x`. Received: a generator that yields nothing")
    batch = _read_host_batch(first, "generator")
    checker.check_first(batch)

    batches = _batches(itertools.chain([first], generator), "generator", checker, add_indices)
    return AdaptedData(batches, checker, is_sequential=True, num_images=len(batch["images"]))


def _batches(
    given: Iterable[Any], source: str, checker: BatchChecker, add_indices: bool
) -> Iterator[tuple[Tensors]]:
    """The batches of Python code in the one form."""
    index = 0
    for each in given:
        batch = _read_host_batch(each, source)
        if checker.checks_all:
            checker.check(batch)
        size = len(batch["images"])
        yield (_finish(batch, index, add_indices),)
        index += size


# ---- PyTorch ------------------------------------------------------------------------


class _LoaderBatches(keras.utils.PyDataset):
    """The batches of a PyTorch `DataLoader` in their order, from the first one each epoch."""

    def __init__(self, loader: Any, checker: BatchChecker, add_indices: bool) -> None:
        super().__init__()
        self._loader, self._checker, self._add_indices = loader, checker, add_indices
        self._iterator: Any = None
        self._next = self._num_seen = 0

    @property
    def num_batches(self) -> int:
        return len(self._loader)

    def __getitem__(self, index: int) -> Tensors:
        if self._iterator is None or index < self._next:
            self._iterator, self._next, self._num_seen = iter(self._loader), 0, 0
        while self._next <= index:
            batch = _read_host_batch(next(self._iterator), "DataLoader")
            first_index = self._num_seen
            self._next += 1
            self._num_seen += len(batch["images"])
        if self._checker.checks_all:
            self._checker.check(batch)
        return _finish(batch, first_index, self._add_indices)


def _adapt_data_loader(loader: Any, checker: BatchChecker, add_indices: bool) -> AdaptedData:
    if not hasattr(loader.dataset, "__len__"):
        return _adapt_stream(loader, checker, add_indices)
    if not len(loader):
        raise ValueError("There is no batch in `x`. Received: a DataLoader of 0 batches")
    first = _read_host_batch(next(iter(loader)), "DataLoader")
    checker.check_first(first)
    batches = _LoaderBatches(loader, checker, add_indices)
    return AdaptedData(
        batches,
        checker,
        is_sequential=True,
        num_images=len(first["images"]),
        num_batches=len(loader),
    )


# Keras looks at so many, to find what their shapes have in common.
_LOOKED_AT = 2


class _Stream:
    """Passes over batches of an iterable dataset, of which there may be only one.

    What was looked at of the first pass, and no further, comes once more.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        self._loader = loader
        self._rest: Iterator[Any] | None = iter(loader)
        self._seen: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        for number in range(_LOOKED_AT):
            if self._rest is None:
                break
            if number == len(self._seen):
                self._seen.extend(itertools.islice(self._rest, 1))
            if number < len(self._seen):
                yield self._seen[number]
        if self._rest is None:
            yield from self._loader
            return
        rest, self._rest, self._seen = self._rest, None, []
        yield from rest


def _adapt_stream(loader: Any, checker: BatchChecker, add_indices: bool) -> AdaptedData:
    import torch.utils.data

    stream = _Stream(loader)
    first = next(iter(stream), None)
    if first is None:
        raise ValueError("There is no batch in `x`. Received: a DataLoader of no batch")
    batch = _read_host_batch(first, "DataLoader")
    checker.check_first(batch)

    class Batches(torch.utils.data.IterableDataset[tuple[Tensors]]):
        def __iter__(self) -> Iterator[tuple[Tensors]]:
            return _batches(stream, "DataLoader", checker, add_indices)

    adapted = torch.utils.data.DataLoader(Batches(), batch_size=None)
    return AdaptedData(adapted, checker, is_sequential=True, num_images=len(batch["images"]))


def _is_data_loader(x: Any) -> bool:
    names = [f"{cls.__module__}.{cls.__name__}" for cls in type(x).__mro__]
    return "torch.utils.data.dataloader.DataLoader" in names
