"""Ray: processes that are killed, and what becomes of the work."""

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import psutil
import pytest
from PIL import Image
from serving.fake_server import decode, encode, photo_and_mask
from serving.test_process import free_port, url, wait_for

import keras_inpaint as ki
from keras_inpaint.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def not_after_all_others(monkeypatch):
    """Beside tests, its processes would wait for ever: Ray lets all others run first."""
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    generator = ki.models.Generator.deepfill_v2(width=8, guided=True)
    kernel = np.zeros(generator.weights[0].shape, "float32")
    # The first kernel meets the sketch alone.
    kernel[:, :, 3] = 1
    generator.weights[0].assign(kernel)
    ki.Inpainter(generator, image_size=64).save_to_preset(folder)
    return folder


def start(*arguments):
    command = [sys.executable, "-m", "keras_inpaint", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def descendants(process, title):
    """The processes that Ray has made for it, by the names that Ray gives them."""
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                found += [child] if title in " ".join(child.cmdline()) else []
    return found


def ask(port, photo, mask, **more):
    """The status of an answer, its headers, and its body."""
    named = {"photo": photo, "mask": mask, **more}
    named = {name.encode(): encode(pixels) for name, pixels in named.items()}
    parts = [
        b"--x\r\nContent-Disposition: form-data; name=%s; filename=a.png\r\n\r\n" % name + it
        for name, it in named.items()
    ]
    body = b"\r\n".join([*parts, b"--x--\r\n"])
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Accept": "image/png"}
    request = urllib.request.Request(url(port, "/inpaint"), body, headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_a_network_that_is_killed_costs_its_own_requests_alone(preset):
    port = free_port()
    process = start("serve", "--preset", preset, "--engine", "ray", "--port", port)
    try:
        wait_for(port, process, seconds=400)
        photo, mask = photo_and_mask()
        status, _, content = ask(port, photo, mask)
        assert status == 200
        inpainter = ki.Inpainter.from_preset(preset)
        expected = inpainter.inpaint(photo, mask)
        assert np.abs(decode(content).astype(int) - expected).max() <= 1
        lines = np.zeros_like(mask)
        lines[12:15] = 255
        status, _, content = ask(port, photo, mask, sketch=lines)
        assert status == 200
        drawn = inpainter.inpaint(photo, mask, sketch=lines).astype(int)
        assert np.abs(drawn - expected).max() > 1
        assert np.abs(decode(content) - drawn).max() <= 1

        answers, is_over = [], threading.Event()

        def keep_asking():
            while not is_over.is_set():
                answers.append(ask(port, photo, mask))

        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            asking = [clients.submit(keep_asking) for _ in range(4)]
            while len(answers) < 8:
                time.sleep(0.05)
            (network, *_) = descendants(process, "Network")
            network.send_signal(signal.SIGKILL)
            num_before = len(answers)
            while [status for status, *_ in answers[num_before:]].count(200) < 8:
                assert process.poll() is None
                time.sleep(0.05)
            is_over.set()
            for each in asking:
                each.result()
        assert {status for status, *_ in answers} <= {200, 503}
        for status, headers, content in answers:
            if status == 503:
                assert int(headers["Retry-After"]) > 0
                assert "error" in json.loads(content)

        # Drained: what is under way is answered; it may have come too late to be.
        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            last = [clients.submit(ask, port, photo, mask) for _ in range(4)]
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            ends = [each.result()[0] for each in last]
            assert set(ends) <= {200, 503}
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output.decode()
        assert not psutil.pid_exists(network.pid)
    finally:
        for child in descendants(process, ""):
            child.kill()
        process.kill()
        process.communicate()


def test_a_folder_is_filled_by_processes_and_what_was_done_before_is_left(
    preset, tmp_path, capsys
):
    photos, masks, output = (tmp_path / name for name in ("photos", "masks", "filled"))
    for folder in (photos, masks):
        folder.mkdir()
    for seed in range(6):
        photo, mask = photo_and_mask(48, 64 + 8 * seed)
        Image.fromarray(photo).save(photos / f"{seed}.png")
        Image.fromarray(mask).save(masks / f"{seed}.png")
    Image.fromarray(mask).save(masks / "broken.png")
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    command = ["inpaint", str(photos), "--mask", str(masks), "--output", str(output)]
    command += ["--preset", str(preset), "--engine", "ray", "--workers", "1"]
    assert main(command) == 1
    assert "broken.png failed" in capsys.readouterr().err
    inpainter = ki.Inpainter.from_preset(preset)
    for seed in range(6):
        expected = inpainter.inpaint(*photo_and_mask(48, 64 + 8 * seed))
        filled = np.asarray(Image.open(output / f"{seed}.png"))
        assert np.abs(filled.astype(int) - expected).max() <= 1

    # What a process of the cluster did, the threads of another run know, and the other way.
    report = ki.inpaint_folder(preset, photos, masks, output)
    assert report.counts == {"skipped": 6, "failed": 1}
