"""The page in a real browser: headless Chromium, with either engine behind it."""

import functools
import http.server
import json
import shutil
import socket
import threading

import numpy as np
import onnx
import pytest
import uvicorn
from browser.page import Page
from onnx import TensorProto, helper
from selenium import webdriver
from serving.fake_server import Served

from keras_inpaint.serving.static_page import copy_page

# A GPU that the CPU imitates: as slow as it is, it shows that the network runs on one.
IMITATED_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
# Noise that neither engine paints: the fake server 191, the fake network what it sees, negated.
DARKEST, BRIGHTEST = 5, 150


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *ignored):
        pass


class _Isolated(_Quiet):
    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


def write_negative(path, is_guided=False):
    """A network that predicts the negative of what it sees, and draws sketches darkly on it."""
    sizes = ["num", "height", "width"]
    drawn = [helper.make_tensor_value_info("sketches", TensorProto.UINT8, [*sizes, 1])]
    draw = [
        helper.make_node("Cast", ["sketches"], ["ink"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["negative", "ink"], ["levels"]),
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["seen"], to=TensorProto.FLOAT),
            # In floats, as GPUs compute.
            helper.make_node("Sub", ["white", "seen"], ["negative"]),
            *(draw if is_guided else [helper.make_node("Identity", ["negative"], ["levels"])]),
            helper.make_node("Cast", ["levels"], ["predicted"], to=TensorProto.UINT8),
            helper.make_node("Identity", ["masks"], ["holes"]),
        ],
        "negative",
        [
            helper.make_tensor_value_info("images", TensorProto.UINT8, [*sizes, 3]),
            helper.make_tensor_value_info("masks", TensorProto.UINT8, [*sizes, 1]),
            *(drawn if is_guided else []),
        ],
        [
            helper.make_tensor_value_info("predicted", TensorProto.UINT8, [*sizes, 3]),
            helper.make_tensor_value_info("holes", TensorProto.UINT8, [*sizes, 1]),
        ],
        [helper.make_tensor("white", TensorProto.FLOAT, [], [255.0])],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


@pytest.fixture(scope="session")
def show_folder():
    """Serves folders as any web space would; returns their addresses."""
    servers = []

    def show(folder, is_isolated=False):
        handler = _Isolated if is_isolated else _Quiet
        handler = functools.partial(handler, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield show
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory):
    """The page without a server, over a network that paints negatives."""
    folder = tmp_path_factory.mktemp("site")
    copy_page(folder)
    write_negative(folder / "model.onnx")
    settings = {"engine": "browser", "model": "model.onnx", "imageSize": 128}
    (folder / "page.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def static_site(static_folder, show_folder):
    return show_folder(static_folder)


@pytest.fixture(scope="session")
def show_served():
    """Runs the real server over the fake network; returns its address."""
    running = []

    def show(served):
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(served.app, log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        running.append((server, thread, listening))
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield show
    for server, thread, listening in running:
        server.should_exit = True
        thread.join(30)
        listening.close()


@pytest.fixture(scope="session")
def fake(show_served):
    """The fake network's server, and its address."""
    served = Served()
    return served, show_served(served)


@pytest.fixture(scope="session")
def open_browser(tmp_path_factory):
    """Starts Chromium; mobile ones are as narrow as a phone, and have fingers for a mouse."""
    drivers = []

    def start(width=1280, height=800, is_phone=False, arguments=()):
        downloads = tmp_path_factory.mktemp("downloads")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        always = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage")
        for argument in (*always, *arguments):
            options.add_argument(argument)
        options.add_argument(f"--window-size={width},{height}")
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        if is_phone:
            metrics = {"width": width, "height": height, "pixelRatio": 2, "touch": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        drivers.append(driver)
        return Page(driver, downloads)

    yield start
    for driver in drivers:
        driver.quit()


@pytest.fixture(scope="session")
def desktop(open_browser):
    return open_browser()


@pytest.fixture(scope="session")
def phone(open_browser):
    return open_browser(390, 844, is_phone=True)


@pytest.fixture(params=["server", "browser"])
def engine(request):
    return request.param


@pytest.fixture
def url(engine, request):
    if engine == "browser":
        return request.getfixturevalue("static_site")
    return request.getfixturevalue("fake")[1]


@pytest.fixture
def photo(rng):
    return rng.integers(DARKEST, BRIGHTEST, (90, 120, 3), np.uint8)
