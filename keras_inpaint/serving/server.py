"""The process: connections that are slow or idle, signals, the device."""

import asyncio
import importlib
import logging
from os import PathLike
from typing import Any

import h11
import keras
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_inpaint.serving.app import build_app
from keras_inpaint.serving.limits import Limits
from keras_inpaint.serving.listening import bound, check_device, warn_of_no_key
from keras_inpaint.serving.models import ModelKeeper
from keras_inpaint.serving.sources import choose_source
from keras_inpaint.serving.state import Metrics, Server

_LOG = logging.getLogger(__name__)
_TOO_LATE = b'{"error":"The head of the request did not arrive in time."}'


def create_app(
    preset: str = "photos-128",
    model: str | PathLike[str] | None = None,
    name: str | None = None,
    limits: Limits | None = None,
    key: str | None = None,
) -> FastAPI:
    """Makes the ASGI application that `serve` runs, for other servers of ASGI.

    Uvicorn, as `serve` sets it up, also closes connections that are slow or idle: whatever
    runs the application in its place has to.

    Args:
        preset: str. As `Inpainter.from_preset` takes.
        model: str, path or `None`. The folder of an exported model, or an ONNX file, which is
            served instead of the preset; a newer version takes the place of an older one when
            it appears.
        name: str or `None`. What requests call the model; its own name unless given.
        limits: `Limits` or `None` for the defaults.
        key: str or `None`. What clients must send as a bearer token.

    Returns:
        FastAPI application, whose model is loaded.

    Raises:
        OSError: If the model cannot be loaded.
        ValueError: As `OSError`.
    """
    limits = limits or Limits()
    source = choose_source(preset, model, name)
    metrics = Metrics()
    keeper = ModelKeeper(source, limits, metrics.observe_batch)
    return build_app(Server(keeper, limits, metrics, key))


def serve(
    preset: str = "photos-128",
    model: str | PathLike[str] | None = None,
    name: str | None = None,
    limits: Limits | None = None,
    key: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8501,
) -> None:
    """Answers requests until SIGTERM or SIGINT, and those under way to their end.

    Args:
        preset: As all others but the last two, see `create_app`.
        host: str. Address to listen on.
        port: int. 0 for any that is free.

    Raises:
        OSError: If the address cannot be listened on, or the model not be loaded.
        ValueError: If the model cannot be loaded.
    """
    limits = limits or Limits()
    warn_of_no_key(key, host)
    # Bound before the model is loaded: a port that is taken is told at once.
    with bound(host, port) as listening:
        app = create_app(preset, model, name, limits, key)
        address, number = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        _LOG.info("Serving at http://%s:%d (see also /docs and /metrics)", shown, number)
        config = uvicorn.Config(
            app,
            http=patient_protocol(limits.head_timeout),
            ws="none",
            # Longer than the minute after which balancers drop idle connections themselves.
            timeout_keep_alive=75,
            lifespan="on",
            # The command line prints what the package logs; requests are in the metrics.
            log_config=None,
            access_log=False,
            server_header=False,
            # No request takes longer: none is cut off by the end of the process.
            timeout_graceful_shutdown=int(limits.timeout + 2 * limits.body_timeout) + 5,
        )
        uvicorn.Server(config).run([listening])


def patient_protocol(head_timeout: float) -> type[asyncio.Protocol]:
    """Makes uvicorn's HTTP protocol one that does not wait for ever.

    Uvicorn closes connections that are idle after an answer, not those that never send a
    whole head: each of them would be kept open for as long as its client likes.

    Args:
        head_timeout: float. Seconds from the connection, or the first byte of a later
            request, to the end of the head.
    """

    class PatientProtocol(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._unwatch_head()

        def _watch_head(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._unwatch_head()
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(head_timeout, self._give_up)

        def _unwatch_head(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                has_begun = bool(self.conn.trailing_data[0])
                if has_begun:
                    self.transport.write(
                        b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\n"
                        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
                        % (len(_TOO_LATE), _TOO_LATE)
                    )
                self.transport.close()

    return PatientProtocol


def use_device(device: str | None) -> None:
    """Chooses where networks run from now on; memory of GPUs is taken as it is needed.

    Call it before anything is computed.

    Args:
        device: `"cpu"`, `"gpu"`, `"gpu:1"` and so on; `None` for what the backend chooses.

    Raises:
        ValueError: If there is no such device.
    """
    check_device(device)
    index = None
    if device is not None and device != "cpu":
        index = int(device.partition(":")[2] or 0)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        _use_tensorflow_device(device, index)
    elif backend == "jax" and device is not None:
        jax = importlib.import_module("jax")
        devices = _jax_devices(jax, device)
        if index is not None:
            _check_index(index, len(devices), device)
        jax.config.update("jax_default_device", devices[index or 0])


def _use_tensorflow_device(device: str | None, index: int | None) -> None:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu":
        gpus = []
        tf.config.set_visible_devices([], "GPU")
    elif index is not None:
        _check_index(index, len(gpus), device)
        gpus = [gpus[index]]
        tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        # Else TensorFlow takes all of it at its first operation.
        tf.config.experimental.set_memory_growth(gpu, True)


def _jax_devices(jax: Any, device: str) -> list[Any]:
    try:
        return list(jax.devices(device.split(":")[0]))
    except RuntimeError:
        return []


def _check_index(index: int, num: int, device: str | None) -> None:
    if index >= num:
        raise ValueError(
            f"There is no such device: this machine shows {num} GPUs. Received: "
            f"--device {device}"
        )
