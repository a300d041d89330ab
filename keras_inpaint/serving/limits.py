"""What a server takes, and how it refuses the rest."""

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

MIB = 2**20
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


@dataclass(frozen=True)
class Limits:
    """Limits of a server, each with the status that answers what is beyond it.

    Args:
        max_body: int. Bytes of a request's body (413).
        max_json: int. Bytes of a body, or a part of one, that is JSON (413): numbers in text
            take up to 25 times their size while they are read.
        max_pixels: int. Pixels of a picture, or of all tensors of one request (413).
        max_pictures: int. Pictures of one request (413).
        memory: int or `None`. Bytes that filling may take (413), half of them for the
            network, half for the photos that are under way; `None` for half of the machine's
            memory.
        max_requests: int. Requests that are worked on or wait for it (429).
        workers: int. Requests that are worked on at once.
        max_batch_size: int. Pictures that the network is shown at once.
        batch_wait: float. Seconds that a picture waits for others of its size.
        timeout: float. Seconds from the end of a request to its answer (504).
        body_timeout: float. Seconds in which a body must arrive (408).
        head_timeout: float. Seconds in which the head of a request must arrive (408).
    """

    max_body: int = 64 * MIB
    max_json: int = 32 * MIB
    max_pixels: int = 2**26
    max_pictures: int = 64
    memory: int | None = None
    max_requests: int = 32
    workers: int = 8
    max_batch_size: int = 4
    batch_wait: float = 0.005
    timeout: float = 120.0
    body_timeout: float = 30.0
    head_timeout: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name == "batch_wait" else 1 if isinstance(value, int) else 1e-3
            if value is not None and not least <= value < math.inf:
                raise ValueError(
                    f"`{name}` must be at least {least}, and finite. Received: {name}={value}"
                )


class Refusal(Exception):
    """A request that is not answered as it would like to be.

    Args:
        status: int. The HTTP status.
        message: str. One line that names what must change.
        headers: dict of str, or `None`.
    """

    def __init__(
        self, status: int, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(" ".join(message.split()))
        self.status = status
        self.headers = headers or {}


def shown(value: Any, length: int = 80) -> str:
    """Returns a value of a request as messages show it: on one line, and short."""
    text = repr(value[:length] if isinstance(value, str | bytes | list) else value)
    return text if len(text) <= length else text[: length - 3] + "..."


@dataclass(eq=False)
class Call:
    """The time that one request has, and whether anybody still waits for its answer.

    Args:
        deadline: float. When `time.monotonic` passes it, the work is given up.
    """

    deadline: float = math.inf
    _is_given_up: threading.Event = field(default_factory=threading.Event)

    def give_up(self) -> None:
        """Ends the work at the next step."""
        self._is_given_up.set()

    @property
    def is_over(self) -> bool:
        """Whether the work is to end."""
        return self._is_given_up.is_set() or time.monotonic() >= self.deadline

    def check(self) -> None:
        """Raises a `Refusal` where the work is to end."""
        if self.is_over:
            raise out_of_time()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Makes this the call that `current_call` returns, in this thread."""
        token = _current_call.set(self)
        try:
            yield
        finally:
            _current_call.reset(token)


_current_call: ContextVar[Call] = ContextVar("_current_call")


def current_call() -> Call:
    """Returns the call that this thread works for; one without end if there is none."""
    return _current_call.get(Call())


def out_of_time() -> Refusal:
    """Returns the refusal of a request whose time is over."""
    return Refusal(
        504,
        "The time of this request is over, and work on it was given up. Send a smaller "
        "picture or hole, or try again when there is less to do.",
    )


def draining() -> Refusal:
    """Returns the refusal of a request that comes while the server ends."""
    return Refusal(503, "The server is shutting down.", {"Retry-After": "5"})


class Admission:
    """Counts the requests under way and refuses those beyond the limit.

    Args:
        max_requests: int. How many there may be.
        at_once: int. How many make progress at the same time.
    """

    def __init__(self, max_requests: int, at_once: int) -> None:
        self.max_requests = max_requests
        self.at_once = at_once
        self.num = 0
        self._mean_seconds = 1.0

    def enter(self) -> None:
        """Counts a request.

        Raises:
            Refusal: 429, with the seconds after which it is worth another try.
        """
        if self.num >= self.max_requests:
            seconds = math.ceil(self._mean_seconds * self.num / self.at_once)
            raise Refusal(
                429,
                f"The server has {self.num} requests under way, which is its limit. Try again "
                "after the seconds that `Retry-After` says.",
                {"Retry-After": str(min(max(seconds, 1), 60))},
            )
        self.num += 1

    def leave(self, seconds: float) -> None:
        """Counts a request that has ended, and how long it took."""
        self.num -= 1
        self._mean_seconds += 0.1 * (seconds - self._mean_seconds)


class MemoryBudget:
    """Memory that threads share: whoever needs more than is left waits for the others.

    Args:
        total: int. Bytes.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, need: int, call: Call) -> Iterator[None]:
        """Holds memory.

        Args:
            need: int. Bytes.
            call: `Call` whose time limits the wait.

        Raises:
            Refusal: 413 where there will never be as much, 504 where the time is over.
        """
        if need > self.total:
            raise Refusal(
                413,
                f"A request may need at most {self.total / MIB:.0f} MiB of memory. Send fewer "
                f"or smaller pictures. Received: one that needs about {need / MIB:.0f} MiB",
            )
        with self._changed:
            while self.used + need > self.total:
                call.check()
                self._changed.wait(0.1)
            self.used += need
        try:
            yield
        finally:
            with self._changed:
                self.used -= need
                self._changed.notify_all()


class Disconnected(Exception):
    """The client has gone, and nobody is left to be answered."""


class BodyReader:
    """Reads bodies: counted as they arrive, in a limited time, and not too many at once.

    Args:
        max_body: int. Bytes of one body.
        timeout: float. Seconds in which it must arrive.
        max_total: int. Bytes of all bodies that are being held.
    """

    # What is still read of a body that is too large, so that its sender reads the answer.
    _MAX_DRAINED, _DRAIN_SECONDS = 32 * MIB, 2.0

    def __init__(self, max_body: int, timeout: float, max_total: int) -> None:
        self.max_body = max_body
        self.timeout = timeout
        self.max_total = max_total
        self.total = 0

    async def read(self, receive: Receive, declared: int | None) -> bytes:
        """Reads a body. `release` its length once it is no longer needed.

        Args:
            receive: ASGI's function.
            declared: int or `None`. What `Content-Length` says.

        Raises:
            Disconnected: If the client has gone.
            Refusal: 413, 408, or 429 where too many bodies are held.
        """
        parts, length = [], 0
        deadline = time.monotonic() + self.timeout
        try:
            if declared is not None and declared > self.max_body:
                raise await self._refuse_size(receive, f"{declared}")
            is_more = True
            while is_more:
                message = await _receive(receive, deadline)
                part, is_more = message.get("body", b""), message.get("more_body", False)
                if length + len(part) > self.max_body:
                    received = f"at least {length + len(part)}"
                    raise await self._refuse_size(receive, received, is_more)
                if self.total + len(part) > self.max_total:
                    raise Refusal(
                        429,
                        "The server holds as many bytes of requests as it can. Try again.",
                        {"Retry-After": "1", "Connection": "close"},
                    )
                self.total += len(part)
                length += len(part)
                parts.append(part)
        except BaseException:
            self.release(length)
            raise
        return b"".join(parts)

    def release(self, length: int) -> None:
        """Says that a body of some bytes is no longer held."""
        self.total -= length

    async def _refuse_size(
        self, receive: Receive, received: str, is_more: bool = True
    ) -> Refusal:
        """Drops what is on its way: clients that are still sending see no answer."""
        deadline, drained = time.monotonic() + self._DRAIN_SECONDS, 0
        try:
            while is_more and drained < self._MAX_DRAINED:
                message = await _receive(receive, deadline)
                drained += len(message.get("body", b""))
                is_more = message.get("more_body", False)
        except Refusal:
            pass
        return Refusal(
            413,
            f"The body must have at most {self.max_body} bytes. Send a smaller picture, or "
            f"fewer. Received: {received}",
            {"Connection": "close"},
        )


async def _receive(receive: Receive, deadline: float) -> Message:
    try:
        message = await asyncio.wait_for(receive(), deadline - time.monotonic())
    except TimeoutError as error:
        raise Refusal(
            408,
            "The body did not arrive in time. Send it faster, or a smaller one.",
            {"Connection": "close"},
        ) from error
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message
