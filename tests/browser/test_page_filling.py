"""The page plans and fills as the package does: its modules, run by Node, beside Python's."""

import base64
import json
import pathlib
import subprocess

import numpy as np
import pytest
from scipy import ndimage

from keras_inpaint.inpainting.filling import fill
from keras_inpaint.inpainting.planning import choose_method, plan
from keras_inpaint.pictures.resizing import downsample, resize_holes, upsample

pytestmark = pytest.mark.browser

FOLDER = pathlib.Path(__file__).parents[2] / "keras_inpaint" / "serving" / "page" / "filling"
PROGRAM = pathlib.Path(__file__).with_name("run_filling.mjs")


def run(requests):
    """Asks the page's modules, all at once."""
    answer = subprocess.run(
        ["node", PROGRAM, FOLDER], input=json.dumps(requests), capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def packed(array):
    return base64.b64encode(np.ascontiguousarray(array).astype(np.uint8)).decode()


def unpacked(text, shape):
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)


def mask_of(holes):
    height, width = holes.shape
    return {"height": height, "width": width, "holes": packed(holes)}


def random_holes(rng, height, width):
    """Dust, scratches and patches of all sizes, as users paint them."""
    holes = np.zeros((height, width), bool)
    for _ in range(rng.integers(1, 5)):
        kind = rng.integers(3)
        y, x = rng.integers(height), rng.integers(width)
        if kind == 0:
            side = rng.integers(1, 1 + max(height, width) // 3, 2)
            holes[y : y + side[0], x : x + side[1]] = True
        elif kind == 1:
            holes[rng.integers(height, size=20), rng.integers(width, size=20)] = True
        else:
            line = np.linspace(0, 1, 4 * max(height, width))
            y1, x1 = rng.integers(height), rng.integers(width)
            rows, columns = (y + (y1 - y) * line).astype(int), (x + (x1 - x) * line).astype(int)
            holes[rows, columns] = True
            holes = ndimage.binary_dilation(holes, iterations=int(rng.integers(1, 9)))
    holes[0, 0] |= not holes.any()
    return holes


def cases():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(60):
        height, width = (int(side) for side in rng.integers(20, 1500, 2))
        found.append((random_holes(rng, height, width), int(rng.choice([64, 128, 256]))))
    # More than 1024 pixels, where thicknesses are rounded.
    found.append((random_holes(rng, 2600, 700), 128))
    return found


def test_windows_are_those_of_the_package_for_any_mask():
    requests = [
        {"name": "plan", "imageSize": size, **mask_of(holes)} for holes, size in cases()
    ]
    methods = set()
    for (holes, size), answer in zip(cases(), run(requests), strict=True):
        method = choose_method(holes, size)
        assert answer["method"] == method
        expected = [
            [list(each.hole), list(each.view), each.scale, each.needs_detail]
            for each in plan(method, holes, size)
        ]
        assert answer["windows"] == expected
        methods.add(method)
    assert methods == {"whole", "crop", "resize"}


def test_resized_pictures_are_those_of_the_package(rng):
    requests, expected = [], []
    for height, width, size in ((40, 61, (13, 20)), (97, 50, (97, 17)), (30, 30, (7, 29))):
        photo = rng.integers(0, 256, (height, width, 3), np.uint8)
        holes = rng.random((height, width)) < 0.02
        larger = (2 * height + 1, 3 * width - 2)
        for kind, of in (
            ("down", size),
            ("sharp", larger),
            ("smooth", larger),
            ("holes", size),
        ):
            requests.append(
                {
                    "name": "resize",
                    "kind": kind,
                    "size": of,
                    "photo": packed(photo),
                    **mask_of(holes),
                }
            )
        expected += [
            downsample(photo, size),
            upsample(photo, larger),
            upsample(photo, larger, False),
            resize_holes(holes, size),
        ]
    for answer, array in zip(run(requests), expected, strict=True):
        resized = unpacked(answer["result"], array.shape)
        # Some versions of Pillow resize columns before rows, where that is less work.
        assert np.abs(resized.astype(int) - array).max() <= (array.dtype != bool)
        assert np.mean(resized != array) < 0.01


def test_photos_are_filled_as_by_the_package(rng):
    """By a network that turns what it sees into its negative, and so shows all that is done."""
    requests, photos = [], []
    for height, width, size, seed in ((150, 180, 64, 1), (420, 500, 64, 2), (400, 700, 128, 3)):
        noise = rng.integers(0, 256, (height // 9 + 1, width // 9 + 1, 3), np.uint8)
        photo = upsample(noise, (height, width))
        holes = random_holes(np.random.default_rng(seed), height, width)
        photos.append((photo, holes, size))
        requests.append(
            {"name": "fill", "imageSize": size, "photo": packed(photo), **mask_of(holes)}
        )
    for (photo, holes, size), answer in zip(photos, run(requests), strict=True):
        seen = []

        def predict(small, unknown, lines=None, seen=seen):
            seen += [[*each.shape, int(each.sum())] for each in unknown]
            return 255 - small

        windows = plan(choose_method(holes, size), holes, size)
        expected = fill(photo, holes, windows, predict, detail="copy")
        filled = unpacked(answer["filled"], photo.shape)
        assert answer["seen"] == seen
        np.testing.assert_array_equal(filled[~holes], photo[~holes])
        # Sums of floats are rounded differently, here and there.
        difference = np.abs(filled.astype(int) - expected)
        assert np.mean(difference > 1) < 1e-3, difference.max()
        assert any(window.needs_detail for window in windows) or min(photo.shape[:2]) < 160
