"""The processes of one training, on one machine or on several, and what they exchange.

TensorFlow and JAX have their own services for processes that train together. These find a
process that has ended or cannot be reached any more, and end what others wait for.
"""

import atexit
import dataclasses
import json
import logging
import os
import re
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np

from keras_inpaint.training.heartbeats import Heartbeats
from keras_inpaint.training.settings import Settings

_LOG = logging.getLogger(__name__)
# Of JAX, in seconds: until a machine that was cut off is missed, and until a process that
# ends gives up to wait for the others. TensorFlow has ten seconds for the first.
_HEARTBEAT = _SHUTDOWN = 30
# JAX would abort the process, with lines of its own: this comes before.
_PATIENCE = 15
# Says something if its standard input ends before something has come of it.
_WITNESS = "import sys; sys.stdin.read() or print(sys.argv[1], file=sys.stderr)"
_ADVICE = (
    "Start the same command on all machines again: the run goes on from the chief's last "
    "checkpoint."
)
# Words of either library's errors where another process is lost.
_LOST = re.compile("Collective ops is aborted|Gloo|NCCL|heartbeat|UNAVAILABLE|Connection reset")
# Each machine may have its photos elsewhere, and less memory.
_OF_ONE_MACHINE = (
    *("data", "output", "masks", "validation", "validation_masks", "preset"),
    *("memory_limit", "perceptual_network"),
)


@dataclasses.dataclass(frozen=True)
class Tasks:
    """The processes that train together, and which of them this one is.

    Attributes:
        addresses: tuple of str, `"host:port"` of each, the chief first.
        index: int. The index of this one.
    """

    addresses: tuple[str, ...]
    index: int

    def __str__(self) -> str:
        return f"process {self.index} of {len(self.addresses)}"


def read_tasks(environment: Mapping[str, str] = os.environ) -> Tasks | None:
    """Reads from the environment which processes train together.

    From `TF_CONFIG`, as TensorFlow describes it, or from the variables of
    `keras.distribution.initialize`: `KERAS_DISTRIBUTION_JOB_ADDRESSES` with an address per
    process, and `KERAS_DISTRIBUTION_PROCESS_ID`. Either will do on both backends.

    Args:
        environment: Mapping of str.

    Returns:
        `Tasks`; `None` where the environment says nothing of them.

    Raises:
        ValueError: If it says something else.

    Example:
    >>> from keras_inpaint.training.cluster import read_tasks
    >>> cluster = '{"worker": ["one:2222", "two:2222"]}'
    >>> task = '{"type": "worker", "index": 1}'
    >>> read_tasks({"TF_CONFIG": f'{{"cluster": {cluster}, "task": {task}}}'})
    Tasks(addresses=('one:2222', 'two:2222'), index=1)
    """
    text = environment.get("TF_CONFIG", "")
    joined = environment.get("KERAS_DISTRIBUTION_JOB_ADDRESSES", "")
    given = environment.get("KERAS_DISTRIBUTION_PROCESS_ID", "")
    try:
        if text:
            config = json.loads(text)
            cluster, task = config.get("cluster", {}), config.get("task", {})
            places = [
                (kind, index)
                for kind in ("chief", "worker")
                for index in range(len(cluster.get(kind, ())))
            ]
            addresses = [cluster[kind][index] for kind, index in places]
            index = places.index((task["type"], int(task["index"]))) if places else 0
        else:
            addresses = joined.split(",") if joined else []
            index = range(len(addresses))[int(given)] if joined else 0
        if any(not address.rpartition(":")[2].isdigit() for address in addresses):
            raise ValueError("no 'host:port'")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        received = f"TF_CONFIG={text!r}" if text else f"{joined!r} and {given!r}"
        raise ValueError(
            'TF_CONFIG must be JSON such as {"cluster": {"worker": ["one:2222", "two:2222"]}, '
            '"task": {"type": "worker", "index": 0}}, another index in each process; or '
            "KERAS_DISTRIBUTION_JOB_ADDRESSES 'one:2222,two:2222', and "
            "KERAS_DISTRIBUTION_PROCESS_ID the index of this one. "
            f"Received: {received}"
        ) from error
    return Tasks(tuple(addresses), index) if addresses else None


def tasks_of(settings: Settings) -> Tasks | None:
    """Finds the processes that a run is to be trained by; `None` for this one alone.

    Raises:
        ValueError: If settings and environment do not fit each other.
    """
    if settings.distribution == "none":
        return None
    tasks = read_tasks()
    is_wanted = settings.distribution == "multiworker"
    if is_wanted and tasks is None:
        raise ValueError(
            "Several processes train together where TF_CONFIG says which, or "
            "KERAS_DISTRIBUTION_JOB_ADDRESSES and KERAS_DISTRIBUTION_PROCESS_ID do. "
            "Received: distribution='multiworker' without them"
        )
    if tasks is None or len(tasks.addresses) == 1:
        return None
    if not is_wanted:
        raise ValueError(
            "The environment names several processes, in TF_CONFIG or "
            "KERAS_DISTRIBUTION_JOB_ADDRESSES. To train with them, take "
            "distribution='multiworker'; in this one alone, unset it, or take "
            f"distribution='none'. Received: {', '.join(tasks.addresses)} for "
            f"distribution={settings.distribution!r}"
        )
    if settings.batch_size % len(tasks.addresses):
        raise ValueError(
            "`batch_size` counts the images of all processes, which share them equally. "
            f"Received: batch_size={settings.batch_size} for {len(tasks.addresses)} processes"
        )
    return tasks


class Cluster:
    """What the processes of a training exchange; of one alone, nothing.

    Where it is made, each process waits for all others.

    Args:
        tasks: `Tasks` or `None`.

    Attributes:
        part: Pair of ints: the index of this process, and how many there are.
    """

    def __init__(self, tasks: Tasks | None = None) -> None:
        self.tasks = tasks
        self.part = (0, 1) if tasks is None else (tasks.index, len(tasks.addresses))
        self.strategy: Any = None
        if tasks is None:
            return
        if keras.backend.backend() == "jax":
            _join_on_jax(tasks)
            return
        import tensorflow as tf

        # Not read from TF_CONFIG: other variables may say the same.
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": tasks.addresses}),
            task_type="worker",
            task_id=tasks.index,
            rpc_layer="grpc",
        )
        self.strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
        num_local = self.strategy.num_replicas_in_sync // self.part[1]

        @tf.function(reduce_retracing=True)
        def add(values: Any) -> Any:
            context = tf.distribute.get_replica_context()
            is_first = context.replica_id_in_sync_group % num_local == 0
            own = [tf.where(is_first, value, tf.zeros_like(value)) for value in values]
            return context.all_reduce("SUM", own)

        self._add = add

    @property
    def is_chief(self) -> bool:
        """bool: Whether this is the process that writes."""
        return self.part[0] == 0

    def add(self, arrays: Sequence[Any]) -> list[Any]:
        """Adds up arrays over the processes, all of which call this.

        Args:
            arrays: Sequence of arrays, of the same shapes in all processes.

        Returns:
            list of arrays of the same types, to the bit where all but one process have zeros.
        """
        arrays = [np.asarray(each) for each in arrays]
        if self.tasks is None:
            return arrays
        if self.strategy is None:
            from jax.experimental import multihost_utils

            # One by one, as each is held once per process.
            gathered = map(multihost_utils.process_allgather, arrays)
            return [
                each.sum(axis=0, dtype=array.dtype)
                for each, array in zip(gathered, arrays, strict=True)
            ]
        import tensorflow as tf

        # GPUs add no integers, and all are sent in one message.
        values = [tf.constant(each.astype(np.float64)) for each in arrays]
        sums = self.strategy.run(self._add, args=(values,))
        return [
            self.strategy.experimental_local_results(each)[0].numpy().astype(array.dtype)
            for each, array in zip(sums, arrays, strict=True)
        ]

    def any(self, is_so: bool) -> bool:
        """Returns whether something is so in any of the processes, all of which call this."""
        return bool(self.add([np.int32(is_so)])[0])

    def check_equal(self, settings: Settings, photos: str) -> None:
        """Refuses processes whose settings, but for paths, or photos differ.

        Raises:
            ValueError: In all processes.
        """
        shared = {
            name: value
            for name, value in settings.to_dict().items()
            if name not in _OF_ONE_MACHINE
        }
        described = json.dumps([shared, photos], sort_keys=True)
        # As an int32 holds it.
        checksum = zlib.crc32(described.encode()) % 2**31
        index, count = self.part
        checksums = np.zeros(count, np.int32)
        checksums[index] = checksum
        found = self.add([checksums])[0]
        if (found != found[0]).any():
            changed = [
                f"{name}={value!r}"
                for name, value in shared.items()
                if value != Settings.__dataclass_fields__[name].default
            ]
            raise ValueError(
                "All processes must be started with the same settings, but for paths, and have "
                f"as many photos. Received: in {self.tasks}, {photos} and {', '.join(changed)}"
            )

    def copy_from_chief(self, gan: Any, source: Any) -> None:
        """Gives all processes the weights and the optimizers' state that the chief has.

        Args:
            gan: `InpaintingGAN` that trains in all processes.
            source: The one that holds what the chief has read, which may be `gan`.
        """
        if self.tasks is None:
            return
        values = [
            keras.ops.convert_to_numpy(variable.value)
            for variable in [*source.variables, *source.optimizer.variables]
        ]
        if not self.is_chief:
            values = [np.zeros_like(value) for value in values]
        variables = [*gan.variables, *gan.optimizer.variables]
        for variable, value in zip(variables, self.add(values), strict=True):
            variable.assign(value)

    def distribute(self, stream: Any, batch_size: int) -> Any:
        """Prepares this process's part of a stream for `fit` and `evaluate`.

        Args:
            stream: `tf.data.Dataset` or `keras.utils.PyDataset`.
            batch_size: int. Images of all processes per batch.
        """
        if self.strategy is None:
            return _prefetched(stream)
        num_devices = self.strategy.num_replicas_in_sync
        # As `fit` does in one process: what a stream draws follows from how often it was read.
        next(iter(stream))
        if num_devices > self.part[1]:
            stream = stream.rebatch(batch_size // num_devices)
        return self.strategy.distribute_datasets_from_function(lambda context: stream)

    @contextmanager
    def finding_lost(self) -> Iterator[None]:
        """Says in one line, and what to do, where another process has ended.

        On JAX, that line ends this process with code 2, as the library would abort it with
        lines of its own: heartbeats tell who is lost before it does. Where they cannot be
        exchanged, the line comes after the library's.

        Raises:
            ConnectionError: In place of the libraries' errors.
        """
        try:
            with nullcontext() if self.tasks is None or self.strategy else self._watched():
                yield
        except Exception as error:
            found = _LOST.search(str(error))
            if self.tasks is None or found is None:
                raise
            reason = " ".join(str(error)[found.start() :].split())[:200]
            raise ConnectionError(self._lost(reason)) from error

    def _lost(self, reason: str) -> str:
        return (
            "Another process of this training has ended, or cannot be reached any more. "
            f"{_ADVICE} Received: in {self.tasks}: {reason}"
        )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Ends this process in order where another one is lost, before JAX aborts it."""
        assert self.tasks is not None
        first = threading.Lock()
        witness = _Witness(self.tasks)

        def end(reason: str) -> None:
            # The thread of the training waits for the other process, perhaps for ever, and JAX
            # aborts a process a few tenths of a second after the chief's end.
            if first.acquire(blocking=False):
                _LOG.error(self._lost(reason))
                witness.dismiss()
                _leave(2)

        host = self.tasks.addresses[0].rpartition(":")[0].strip("[]")
        beats = Heartbeats(host, self.is_chief, self.part[1] - 1, self.add, _PATIENCE, end)
        try:
            yield
        finally:
            # Kept by the other thread while it ends this process.
            first.acquire()
            beats.stop()
            witness.dismiss()


class _Witness:
    """Another process, which says what to do where this one is ended from outside of Python."""

    def __init__(self, tasks: Tasks) -> None:
        message = (
            f"keras-inpaint: Another process of this training has ended, or cannot be reached "
            f"any more, or this one was killed. {_ADVICE} Received: {tasks} has not ended by "
            "itself"
        )
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, "-ISc", _WITNESS, message],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Of this process, that of libraries may lead elsewhere.
            stderr=_terminal(),
            # Ctrl-C is for the training alone.
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Tells it that this process ends by itself."""
        with self._lock:
            if self._process is not None:
                self._process.communicate(b"It has ended by itself.")
            self._process = None


def _terminal() -> int | None:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def leave_at_exit(code: int) -> None:
    """Lets this process end as Python does, without waiting for processes that are lost.

    JAX would try to reach them for half a minute, and then abort the process.

    Args:
        code: int. The exit code.
    """

    # Before those of JAX, which was imported earlier.
    atexit.register(_leave, code)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _prefetched(stream: Any) -> Any:
    """Has TensorFlow copy batches to its only GPU while the step before runs.

    Where there are several, the strategy that they share batches by does so; on JAX, Keras.
    Of a stream that ends, Keras would not know the length any more.
    """
    if keras.backend.backend() != "tensorflow":
        return stream
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    if len(gpus) != 1 or stream.cardinality() != tf.data.INFINITE_CARDINALITY:
        return stream
    return stream.apply(tf.data.experimental.prefetch_to_device(gpus[0].name))


def _join_on_jax(tasks: Tasks) -> None:
    import jax

    # As `keras.distribution.initialize` does, which has no arguments for these.
    if not jax.distributed.is_initialized():
        jax.distributed.initialize(
            tasks.addresses[0],
            num_processes=len(tasks.addresses),
            process_id=tasks.index,
            heartbeat_timeout_seconds=_HEARTBEAT,
            shutdown_timeout_seconds=_SHUTDOWN,
        )
