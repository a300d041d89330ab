"""Requests a second and their times, beside the bare call of the same exported model.

    python benchmarks/serving.py saved_models/NAME [--size 256] [--requests 24]
        [--clients 1 4 16] [--overload 60]

The model is called in this process, and by clients of `keras-inpaint serve` in another, with
batches of one and of four: they send two PNG files, and a PNG file comes back. The bare call is
that of `serving_default`, with the same pictures as tensors: nothing is decoded or encoded.
(That of `serving_bytes`, which does as much as the server, takes longer, and stands beside it.)
At one client, the calls and the request are made in turn, so that what else the machine does
disturbs all alike. Then the server is sent more than it can take, for as many seconds as
`--overload` says, while its memory is watched. Linux alone shows that.
"""

import argparse
import base64
import collections
import contextlib
import http.client
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from PIL import Image
from timing import interleaved, milliseconds, ratio


def files(size):
    """A photo and a mask of a quarter of its sides, as PNG files."""
    rows, columns = np.mgrid[:size, :size]
    photo = np.stack([rows, columns, rows + columns], axis=-1) * 255 // (2 * size)
    mask = np.zeros((size, size), np.uint8)
    mask[size // 4 : size // 2, size // 4 : size // 2] = 255
    return [encode(pixels) for pixels in (photo.astype(np.uint8), mask)]


def encode(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def bare_calls(version, contents):
    """The exported graph, of tensors and of files, as functions without arguments."""
    import tensorflow as tf

    signatures = tf.saved_model.load(str(version)).signatures
    files = [tf.constant([content]) for content in contents]
    image, mask = (tf.constant(np.asarray(Image.open(io.BytesIO(it)))[None]) for it in contents)
    mask = mask[..., None]

    def of_tensors():
        return signatures["serving_default"](images=image, masks=mask)["completed"].numpy()

    def of_files():
        outputs = signatures["serving_bytes"](image_bytes=files[0], mask_bytes=files[1])
        return outputs["completed_bytes"].numpy()

    return {"bare": of_tensors, "bare, files": of_files}


@contextlib.contextmanager
def server(model, *options):
    """Runs `keras-inpaint serve`, and yields its port and process."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "keras_inpaint", "serve", "--model", str(model)]
    process = subprocess.Popen([*command, "--port", str(port), *options])
    try:
        while get(port, "/readyz") != 200:
            if process.poll() is not None:
                raise SystemExit("The server has ended.")
            time.sleep(0.5)
        yield port, process
    finally:
        process.terminate()
        process.wait()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", path)
        return connection.getresponse().status
    return None


class Client:
    """One connection that sends the same request again and again."""

    def __init__(self, port, name, contents):
        row = {
            key: {"b64": base64.b64encode(content).decode()}
            for key, content in zip(("image_bytes", "mask_bytes"), contents, strict=True)
        }
        self.body = json.dumps({"signature_name": "serving_bytes", "instances": [row]})
        self.path = f"/v1/models/{name}:predict"
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def __call__(self):
        self.connection.request("POST", self.path, self.body)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status == 200:
            base64.b64decode(json.loads(content)["predictions"][0]["b64"])
        return answer.status


def load(clients, num_requests=None, seconds=None):
    """Lets all clients send at once; returns seconds and counted statuses."""
    times, statuses = [], collections.Counter()
    end = None if seconds is None else time.perf_counter() + seconds

    def send(client):
        num = 0
        while num < num_requests if end is None else time.perf_counter() < end:
            start = time.perf_counter()
            statuses[client()] += 1
            times.append(time.perf_counter() - start)
            num += 1

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, statuses


def memory(process):
    """Resident MiB of a process."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def percentile(times, percent):
    return 1000 * float(np.percentile(times, percent))


def measure(port, name, contents, arguments, bare):
    client = Client(port, name, contents)
    times = interleaved({**bare, "served": client}, arguments.requests)
    for label, of_all in times.items():
        print(
            f"| {label if label in bare else 1} | {1 / statistics.mean(of_all):.2f} | "
            f"{milliseconds(times, label):.0f} | {percentile(of_all, 99):.0f} | "
            f"{ratio(times, label, 'bare'):.2f} |"
        )
    for num in arguments.clients:
        if num == 1:
            continue
        clients = [Client(port, name, contents) for _ in range(num)]
        load(clients, num_requests=1)
        start = time.perf_counter()
        times, statuses = load(clients, num_requests=max(arguments.requests // num, 3))
        rate = len(times) / (time.perf_counter() - start)
        assert set(statuses) == {200}, statuses
        print(
            f"| {num} | {rate:.2f} | {percentile(times, 50):.0f} | "
            f"{percentile(times, 99):.0f} | |"
        )


def overload(port, process, name, contents, seconds):
    clients = [Client(port, name, contents) for _ in range(64)]
    # A first burst: what the process then has, it keeps.
    load(clients, seconds=min(seconds / 4, 15))
    before = memory(process)
    _, statuses = load(clients, seconds=seconds)
    after = memory(process)
    time.sleep(1)
    healthy = get(port, "/healthz") == 200 and Client(port, name, contents)() == 200
    print(
        f"Overload, 64 clients, {seconds:.0f} s: {dict(statuses)}; memory {before:.0f} to "
        f"{after:.0f} MiB ({100 * (after / before - 1):+.1f} %); healthy afterwards: {healthy}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--overload", type=float, default=60)
    arguments = parser.parse_args()
    contents, name = files(arguments.size), arguments.model.resolve().name
    version = max(
        (path for path in arguments.model.iterdir() if path.name.isdecimal()),
        key=lambda path: int(path.name),
    )
    bare = bare_calls(version, contents)
    for batch_size in (1, 4):
        print(
            f"\nBatches of {batch_size}, {arguments.size} x {arguments.size} pixels, load "
            f"{os.getloadavg()[0]:.1f}\n"
        )
        print("| clients | requests a second | p50, ms | p99, ms | times the bare call |")
        print("|---|---|---|---|---|")
        with server(arguments.model, "--max-batch-size", str(batch_size)) as (port, process):
            measure(port, name, contents, arguments, bare)
            if batch_size > 1 and arguments.overload:
                overload(port, process, name, contents, arguments.overload)


if __name__ == "__main__":
    main()
