import io
import struct

import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")


def encode(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(np.squeeze(pixels)).save(file, kind)
    return file.getvalue()


def decode(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def test_signatures_are_those_that_are_documented(signatures):
    specs = {
        name: (
            {key: (spec.dtype.name, spec.shape.rank) for key, spec in inputs.items()},
            sorted(function.structured_outputs),
        )
        for name, function in signatures.items()
        for inputs in (function.structured_input_signature[1],)
    }
    assert specs == {
        "serving_default": ({"images": ("uint8", 4), "masks": ("uint8", 4)}, ["completed"]),
        "serving_bytes": (
            {"image_bytes": ("string", 1), "mask_bytes": ("string", 1)},
            ["completed_bytes"],
        ),
        "features": (
            {"corrupted": ("float32", 4), "masks": ("float32", 4)},
            ["coarse", "offsets", "refined"],
        ),
    }


def test_files_of_different_sizes_and_kinds_share_a_request(
    inpainter, signatures, make_pictures
):
    pictures = [make_pictures(1, *size) for size in ((70, 90), (33, 47))]
    files = [
        encode(photos, kind)
        for (photos, _), kind in zip(pictures, ("JPEG", "PNG"), strict=True)
    ]
    answer = signatures["serving_bytes"](
        image_bytes=tf.constant(files),
        mask_bytes=tf.constant([encode(masks) for _, masks in pictures]),
    )["completed_bytes"]
    for file, (_, masks), completed in zip(files, pictures, answer.numpy(), strict=True):
        photo, found = decode(file), decode(completed)
        assert completed.startswith(b"\x89PNG")
        expected = inpainter.inpaint_batch(photo[None], masks)[0]
        assert np.abs(found.astype(int) - expected).max() <= 1
        known = masks[0, ..., 0] <= 127
        np.testing.assert_array_equal(found[known], photo[known])
    nothing = tf.zeros((0,), tf.string)
    answer = signatures["serving_bytes"](image_bytes=nothing, mask_bytes=nothing)
    assert answer["completed_bytes"].shape == (0,)


def test_zeros_and_ones_and_one_value_mean_what_they_do_for_the_inpainter(
    signatures, make_pictures
):
    photos, masks = make_pictures(1, 33, 47)
    holes = masks > 127
    fill = signatures["serving_default"]

    def completed(masks):
        answer = fill(images=tf.constant(photos), masks=tf.constant(masks.astype("uint8")))
        return answer["completed"].numpy()

    np.testing.assert_array_equal(completed(1 * holes), completed(255 * holes))
    for value in (0, 1, 255):
        np.testing.assert_array_equal(completed(np.full_like(masks, value)), photos)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`masks\[0\]` must be above 127"):
        completed(90 * holes)


def test_exported_model_has_a_limit_of_pixels(signatures, make_pictures):
    photos, masks = make_pictures(1, 33, 47)
    jpeg = encode(photos, "JPEG")
    index = jpeg.index(b"\xff\xc0") + 5
    # Of a few KB, it is 12 GB of pixels if its header is right.
    jpeg = jpeg[:index] + struct.pack(">HH", 65500, 65500) + jpeg[index + 4 :]
    message = r"`image_bytes\[0\]` must have at most 16777216 pixels.*65500 65500"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures["serving_bytes"](
            image_bytes=tf.constant([jpeg]), mask_bytes=tf.constant([encode(masks)])
        )
    large = tf.zeros((1, 4097, 4096, 3), tf.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`images` must have at most"):
        signatures["serving_default"](images=large, masks=large[..., :1])


def test_features_are_those_of_the_generator(inpainter, signatures, make_pictures):
    photos, masks = make_pictures(2, 80, 96)
    masks = (masks > 127).astype("float32")
    corrupted = np.where(masks > 0, 0, photos / np.float32(127.5) - 1).astype("float32")
    expected = inpainter.generator.predict_on_batch({"corrupted": corrupted, "masks": masks})
    features = signatures["features"]
    found = features(corrupted=tf.constant(corrupted), masks=tf.constant(masks))
    for name in ("coarse", "refined"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)
    assert found["offsets"].shape == (2, 10, 12, 2)
    assert found["offsets"].dtype == tf.int32
    # A part of it, continued as a mirror would: the guesses have the part's size.
    part = {"corrupted": corrupted[:, :75, :90], "masks": masks[:, :75, :90]}
    found = features(**{name: tf.constant(array) for name, array in part.items()})
    mirrored = {
        name: np.pad(array, ((0, 0), (0, 5), (0, 6), (0, 0)), "symmetric")
        for name, array in part.items()
    }
    expected = inpainter.generator.predict_on_batch(mirrored)
    for name in ("coarse", "refined"):
        np.testing.assert_allclose(found[name], expected[name][:, :75, :90], atol=1e-4)
    assert found["offsets"].shape == (2, 10, 12, 2)


@pytest.mark.slow
def test_a_session_runs_it_as_the_server_does(version, signatures, make_pictures):
    photos, masks = make_pictures(1, 30, 40)
    requests = {
        "serving_default": {"images": photos, "masks": masks},
        "serving_bytes": {"image_bytes": [encode(photos)], "mask_bytes": [encode(masks)]},
    }
    answers = {
        name: signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
        for name, inputs in requests.items()
    }
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        graph = v1.saved_model.loader.load(session, ["serve"], str(version))
        for name, inputs in requests.items():
            signature = graph.signature_def[name]
            outputs = {key: info.name for key, info in signature.outputs.items()}
            feeds = {signature.inputs[key].name: value for key, value in inputs.items()}
            found = session.run(outputs, feeds)
            for key, expected in answers[name].items():
                np.testing.assert_array_equal(found[key], expected.numpy())
