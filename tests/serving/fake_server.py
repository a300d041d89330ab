"""A server without a socket, over a network that paints grey."""

import io
import threading
import time

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from keras_inpaint import Inpainter
from keras_inpaint.serving.app import build_app
from keras_inpaint.serving.limits import Limits
from keras_inpaint.serving.models import ModelKeeper
from keras_inpaint.serving.state import Metrics, Server

# What the fake network paints: 0.5 of [-1, 1].
PAINTED = 191


class FakeGenerator:
    """A generator that paints one grey, and remembers what it was asked."""

    channels, size_multiple, width, name = 3, 8, 8, "fake"

    def __init__(self):
        self.batch_sizes = []
        self.seconds = 0.0
        self.error = None
        self.may_go = threading.Event()
        self.may_go.set()
        self.has_begun = threading.Event()

    def predict_on_batch(self, inputs):
        self.has_begun.set()
        self.may_go.wait(20)
        time.sleep(self.seconds)
        self.batch_sizes.append(len(inputs["masks"]))
        if self.error is not None:
            raise self.error
        return {"refined": np.full_like(inputs["corrupted"], 0.5)}


class FakeSource:
    """Versions of a model, each with a fake network of its own."""

    name = "fake"

    def __init__(self):
        self.version = 1
        self.generators = {}
        self.error = None

    def latest(self):
        return self.version

    def load(self, version):
        if self.error is not None:
            raise self.error
        self.generators[version] = FakeGenerator()
        return Inpainter(self.generators[version], "fake", image_size=64)


class Served:
    """A server without a socket, and what stands behind it."""

    def __init__(self, key=None, **limits):
        self.limits = Limits(**{"memory": 2**31, "timeout": 20.0, **limits})
        self.source = FakeSource()
        metrics = Metrics()
        self.keeper = ModelKeeper(self.source, self.limits, metrics.observe_batch, False)
        self.server = Server(self.keeper, self.limits, metrics, key, refresh_seconds=3600)
        self.app = build_app(self.server)
        self.client = TestClient(self.app)

    @property
    def generator(self):
        return self.source.generators[self.keeper.current.version]


def photo_and_mask(height=48, width=64):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[8:20, 10:30] = 255
    return photo, mask


def encode(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def decode(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def expected(photo, mask):
    return np.where(mask[..., None] > 127, np.uint8(PAINTED), photo)


def check_answers_rightly(client):
    """Sends a request that must be answered as if nothing had been before it."""
    photo, mask = photo_and_mask()
    files = {"photo": encode(photo), "mask": encode(mask)}
    answer = client.post("/inpaint", files=files)
    assert answer.status_code == 200, answer.text
    np.testing.assert_array_equal(decode(answer.content), expected(photo, mask))
