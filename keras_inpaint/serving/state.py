"""The state of a server: its model, its limits, its metrics, and the work under way."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from keras_inpaint.serving.limits import (
    Admission,
    BodyReader,
    Call,
    Disconnected,
    Limits,
    MemoryBudget,
    draining,
    out_of_time,
)
from keras_inpaint.serving.models import ModelKeeper

_LOG = logging.getLogger(__name__)


class Metrics:
    """What Prometheus reads at `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        named: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "keras_inpaint_requests", "Requests answered.", ["route", "status"], **named
        )
        self.seconds = Histogram(
            "keras_inpaint_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ["route"],
            buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
            **named,
        )
        self.batch_size = Histogram(
            "keras_inpaint_batch_size",
            "Pictures that the network was shown at once.",
            buckets=(1, 2, 4, 8, 16, 32),
            **named,
        )
        self.network_seconds = Histogram(
            "keras_inpaint_network_seconds",
            "Seconds that the network took for a batch.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            **named,
        )
        self.pixels = Counter(
            "keras_inpaint_pixels", "Pixels that the network was shown.", **named
        )
        self.under_way = Gauge(
            "keras_inpaint_requests_under_way", "Requests worked on or waiting.", **named
        )
        self.waiting = Gauge(
            "keras_inpaint_queue_pictures", "Pictures that wait for the network.", **named
        )
        self.version = Gauge(
            "keras_inpaint_model_version", "The version that is served.", ["model"], **named
        )

    def observe_batch(self, num: int, num_pixels: int, seconds: float) -> None:
        """Counts a batch of the network."""
        self.pixels.inc(num_pixels)
        self.batch_size.observe(num)
        self.network_seconds.observe(seconds)


# In the scope of a request: whether it came when others were refused already.
IS_LATE = "keras_inpaint.is_late"


@dataclass(eq=False)
class Server:
    """The state of one server.

    Args:
        keeper: `ModelKeeper`.
        limits: `Limits`.
        metrics: `Metrics`, which the keeper's models report their batches to.
        key: str or `None`. What clients must send as a bearer token.
        refresh_seconds: float. Time between two looks for a newer version.
        is_draining: bool. Whether requests that come from now on are refused.
        is_closed: bool. Whether nothing can be worked on any more.
        num_answering: int. Requests whose answer is not sent to its end, and that came before
            others were refused.
    """

    keeper: ModelKeeper
    limits: Limits
    metrics: Metrics
    key: str | None = None
    refresh_seconds: float = 5.0
    is_draining: bool = False
    is_closed: bool = False
    num_answering: int = 0
    admission: Admission = field(init=False)
    bodies: BodyReader = field(init=False)
    budget: MemoryBudget = field(init=False)
    threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self.admission = Admission(limits.max_requests, limits.max_batch_size)
        self.bodies = BodyReader(limits.max_body, limits.body_timeout, 4 * limits.max_body)
        self.budget = MemoryBudget(self.keeper.current.memory_limit)
        self.threads = ThreadPoolExecutor(limits.workers, "request")
        self.metrics.under_way.set_function(lambda: self.admission.num)
        self.metrics.waiting.set_function(lambda: self.keeper.current.num_waiting)

    async def work(self, request: Request, function: Callable[[Call], Any]) -> Any:
        """Runs a function in a thread for as long as there is time, and somebody waits.

        Args:
            request: Request of the client.
            function: Function of a `Call`.

        Raises:
            Disconnected: If the client has gone.
            Refusal: 429, 503, 504, and whatever the function refuses.
        """
        if self.is_closed or request.scope.get(IS_LATE):
            raise draining()
        self.admission.enter()
        begun = time.monotonic()
        call = Call(begun + self.limits.timeout)

        def run() -> Any:
            # It may have waited for a thread.
            call.check()
            return function(call)

        done = asyncio.wrap_future(self.threads.submit(run))
        # Counted until the thread has really ended: it holds memory for as long.
        done.add_done_callback(lambda _: self.admission.leave(time.monotonic() - begun))
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait(
                (done, gone), timeout=self.limits.timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if done.done():
                return done.result()
            if gone.done():
                raise Disconnected
            raise out_of_time()
        finally:
            gone.cancel()
            call.give_up()
            # Nobody asks for its outcome any more.
            done.add_done_callback(lambda future: future.cancelled() or future.exception())

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Looks for newer versions while the app runs."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self.is_draining = self.is_closed = True
            watching.cancel()
            self.keeper.close()
            self.threads.shutdown(wait=False, cancel_futures=True)

    async def drain(self) -> None:
        """Refuses what comes from now on, and waits until all before it is answered."""
        self.is_draining = True
        while self.num_answering:
            await asyncio.sleep(0.05)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.refresh_seconds)
            try:
                await asyncio.to_thread(self.keeper.refresh)
            except Exception:
                _LOG.exception("Looking for a newer version failed.")


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
