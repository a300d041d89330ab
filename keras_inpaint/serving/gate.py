"""What stands before all routes: key, body, time, counting, and errors of one form."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from keras_inpaint.serving.limits import Disconnected, Refusal, shown
from keras_inpaint.serving.page_files import PAGE_FOLDER, PAGE_PATHS
from keras_inpaint.serving.state import IS_LATE, Server

# Answered without a key: what load balancers ask, and the page, which asks its user for it.
_OPEN_PATHS = frozenset(
    ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", *PAGE_PATHS)
)
# Bytes of an answer that are handed over at once.
_PART = 2**18


class Gate:
    """Middleware before all routes.

    Args:
        app: ASGI application.
        server: `Server`.
    """

    def __init__(self, app: Any, server: Server) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 499
        # Decided as it comes: while its body arrives, the server may begin to end.
        is_late = scope[IS_LATE] = self._server.is_draining
        self._server.num_answering += not is_late

        async def counted_send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await self._send(send, message)

        try:
            await self._answer(scope, receive, counted_send)
        except Disconnected:
            pass
        except Exception:
            status = 500
            raise
        finally:
            self._server.num_answering -= not is_late
            route = getattr(scope.get("route"), "path", "other")
            metrics = self._server.metrics
            metrics.requests.labels(route, str(status)).inc()
            metrics.seconds.labels(route).observe(time.monotonic() - begun)

    async def _send(self, send: Any, message: Any) -> None:
        """Sends a message in parts: of a client that does not read, little is kept."""
        body = message.get("body", b"")
        for start in range(0, max(len(body), 1), _PART):
            part = dict(message)
            if body:
                is_last = start + _PART >= len(body)
                part["body"] = body[start : start + _PART]
                part["more_body"] = message.get("more_body", False) or not is_last
            try:
                await asyncio.wait_for(send(part), self._server.limits.body_timeout)
            except TimeoutError as error:
                raise Disconnected from error

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        bodies, length = self._server.bodies, 0
        try:
            path = scope["path"]
            if path not in _OPEN_PATHS and not path.startswith(PAGE_FOLDER):
                _check_key(headers, self._server.key)
            if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise Refusal(
                    415, "`Content-Encoding` must be left out: bodies come as they are."
                )
            body = await bodies.read(receive, _declared(headers))
            length = len(body)
            await self._app(scope, _replaying(body, receive), send)
        except Refusal as refusal:
            await error_response(refusal)(scope, receive, send)
        finally:
            bodies.release(length)


def _declared(headers: dict[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() and len(text) < 20 else None


def _check_key(headers: dict[bytes, bytes], key: str | None) -> None:
    if key is None:
        return
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    # In a time that does not depend on where they differ.
    is_right = hmac.compare_digest(token.strip(), key.encode("utf-8"))
    if scheme.lower() != b"bearer" or not is_right:
        raise Refusal(
            401,
            "`Authorization` must be `Bearer KEY` with the key of this server.",
            {"WWW-Authenticate": "Bearer"},
        )


def _replaying(body: bytes, receive: Any) -> Callable[[], Awaitable[Any]]:
    """ASGI's `receive`: the body, then what the client does later."""
    is_read = False

    async def replay() -> Any:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def error_response(refusal: Refusal) -> JSONResponse:
    """Returns the answer to a request that is refused."""
    return JSONResponse(
        {"error": str(refusal)}, refusal.status, headers=refusal.headers or None
    )


def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answers 400 to a form that does not have the fields of the route, and names the first."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "body"
    received = first.get("input")
    seen = "" if received is None else f" Received: {shown(received)}"
    return error_response(Refusal(400, f"`{name}`: {first['msg']}.{seen}"))


def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """Answers what the framework refuses, such as an unknown route, as all errors are."""
    assert isinstance(error, HTTPException)
    headers, message = dict(error.headers or {}), str(error.detail)
    if error.status_code == 405:
        path, allowed = shown(request.url.path), headers.get("Allow", "another method")
        message = f"{path} takes {allowed} alone. Received: {request.method}"
    return error_response(Refusal(error.status_code, message, headers))


def on_refusal(request: Request, error: Exception) -> JSONResponse:
    """Answers with the status and the reason of a `Refusal`."""
    assert isinstance(error, Refusal)
    return error_response(error)


def on_bug(request: Request, error: Exception) -> JSONResponse:
    """Answers 500 to a fault of the server itself, and shows nothing of its inside."""
    message = "The server failed at this request; its log says how."
    return error_response(Refusal(500, message))
