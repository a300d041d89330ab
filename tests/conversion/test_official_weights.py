"""The authors' own examples, with weights that only the user can supply.

    pytest tests/conversion --official-weights DIR

DIR holds a checkpoint of the authors' releases and, anywhere in it, their example pictures:
`NAME_input.png`, `NAME_mask.png` and `NAME_output.png`, or the same three without a name.
"""

import numpy as np
import pytest
from conversion.sources import official_references, write_checkpoint
from PIL import Image
from reference.published import official_arrays

import keras_inpaint as ki
from keras_inpaint.pictures import read_mask, read_picture

pytest.importorskip("tensorflow")

# Of 256: the authors round down what is rounded here, and networks differ by less.
LEVELS = 2.0


def converted(folder, preset):
    return ki.Inpainter.from_preset(ki.convert(folder, preset, report=lambda line: None))


def differences(inpainter, folder):
    """Mean difference from the published fillings, in levels, of each example."""
    found = {}
    for path in sorted(folder.rglob("*input.png")):
        mask_path, output_path = (
            path.with_name(path.name.removesuffix("input.png") + f"{kind}.png")
            for kind in ("mask", "output")
        )
        expected = read_picture(output_path).pixels[..., :3].astype("int16")
        # The authors cut pictures to multiples of 8.
        height, width = expected.shape[:2]
        photo = read_picture(path).pixels[:height, :width, :3]
        mask = read_mask(mask_path)[:height, :width]
        filled = inpainter.inpaint(photo, mask, method="whole").astype("int16")
        hole = np.asarray(mask).reshape(height, width).astype(bool)
        found[str(path)] = float(np.abs(filled - expected)[hole].mean())
    return found


def test_comparison_tells_right_weights_from_wrong_ones(tmp_path):
    images, masks, _, refined = official_references("official_v2")
    source = write_checkpoint(tmp_path / "release", official_arrays("official_v2"))
    examples = source / "examples"
    examples.mkdir()
    pictures = np.where(masks > 0, refined, images)
    # As the authors' program writes pictures.
    output = ((pictures[0] + 1) * 127.5).astype("uint8")
    for kind, pixels in (
        ("input", np.rint((images[0] + 1) * 127.5).astype("uint8")),
        ("mask", np.where(masks[0, :, :, 0] > 0, 255, 0).astype("uint8")),
        ("output", output),
    ):
        Image.fromarray(pixels).save(examples / f"case1_{kind}.png")
    inpainter = converted(source, tmp_path / "preset")
    assert list(differences(inpainter, source).values()) < [LEVELS]
    # The same with red and blue exchanged.
    Image.fromarray(output[..., ::-1]).save(examples / "case1_output.png")
    assert list(differences(inpainter, source).values()) > [LEVELS]


def test_examples_of_the_authors(request, tmp_path):
    folder = request.config.getoption("--official-weights")
    if folder is None:
        pytest.skip("needs the authors' weights: --official-weights DIR")
    found = differences(converted(folder, tmp_path / "preset"), folder)
    assert found, f"{folder} must hold *input.png, *mask.png and *output.png of the authors"
    assert max(found.values()) < LEVELS, found
