"""The process itself: signals, slow and idle connections, an independent client, load."""

import base64
import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from serving.fake_server import decode, encode, expected, photo_and_mask

POST = b"POST /inpaint HTTP/1.1\r\nHost: x\r\n"
# The fake network in a process of its own: what is tested is all that stands around it.
SERVER = """
import os, sys
from serving.fake_server import FakeSource
from keras_inpaint.serving import server, sources
from keras_inpaint.serving.limits import Limits

class Source(FakeSource):
    def __init__(self, *ignored):
        super().__init__()
    def load(self, version):
        inpainter = super().load(version)
        self.generators[version].seconds = float(os.environ.get("SECONDS", 0))
        return inpainter

sources.PresetSource = Source
limits = Limits(memory=2**31, head_timeout=2.0, body_timeout=2.0, timeout=20.0, max_requests=8)
server.serve(limits=limits, port=int(sys.argv[1]))
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def running(**environment):
    port = free_port()
    environment = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(SERVER), str(port)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_for(port, process)
        yield port, process
    finally:
        process.kill()
        process.communicate()


def wait_for(port, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, process.stdout.read().decode()
        with contextlib.suppress(OSError), urllib.request.urlopen(url(port, "/readyz")):
            return
        time.sleep(0.2)
    raise AssertionError("the server did not start")


def url(port, path):
    return f"http://127.0.0.1:{port}{path}"


@pytest.fixture(scope="module")
def server():
    # 2,000 connections, and those of this process.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    with running() as (port, process):
        yield port, process
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


FORM = "multipart/form-data; boundary=x"


def form():
    """The body of a request to fill a photo."""
    photo, mask = photo_and_mask()
    parts = b""
    for name, content in (("photo", encode(photo)), ("mask", encode(mask))):
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n\r\n'
        parts += head.encode() + content + b"\r\n"
    return parts + b"--x--\r\n"


def post(port, timeout=30):
    """Fills a photo over HTTP, and returns the status, the headers and the body."""
    request = urllib.request.Request(url(port, "/inpaint"), form(), {"Content-Type": FORM})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def check_answers_rightly(port):
    status, _, content = post(port)
    assert status == 200, content
    np.testing.assert_array_equal(decode(content), expected(*photo_and_mask()))


def memory(process):
    """Resident bytes of a process."""
    with open(f"/proc/{process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def wait_for_metrics(port, line):
    """Returns what `/metrics` says once it says a line."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with urllib.request.urlopen(url(port, "/metrics")) as answer:
            text = answer.read().decode()
        if f"keras_inpaint_{line}\n" in text:
            return text
        time.sleep(0.05)
    raise AssertionError(text)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_all(connection):
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.slow  # Two processes of TensorFlow, and waits for timeouts.
def test_two_thousand_idle_connections_keep_nobody_from_an_answer(server):
    port, _ = server
    check_answers_rightly(port)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(port)) for _ in range(2000)]
        check_answers_rightly(port)
        # Each is closed once its time is over, without a word.
        assert read_all(connections[0]) == b""
        assert read_all(connections[-1]) == b""
    check_answers_rightly(port)


@pytest.mark.slow  # As above.
@pytest.mark.parametrize(
    "begin",
    [
        b"POST /inpaint HTT",
        POST + b"Content-Length: 1000\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ],
    ids=["head", "body", "chunks"],
)
def test_a_slow_sender_gets_408(server, begin):
    port, _ = server
    with connect(port) as connection:
        connection.sendall(begin)
        started = time.monotonic()
        answer = read_all(connection)
        assert time.monotonic() - started < 15
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"error"' in answer
    check_answers_rightly(port)


@pytest.mark.slow  # As above.
@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        POST + b"Content-Length: -5\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%00%0d%0a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/models/%2e%2e%2f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
    ids=["header", "path", "tls", "length", "lengths", "chunks", "controls", "dots"],
)
def test_a_malformed_head_gets_4xx_and_the_connection_is_closed(server, head):
    port, _ = server
    with connect(port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
    check_answers_rightly(port)


@pytest.mark.slow  # As above.
def test_bodies_that_never_end_are_413_and_leave_no_memory(server):
    port, process = server
    check_answers_rightly(port)
    before = memory(process)
    for _ in range(4):
        with connect(port) as connection:
            connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
            with contextlib.suppress(ConnectionError, TimeoutError):
                for _ in range(200):
                    connection.sendall(chunk)
            answer = b""
            with contextlib.suppress(ConnectionError, TimeoutError):
                answer = connection.recv(4096)
        # Who goes on sending after the answer may lose it.
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    check_answers_rightly(port)
    # A body may have as many as 64 MiB, and what malloc keeps of it.
    assert memory(process) < before + 100 * 2**20


@pytest.mark.slow  # As above.
def test_overload_is_429_or_200_and_leaves_the_process_as_it_was():
    with running(SECONDS="0.1") as (port, process):
        for _ in range(3):
            check_answers_rightly(port)
        statuses, end = [], time.monotonic() + 12
        sizes = []

        def send():
            while time.monotonic() < end:
                status, headers, _ = post(port)
                statuses.append((status, headers.get("Retry-After")))
                sizes.append(memory(process))

        threads = [threading.Thread(target=send) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answered = [status for status, _ in statuses]
        assert set(answered) == {200, 429}, set(answered)
        assert all(wait and int(wait) >= 1 for status, wait in statuses if status == 429)
        check_answers_rightly(port)
        middle = float(np.median(sizes[len(sizes) // 4 : len(sizes) // 2]))
        assert memory(process) < 1.05 * middle


@pytest.mark.slow  # As above.
def test_nobody_works_for_a_client_that_has_gone():
    with running(SECONDS="5") as (port, _):
        thread = threading.Thread(target=check_answers_rightly, args=(port,))
        thread.start()
        wait_for_metrics(port, "requests_under_way 1.0")
        # It is no longer waiting, but with the network.
        time.sleep(1)
        with connect(port) as connection:
            head = f"Content-Type: {FORM}\r\nContent-Length: {len(form())}\r\n\r\n"
            connection.sendall(POST + head.encode() + form())
            wait_for_metrics(port, "queue_pictures 1.0")
        thread.join()
        text = wait_for_metrics(port, "requests_under_way 0.0")
        # Three to warm up, and that of the client that stayed.
        assert "keras_inpaint_batch_size_sum 4.0" in text
        assert 'route="/inpaint",status="499"} 1.0' in text


@pytest.mark.slow  # As above.
def test_sigterm_finishes_what_is_under_way_and_refuses_the_rest():
    with running(SECONDS="2") as (port, process):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(post(port)))
        thread.start()
        time.sleep(0.7)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError, match=r"refused|reset"):
            urllib.request.urlopen(url(port, "/healthz"), timeout=5)
        thread.join()
        status, _, content = answers[0]
        assert status == 200
        np.testing.assert_array_equal(decode(content), expected(*photo_and_mask()))
        assert process.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.slow  # As above.
@pytest.mark.parametrize("is_binary", [True, False])
def test_the_client_of_triton_gets_the_filling_of_arrays_and_of_files(server, is_binary):
    tritonclient = pytest.importorskip("tritonclient.http")
    port, _ = server
    photo, mask = photo_and_mask()
    client = tritonclient.InferenceServerClient(f"127.0.0.1:{port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("fake")
    assert client.is_model_ready("fake", "1")
    assert client.get_server_metadata()["name"] == "keras-inpaint"
    named = {"images": photo[None], "masks": mask[None, ..., None]}
    declared = {each["name"]: each for each in client.get_model_metadata("fake")["inputs"]}
    inputs = []
    for name, array in named.items():
        inputs.append(tritonclient.InferInput(name, array.shape, declared[name]["datatype"]))
        inputs[-1].set_data_from_numpy(array, binary_data=is_binary)
    outputs = [tritonclient.InferRequestedOutput("completed", binary_data=is_binary)]
    answer = client.infer("fake", inputs, outputs=outputs, request_id="7")
    assert answer.get_response()["id"] == "7"
    np.testing.assert_array_equal(answer.as_numpy("completed")[0], expected(photo, mask))
    if not is_binary:
        return
    inputs = []
    for name, array in (("image_bytes", photo), ("mask_bytes", mask)):
        inputs.append(tritonclient.InferInput(name, [1], "BYTES"))
        inputs[-1].set_data_from_numpy(np.array([encode(array)], object))
    # Without a list of outputs, the client asks for all of them in binary.
    (content,) = client.infer("fake", inputs).as_numpy("completed_bytes")
    np.testing.assert_array_equal(decode(content), expected(photo, mask))
    with pytest.raises(Exception, match="There is no model 'other'"):
        client.infer("other", inputs)


@pytest.mark.slow  # As above.
def test_the_client_of_kserve_gets_the_filling_in_both_protocols(server):
    """In an environment of its own: what it needs does not go with TensorFlow."""
    root = pathlib.Path(__file__).parents[2]
    python = root / ".venv-kserve" / "bin" / "python"
    if not python.exists():
        pytest.skip("`make test-kserve` installs kserve and runs this test")
    photo, mask = photo_and_mask()
    files = {"image_bytes": encode(photo), "mask_bytes": encode(mask)}
    given = {
        "address": url(server[0], ""),
        "arrays": {"images": [photo.tolist()], "masks": mask[None, ..., None].tolist()},
        "files": {name: base64.b64encode(file).decode() for name, file in files.items()},
    }
    client = pathlib.Path(__file__).with_name("kserve_client.py")
    done = subprocess.run(
        [python, client], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert "There is no model 'other'" in answers.pop("error")
    assert len(answers) == 5
    for name, answer in answers.items():
        is_file = name.endswith("files")
        filled = decode(base64.b64decode(answer)) if is_file else np.squeeze(answer)
        np.testing.assert_array_equal(filled, expected(photo, mask), err_msg=name)


@pytest.mark.slow  # As above.
def test_metrics_count_what_was_answered(server):
    port, _ = server
    check_answers_rightly(port)
    with urllib.request.urlopen(url(port, "/metrics")) as answer:
        text = answer.read().decode()
    assert 'keras_inpaint_requests_total{route="/inpaint",status="200"}' in text
    assert "keras_inpaint_batch_size_bucket" in text
    with urllib.request.urlopen(url(port, "/v1/models/fake")) as answer:
        assert json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"
