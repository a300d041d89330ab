"""A model and photos become numbers, a table, JSON and a sheet."""

import json
import types

import numpy as np
import pytest
from PIL import Image

import keras_inpaint as ki
from keras_inpaint.evaluation import Evaluation
from keras_inpaint.masks import Boxes
from keras_inpaint.pictures import read_picture


def without_seconds(evaluation):
    told = evaluation.to_dict()
    for picture in told["pictures"]:
        for measures in picture["methods"].values():
            measures.pop("seconds", None)
    return told["pictures"]


def test_numbers_are_those_of_numpy(painter, photos, masks):
    evaluation = ki.evaluate(painter, photos, masks)
    expected = [
        np.abs(100 - photo[mask].astype(float)).mean() / 255
        for photo, mask in zip(photos, masks, strict=True)
    ]
    values = [row["methods"]["painter"]["hole_l1"] for row in evaluation.pictures]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    np.testing.assert_allclose(
        evaluation.means("painter")["hole_l1"], np.mean(expected), rtol=1e-5
    )
    assert [row["hole_area"] for row in evaluation.pictures] == [m.mean() for m in masks]
    assert evaluation.methods == ["painter", "photos"]
    assert set(evaluation.means("photos")) == {"total_variation", "hole_total_variation"}


def test_baselines_stand_in_the_same_table(painter, photos, masks):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    evaluation = ki.evaluate(painter, photos, masks, use_baselines=True)
    columns = ["painter", "telea", "navier-stokes", "mean colour", "photos"]
    assert evaluation.methods == columns
    head, rule, *lines = evaluation.table().splitlines()
    assert [cell.strip() for cell in head.split("|")[1:-1]] == ["", *columns]
    assert set(rule) == set("|-: ")
    rows = {line.split("|")[1].strip(): line for line in lines}
    assert {"L1, hole", "SSIM", "relative L2", "seconds"} <= set(rows)
    assert f"{evaluation.means('telea')['hole_l1']:.4g}" in rows["L1, hole"]
    assert rows["L1, hole"].split("|")[-2].strip() == "-"


def test_same_seed_gives_same_numbers(painter, photos):
    options = {"image_size": 32, "hole_area": (0.1, 0.3)}
    first, again, other = (
        ki.evaluate(painter, photos, "boxes", seed=seed, **options) for seed in (3, 3, 4)
    )
    assert without_seconds(first) == without_seconds(again)
    assert without_seconds(first) != without_seconds(other)
    assert {row["width"] for row in first.pictures} == {32}


def test_a_photos_hole_does_not_depend_on_the_others(painter, photos):
    whole = ki.evaluate(painter, photos, Boxes(8, 8, jitter=2))
    broken = ki.evaluate(painter, [photos[0], photos[1][:5], photos[2]], Boxes(8, 8, jitter=2))
    assert list(broken.failed) == ["1"]
    assert without_seconds(broken) == [without_seconds(whole)[index] for index in (0, 2)]


def test_middle_of_photo_and_mask_are_measured_on(painter):
    photo, mask = np.zeros((32, 64, 3), "uint8"), np.zeros((32, 64), "uint8")
    photo[:, 16:48] = 50
    mask[:, :16] = 255  # Outside of the middle.
    mask[2, 18] = 255
    row = ki.evaluate(painter, [photo], [mask], image_size=16).pictures[0]
    # A pixel that the hole touches is hole.
    assert row["hole_area"] == 1 / 256
    np.testing.assert_allclose(row["methods"]["painter"]["hole_l1"], 50 / 255, rtol=1e-5)


@pytest.fixture
def folder(photos, masks, tmp_path):
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    for index, (photo, mask) in enumerate(zip(photos, masks, strict=True)):
        Image.fromarray(photo).save(tmp_path / f"photos/{index}.png")
        Image.fromarray(mask).save(tmp_path / f"masks/{index}.png")
    return tmp_path


def test_bad_photos_are_named_and_the_others_measured(painter, photos, folder):
    for name in ("bare", "broken", "small", "whole", "empty"):
        Image.fromarray(photos[0]).save(folder / f"photos/{name}.png")
    (folder / "photos/broken.png").write_bytes(b"no picture")
    shapes = {"broken": (32, 40), "small": (8, 8), "whole": (32, 40), "empty": (32, 40)}
    for name, shape in shapes.items():
        level = 255 if name in ("broken", "small", "whole") else 0
        Image.fromarray(np.full(shape, level, "uint8")).save(folder / f"masks/{name}.png")
    evaluation = ki.evaluate(painter, folder / "photos", folder / "masks")
    assert len(evaluation.pictures) == 3
    words = {
        "bare": "there is no mask of its name",
        "broken": "this file is none",
        "small": "of 8 x 8",
        "whole": "has no hole",
        "empty": "has no hole",
    }
    for name, reason in words.items():
        assert reason in evaluation.failed[str(folder / f"photos/{name}.png")]


def test_json_holds_settings_numbers_and_what_failed(painter, photos, masks, tmp_path):
    flat = np.full((32, 40, 3), 100, "uint8")
    photos += [flat, photos[0][:4]]
    evaluation = ki.evaluate(painter, photos, np.concatenate([masks, masks[:2]]))
    evaluation.save(tmp_path / "numbers.json")
    told = json.loads((tmp_path / "numbers.json").read_text("utf-8"))
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.json"]
    assert told["format"] == 2
    assert told["settings"] == {
        "model": "painter",
        "masks": "arrays",
        "hole_area": None,
        "seed": 0,
        "image_size": None,
        "features": None,
        "mask_options": {},
        "sketch": None,
    }
    assert told["num_pictures"] == len(told["pictures"]) == 4
    assert [row["photo"] for row in told["failed"]] == ["4"]
    # The flat photo is filled without an error: its PSNR is no number that JSON has.
    assert told["pictures"][3]["methods"]["painter"]["hole_psnr"] is None
    assert told["left_out"]["painter"] == {"hole_psnr": 1, "psnr": 1}
    values = [row["methods"]["painter"]["psnr"] for row in told["pictures"][:3]]
    np.testing.assert_allclose(told["means"]["painter"]["psnr"], np.mean(values))


def test_seconds_are_the_median():
    rows = [
        {"photo": "a", "methods": {"mine": {"seconds": value}}} for value in (1.0, 9.0, 2.0)
    ]
    assert Evaluation({}, rows, {}, {}).means("mine") == {"seconds": 2.0}


def test_sheet_shows_best_median_and_worst(painter, photos, masks, tmp_path):
    levels = (110, 200, 101)
    flat = [np.full((32, 40, 3), level, "uint8") for level in levels]
    ki.evaluate(painter, flat, masks, sheet=tmp_path / "sheet.png")
    picture = read_picture(tmp_path / "sheet.png").pixels
    rows = picture[-(3 * 32 + 2 * 4) :]
    assert rows.shape[1] == 3 * 40 + 2 * 4
    assert [int(rows[36 * index, 0, 0]) for index in range(3)] == [101, 110, 200]
    np.testing.assert_array_equal(rows[:32, 88:], painter.inpaint(flat[2], masks[2]))


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"image_size": 0}, "image_size=0"),
        ({"masks": np.ones((2, 32, 40))}, "3 photos, 2 masks"),
        ({"masks": np.ones((3, 32, 40)), "hole_area": (0.1, 0.2)}, r"hole_area=\(0.1, 0.2\)"),
        ({"masks": Boxes(8, 8, jitter=2), "hole_area": (0.1, 0.2)}, r"hole_area=\(0.1, 0.2\)"),
        ({"hole_area": (0.2, 0.1)}, r"hole_area=\(0.2, 0.1\)"),
        ({"masks": np.ones((3, 32, 40))}, "None of the photos.*nothing known.*'0'"),
        ({"features": 7}, "features=7"),
        ({"features": "vgg"}, "features='vgg'"),
        ({"sheet": "sheet.xyz"}, "path='sheet.xyz'"),
    ],
)
def test_what_cannot_be_measured_is_refused(painter, photos, options, advice):
    with pytest.raises(ValueError, match=advice):
        ki.evaluate(painter, photos, **options)


def test_model_named_like_a_column_is_refused(painter, photos):
    painter.name = "photos"
    with pytest.raises(ValueError, match="name='photos'"):
        ki.evaluate(painter, photos)


class GuidedPainter:
    """Fills each hole with black, and white where a line is drawn."""

    name = "guided"
    generator = types.SimpleNamespace(guided=True, channels=3)

    def inpaint(self, photo, mask, sketch):
        drawn = np.repeat(np.uint8(255) * sketch[..., None], 3, axis=-1)
        return np.where(mask[..., None], drawn, photo)


def test_a_guided_model_is_shown_the_edges_of_the_true_photo(masks, caplog, tmp_path):
    # A white photo with a black right half: one edge, between columns 19 and 20.
    photos = np.full((3, 32, 40, 3), 255, "uint8")
    photos[:, :, 20:] = 0
    caplog.set_level("INFO", "keras_inpaint")
    sheet = tmp_path / "sheet.png"
    evaluation = ki.evaluate(GuidedPainter(), photos, masks, use_baselines=True, sheet=sheet)
    lines = np.asarray(ki.masks.EdgeSketch()(photos[:1] / np.float32(127.5) - 1))[0, :, :, 0]
    assert set(lines.nonzero()[1]) <= {18, 19, 20, 21}
    for row, photo, mask in zip(evaluation.pictures, photos, masks, strict=True):
        error = np.abs(lines - photo[..., 0] / 255)[mask].mean()
        np.testing.assert_allclose(row["methods"]["guided"]["hole_l1"], error, rtol=1e-5)
    assert evaluation.settings["sketch"] == "EdgeSketch"
    assert "guided is guided: EdgeSketch draws" in caplog.text
    # The second columns from the left: what was filled, with its line.
    assert ki.pictures.read_picture(sheet).pixels.max() == 255


def test_the_function_that_draws_can_be_chosen(photos, masks):
    def nothing(images):
        return 0 * images[..., :1]

    evaluation = ki.evaluate(GuidedPainter(), photos, masks, sketch=nothing)
    black = [
        np.abs(0 - each[mask] / 255).mean() for each, mask in zip(photos, masks, strict=True)
    ]
    found = [row["methods"]["guided"]["hole_l1"] for row in evaluation.pictures]
    np.testing.assert_allclose(found, black, rtol=1e-5)
    assert evaluation.settings["sketch"] == "nothing"


def test_a_sketch_for_a_model_that_is_not_guided_is_refused(painter, photos, masks):
    with pytest.raises(ValueError, match=r"`sketch` is for guided.*sketch, and 'painter'"):
        ki.evaluate(painter, photos, masks, sketch=ki.masks.EdgeSketch())
