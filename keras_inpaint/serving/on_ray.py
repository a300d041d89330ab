"""The server on Ray Serve: requests in one process, networks in others, on many machines."""

import asyncio
import contextlib
import logging
import signal
import threading
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.config import HTTPOptions
from ray.serve.exceptions import RayServeException
from ray.serve.schema import LoggingConfig

from keras_inpaint.inpainting import Inpainter
from keras_inpaint.inpainting.exported import DescribedGenerator, describe
from keras_inpaint.inpainting.on_ray import connected
from keras_inpaint.serving.app import build_app
from keras_inpaint.serving.limits import Limits, Refusal, out_of_time
from keras_inpaint.serving.listening import bound, check_on_ray, warn_of_no_key
from keras_inpaint.serving.models import Model, ModelKeeper
from keras_inpaint.serving.server import use_device
from keras_inpaint.serving.sources import choose_source
from keras_inpaint.serving.state import Metrics, Server

_LOG = logging.getLogger(__name__)
_APPLICATION = "keras-inpaint"
# Batches at once for each network: one is on its way while another one is worked on.
_CALLS_AT_ONCE = 2


class Network:
    """A process that holds a network, of which there are as many as the load asks for.

    Args:
        preset: str, as `create_app` takes.
        model: As `create_app` takes.
        name: As `create_app` takes.
        limits: `Limits`.
        device: As `use_device` takes.
    """

    def __init__(
        self,
        preset: str,
        model: str | None,
        name: str | None,
        limits: Limits,
        device: str | None,
    ) -> None:
        use_device(device)
        source = choose_source(preset, model, name)
        version = source.latest()
        inpainter = source.load(version)
        served = Model(inpainter, source.name, version, limits, lambda *batch: None)
        served.warm_up()
        served.retire()
        self._generator = inpainter.generator
        self._facts = {
            "name": source.name,
            "version": version,
            "image_size": inpainter.image_size,
            "description": describe(inpainter),
        }
        self._one_at_a_time = threading.Lock()

    def facts(self) -> dict[str, Any]:
        """Returns what the process of the requests has to know."""
        return self._facts

    async def predict(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Returns the filling of pictures of one size."""

        def run() -> NDArray[Any]:
            with self._one_at_a_time:
                return np.asarray(self._generator.predict_on_batch(inputs)["refined"])

        return await asyncio.to_thread(run)


class _RemoteGenerator(DescribedGenerator):
    """What an `Inpainter` asks of its generator, where the networks are elsewhere."""

    def __init__(self, networks: Any, facts: dict[str, Any], timeout: float) -> None:
        super().__init__(facts["name"], facts["description"])
        self._networks, self._timeout = networks, timeout

    def predict_on_batch(self, inputs: dict[str, Any]) -> dict[str, NDArray[Any]]:
        answer = self._networks.predict.remote(inputs)
        try:
            return {"refined": answer.result(timeout_s=self._timeout)}
        except TimeoutError as error:
            answer.cancel()
            raise out_of_time() from error
        except (RayActorError, RayServeException) as error:
            raise Refusal(
                503,
                "The process that worked on this request has ended. Try again after the "
                "seconds that `Retry-After` says.",
                {"Retry-After": "5"},
            ) from error


class _RemoteSource:
    """The version that the networks had when they were started."""

    def __init__(self, networks: Any, facts: dict[str, Any], timeout: float) -> None:
        self.name = facts["name"]
        self._networks, self._facts, self._timeout = networks, facts, timeout

    def latest(self) -> int:
        return int(self._facts["version"])

    def load(self, version: int) -> Any:
        generator = _RemoteGenerator(self._networks, self._facts, self._timeout)
        size = self._facts["image_size"]
        return Inpainter(generator, self.name, size, generator.corruption)


class Requests:
    """The process that reads requests and answers them: the application of `create_app`.

    Args:
        networks: Handle of the deployment of `Network`.
        limits: `Limits`.
        key: As `create_app` takes.
        num_calls: int. Batches that the networks are handed at once.
    """

    # Ray awaits it: what the networks say of themselves takes until they are there.
    async def __init__(  # type: ignore[misc]
        self, networks: Any, limits: Limits, key: str | None, num_calls: int
    ) -> None:
        facts = await networks.facts.remote()
        metrics = Metrics()
        keeper = ModelKeeper(
            _RemoteSource(networks, facts, limits.timeout),
            limits,
            metrics.observe_batch,
            warm_up=False,
            num_calls=num_calls,
        )
        self._server = Server(keeper, limits, metrics, key)

    def __serve_build_asgi_app__(self) -> Any:
        return build_app(self._server)

    async def drain(self) -> None:
        """Refuses what comes from now on, and waits until all before it is answered."""
        await self._server.drain()


def serve_on_ray(
    preset: str,
    model: str | PathLike[str] | None = None,
    name: str | None = None,
    limits: Limits | None = None,
    key: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8501,
    device: str | None = None,
    address: str | None = None,
    max_networks: int = 4,
) -> None:
    """Answers requests until SIGTERM or SIGINT, with networks on the machines of a cluster.

    A process of its own reads the requests, finds the holes and writes the answers. Each
    network has another one. There are between one and `max_networks`, as many as batches wait
    for. Where one ends under a request, that is answered 503, if it could not be done by
    another one; Ray starts a new one. A newer version of the model is taken when the
    server is started again.

    Args:
        preset: As all others but the last three, see `serve`.
        device: `"cpu"`, `"gpu"`, or `None` for what the backend chooses. Of the networks.
        address: str or `None`. As `keras_inpaint.inpainting.on_ray.connected` takes.
        max_networks: int. Networks at once, each of one processor or one GPU at least.

    Raises:
        OSError: If the address cannot be listened on, or the cluster not be reached or not
            hold the networks.
        ValueError: If there is no such port, or `device` is another one.
    """
    limits = limits or Limits()
    check_on_ray(port, device, max_networks)
    warn_of_no_key(key, host)
    # Ray binds it again: one that is taken is told before anything is started.
    bound(host, port).close()
    stop = threading.Event()
    with connected(address):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        serve.start(http_options=HTTPOptions(host=host, port=port))
        try:
            model = None if model is None else str(model)
            handle = _deploy(preset, model, name, limits, key, device, max_networks)
            _LOG.info("Serving at http://%s:%d (see also /docs and /metrics)", host, port)
            stop.wait()
            # Ray ends processes whatever they are at: the one that reads requests, and the
            # proxy that hands its answers on.
            seconds = limits.timeout + 2 * limits.body_timeout + 5
            with contextlib.suppress(TimeoutError):
                handle.drain.remote().result(timeout_s=seconds)
            serve.delete(_APPLICATION)
        finally:
            serve.shutdown()


def _deploy(
    preset: str,
    model: str | None,
    name: str | None,
    limits: Limits,
    key: str | None,
    device: str | None,
    max_networks: int,
) -> Any:
    on_gpu = device == "gpu"
    deployment: Any = serve.deployment
    networks = deployment(
        Network,
        ray_actor_options={"num_cpus": 1, "num_gpus": int(on_gpu)},
        max_ongoing_requests=_CALLS_AT_ONCE,
        autoscaling_config={
            "min_replicas": 1,
            "max_replicas": max_networks,
            "target_ongoing_requests": 1,
        },
    ).bind(preset, model, name, limits, device)
    requests = deployment(
        serve.ingress()(Requests),
        name="Requests",
        ray_actor_options={"num_cpus": 0},
        # The application counts and refuses by itself.
        max_ongoing_requests=100 * limits.max_requests,
    ).bind(networks, limits, key, _CALLS_AT_ONCE * max_networks)
    logging_config = LoggingConfig(log_level="WARNING", enable_access_log=False)
    try:
        return serve.run(
            requests, name=_APPLICATION, route_prefix="/", logging_config=logging_config
        )
    except (RayError, RuntimeError) as error:
        raise OSError(f"The networks cannot be started: {_last_line(error)}") from error


def _last_line(error: BaseException) -> str:
    """What was wrong, of a message that holds the call stacks of other processes."""
    status = serve.status().applications.get(_APPLICATION)
    texts = [str(error), type(error).__name__]
    if status is not None:
        texts = [
            *(each.message for each in status.deployments.values()),
            status.message,
            *texts,
        ]
    return next(filter(None, map(str.strip, texts))).splitlines()[-1].strip()
