"""Heartbeats between the processes of a training: who is lost is missed by the others."""

import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

# What is sent: that one is there, and that one ends by itself.
_BEAT, _BYE = b"+", b"."
_SECONDS_BETWEEN = 1
# A token by which the processes of this training know each other.
_HELLO = struct.Struct("!i")
# For others to connect, which all do at once.
_SECONDS_TO_CONNECT = 20


class Heartbeats:
    """Connections of the chief with all other processes, over which each says that it is there.

    They carry nothing else. Where one cannot be made, as behind a firewall, nobody watches it.

    Args:
        host: str. That of the chief.
        is_chief: bool. Whether this process is the chief.
        num_others: int. Processes beside the chief.
        add: Function that adds up a list of arrays over the processes, see `Cluster.add`.
        patience: float. Seconds without a sign of another process after which it is lost.
        on_lost: Function, called in a thread with the reason, once, where one is lost.

    Attributes:
        thread: `threading.Thread` that makes the connections.
    """

    def __init__(
        self,
        host: str,
        is_chief: bool,
        num_others: int,
        add: Callable[[Sequence[Any]], list[Any]],
        patience: float,
        on_lost: Callable[[str], None],
    ) -> None:
        self._patience, self._on_lost = patience, on_lost
        self._is_over = threading.Event()
        self._first = threading.Lock()
        self._connections: list[socket.socket] = []
        server = _listen() if is_chief else None
        port = server.getsockname()[1] if server else 0
        told = np.array([port, secrets.randbelow(2**31)], np.int32) * np.int32(is_chief)
        port, token = (int(each) for each in add([told])[0])
        if server is not None:
            self.thread = _start(self._accept, server, num_others, token)
        else:
            self.thread = _start(self._connect, host, port, token)

    def stop(self) -> None:
        """Says that this process goes on, or ends, by itself."""
        self._is_over.set()
        for connection in self._connections:
            with suppress(OSError):
                connection.sendall(_BYE)

    def _accept(self, server: socket.socket, num: int, token: int) -> None:
        end = time.monotonic() + _SECONDS_TO_CONNECT
        with server:
            while num and (left := end - time.monotonic()) > 0:
                server.settimeout(left)
                try:
                    connection, _ = server.accept()
                    connection.settimeout(_SECONDS_BETWEEN)
                    if connection.recv(_HELLO.size) != _HELLO.pack(token):
                        connection.close()
                        continue
                except OSError:
                    continue
                num -= 1
                _start(self._watch, connection)

    def _connect(self, host: str, port: int, token: int) -> None:
        try:
            connection = socket.create_connection((host, port), _SECONDS_TO_CONNECT)
            connection.sendall(_HELLO.pack(token))
        except OSError:
            return
        self._watch(connection)

    def _watch(self, connection: socket.socket) -> None:
        """Beats, and listens, until one of both ends."""
        self._connections.append(connection)
        connection.settimeout(_SECONDS_BETWEEN)
        last = sent = time.monotonic()
        with connection:
            while not self._is_over.is_set():
                received, now = _receive(connection), time.monotonic()
                if received is not None:
                    last = now
                if received == b"":
                    self._lose("its connection was closed")
                    return
                if received is not None and _BYE in received:
                    return
                if now - last > self._patience:
                    self._lose(f"nothing was heard of it for {self._patience:g} seconds")
                    return
                if now - sent >= _SECONDS_BETWEEN:
                    sent = now
                    # What was sent before the end is read all the same.
                    with suppress(OSError):
                        connection.sendall(_BEAT)

    def _lose(self, reason: str) -> None:
        if self._first.acquire(blocking=False) and not self._is_over.is_set():
            self._on_lost(reason)


def _start(work: Callable[..., None], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name="heartbeats", daemon=True)
    thread.start()
    return thread


def _listen() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _receive(connection: socket.socket) -> bytes | None:
    """Returns what has come: empty at the end, `None` where nothing has for a while."""
    try:
        return connection.recv(4096)
    except TimeoutError:
        return None
    except OSError:
        return b""
