"""Folders filled by the processes of a Ray cluster."""

import dataclasses
import json
import logging
import math
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.files.room import DiskFullError, KnownFolder, LostFolderError
from keras_inpaint.inpainting.folder_pipeline import GO_ON, Job, Options, Pipeline, Progress
from keras_inpaint.inpainting.folder_report import Manifest, Outcome, recipe
from keras_inpaint.pictures.opening import default_memory_limit

_LOG = logging.getLogger("keras_inpaint.inpainting")
# Photos that a process is handed at once, of which it reads some while it fills others.
_PHOTOS_AT_ONCE = 32
# A network gains little from more.
_MOST_CPUS = 4
# For a machine in the same network to take a connection, and to answer.
_SECONDS_TO_ANSWER = 20
# How HTTP/2 begins, on which gRPC stands: whoever speaks it answers with a frame of this type
# (RFC 9113, section 3.4).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4


@contextmanager
def connected(address: str | None = None) -> Iterator[Any]:
    """Connects to a Ray cluster, or starts one of this machine alone for the time.

    Args:
        address: str or None. Of a cluster, such as `"auto"` on one of its machines or
            `"ray://head:10001"`, which `check_address` has seen to answer: Ray waits for
            minutes for one that does not. None for one of this machine.

    Returns:
        Context manager that gives the module `ray`.

    Raises:
        ImportError: If Ray is not installed.
        OSError: If there is no cluster at the address.
    """
    ray = check_ray()
    options = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(
            address=address or "local",
            logging_level=logging.ERROR,
            log_to_driver=False,
            **options,
        )
    except (ConnectionError, ValueError) as error:
        raise _no_cluster(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_address(address: str | None) -> None:
    """Speaks to the port of an address once: Ray would wait for minutes, and say nothing.

    Raises:
        OSError: If nothing answers there, or what is no Ray cluster.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        place = (host.strip("[]"), int(port))
        with socket.create_connection(place, _SECONDS_TO_ANSWER) as connection:
            # Encrypted, it would have to be spoken to by Ray's own keys.
            if os.environ.get("RAY_USE_TLS", "0") == "0":
                connection.sendall(_PREFACE)
                frame = connection.recv(9)
                if len(frame) < 4 or frame[3] != _SETTINGS:
                    raise ConnectionError("what answers there is no Ray")
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str | None, error: Exception) -> OSError:
    reason = " ".join(str(error).split())
    return OSError(
        "There is no Ray cluster at this address. Start one by `ray start --head`, or leave "
        f"--address out to use this machine: {reason}. Received: --address {address}"
    )


def check_ray() -> Any:
    """Returns the module `ray`.

    Raises:
        ImportError: If it is not installed.
    """
    # Nothing of what is filled, and where, is reported to others.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "The engine 'ray' needs Ray: pip install 'keras-inpaint[cluster]'"
        ) from error
    return ray


class Filler:
    """One process of the cluster, with a network of its own.

    Args:
        load: Function that returns the `Inpainter`.
        options: dict of the arguments of `Options`.
        folder: str. The folder of filled photos, on a disk that all machines share.
        overwrite: bool. Whether to do again what the manifests list.
        num_cpus: int. Processors that the process has.
    """

    def __init__(
        self,
        load: Callable[[], Any],
        options: dict[str, Any],
        folder: str,
        overwrite: bool,
        num_cpus: int,
    ) -> None:
        chosen = Options(**options)
        if chosen.memory_limit is None:
            # Others run on the same machine.
            share = default_memory_limit() * num_cpus // max(os.cpu_count() or 1, num_cpus)
            chosen = dataclasses.replace(chosen, memory_limit=share)
        inpainter = load()
        manifest = Manifest(
            Path(folder), recipe(inpainter.generator, chosen.recipe()), uuid.uuid4().hex
        )
        known = KnownFolder(folder, GO_ON)
        self._pipeline = Pipeline(
            lambda: inpainter, chosen, manifest, overwrite, num_cpus, known=known
        )
        self._messages = BufferingHandler(1 << 30)
        _LOG.addHandler(self._messages)
        _LOG.setLevel(logging.INFO)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Fills photos, and returns what became of each and what there is to tell."""
        jobs = [
            Job(photo, tuple(masks), Path(output), sketch)
            for photo, masks, output, sketch in map(json.loads, batch["job"])
        ]
        rows: list[dict[str, Any]] = []
        try:
            outcomes = self._pipeline.run(jobs)
            rows += [{"outcome": dataclasses.asdict(outcome)} for outcome in outcomes]
        except (DiskFullError, LostFolderError) as error:
            rows.append({"stop": str(error), "is_full": isinstance(error, DiskFullError)})
        rows += [
            {"level": record.levelno, "message": record.getMessage()}
            for record in self._messages.buffer
        ]
        self._messages.flush()
        return {"row": np.array([json.dumps(row) for row in rows], object)}


def fill_on_ray(
    load: Callable[[], Any],
    jobs: Sequence[Job],
    options: Options,
    folder: Path,
    overwrite: bool = False,
    progress: Progress | None = None,
    address: str | None = None,
    num_processes: int | None = None,
) -> list[Outcome]:
    """Does jobs in the processes of a cluster.

    A process that dies is started again by Ray, and its photos are done by another: what it had
    written is in its manifest, and is not done twice.

    Args:
        load: Function that returns the `Inpainter`, which each process calls.
        jobs: list of `Job`, of paths that all machines of the cluster can read and write.
        options: `Options`.
        folder: Path of the folder of filled photos.
        overwrite: bool. Whether to do again what the manifests list.
        progress: As `inpaint_folder` takes.
        address: As `connected` takes.
        num_processes: int or None. Processes at once; None for as many as there is room for.

    Returns:
        list of `Outcome`, in the order in which they ended.

    Raises:
        DiskFullError: If there is no room for what is to be written.
        LostFolderError: If the folder of what is written is not there any more.
        ImportError: If Ray is not installed.
        OSError: If there is no cluster at the address, or its processes cannot be started.
    """
    outcomes: list[Outcome] = []
    told: set[str] = set()
    with connected(address) as ray:
        for row in _rows(ray, load, jobs, options, folder, overwrite, num_processes):
            if "stop" in row:
                raise (DiskFullError if row["is_full"] else LostFolderError)(row["stop"])
            if "message" in row:
                if row["message"] not in told:
                    _LOG.log(row["level"], "%s", row["message"])
                told.add(row["message"])
                continue
            outcome = row["outcome"]
            if isinstance(outcome["mask"], list):
                outcome["mask"] = tuple(outcome["mask"])
            outcomes.append(Outcome(**outcome))
            if progress is not None:
                progress(len(outcomes), len(jobs), outcomes[-1])
    return outcomes


def _rows(
    ray: Any,
    load: Callable[[], Any],
    jobs: Sequence[Job],
    options: Options,
    folder: Path,
    overwrite: bool,
    num_processes: int | None,
) -> Iterator[dict[str, Any]]:
    import ray.data as data

    available = int(ray.cluster_resources().get("CPU", 1))
    num_cpus = max(min(_MOST_CPUS, available // (num_processes or 1)), 1)
    most = num_processes or max(available // num_cpus, 1)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    # What a process cannot do at all, such as loading the network, none can.
    context.max_errored_blocks = 0
    items = [
        {"job": json.dumps([job.photo, job.masks, str(job.output), job.sketch])} for job in jobs
    ]
    if not items:
        return
    blocks = max(math.ceil(len(items) / _PHOTOS_AT_ONCE), min(most, len(items)))
    arguments = (load, dataclasses.asdict(options), str(folder), overwrite, num_cpus)
    filled = data.from_items(items, override_num_blocks=blocks).map_batches(
        Filler,
        fn_constructor_args=arguments,
        batch_size=None,
        num_cpus=num_cpus,
        compute=data.ActorPoolStrategy(min_size=1, max_size=most),
    )
    try:
        for row in filled.iter_rows():
            yield json.loads(row["row"])
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        last = str(cause).strip().splitlines()[-1:] or [type(cause).__name__]
        raise OSError(f"The processes of the cluster cannot fill: {last[0]}") from error
