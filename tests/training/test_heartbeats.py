"""What the processes of a training hear of each other beside JAX."""

import queue
import socket
import struct

import numpy as np
import pytest

from keras_inpaint.training.heartbeats import Heartbeats

HOUR = 3600


@pytest.fixture
def begin():
    """Makes the end of one process, and tells the port, the token and what was lost."""
    made = []

    def begin(is_chief, patience=HOUR, told=(0, 0)):
        exchanged, lost = [], queue.Queue()

        def add(arrays):
            exchanged.extend(arrays)
            return [arrays[0] + np.int32(told)]

        beats = Heartbeats("localhost", is_chief, 1, add, patience, lost.put)
        made.append(beats)
        return beats, exchanged[0].tolist(), lost

    yield begin
    for each in made:
        each.stop()


def connected(port, token):
    connection = socket.create_connection(("localhost", port))
    connection.sendall(struct.pack("!i", token))
    return connection


def all_of(connection):
    """What is sent until the end."""
    return b"".join(iter(lambda: connection.recv(64), b""))


def test_a_process_whose_connection_ends_is_lost(begin):
    _, (port, token), lost = begin(True)
    with connected(port, token) as worker:
        assert worker.recv(1) == b"+"
    assert lost.get(timeout=60) == "its connection was closed"


def test_a_process_that_says_so_is_not_lost(begin):
    _, (port, token), lost = begin(True)
    with connected(port, token) as worker:
        worker.sendall(b".")
        all_of(worker)
    assert lost.empty()


def test_a_process_of_which_nothing_is_heard_is_lost(begin):
    _, (port, token), lost = begin(True, patience=0)
    with connected(port, token):
        assert lost.get(timeout=60) == "nothing was heard of it for 0 seconds"


def test_who_does_not_know_the_token_is_nobody(begin):
    _, (port, token), lost = begin(True)
    with connected(port, token ^ 1) as stranger:
        assert all_of(stranger) == b""
    # The place is still free.
    with connected(port, token) as worker:
        assert worker.recv(1) == b"+"
        assert lost.empty()


def test_the_end_is_announced_in_either_direction(begin):
    chief, (port, token), lost = begin(True)
    worker, exchanged, lost_by_worker = begin(False, told=(port, token))
    assert exchanged == [0, 0]
    with socket.create_server(("localhost", 0)) as server:
        other, _, _ = begin(False, told=(server.getsockname()[1], 7))
        connection, _ = server.accept()
        with connection:
            assert connection.recv(4) == struct.pack("!i", 7)
            assert connection.recv(1) == b"+"
            other.stop()
            assert b"." in all_of(connection)
    worker.stop()
    chief.stop()
    assert lost.empty()
    assert lost_by_worker.empty()


def test_where_there_is_no_connection_nobody_is_lost(begin):
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    beats, _, lost = begin(False, patience=0, told=(port, 7))
    beats.thread.join(60)
    assert not beats.thread.is_alive()
    assert lost.empty()
