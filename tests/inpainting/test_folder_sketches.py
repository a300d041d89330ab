"""Sketches of a folder find their photos as masks do, and show what is drawn into each."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_inpaint import Inpainter, inpaint_folder
from keras_inpaint.pictures import read_picture

SIZE = (32, 40)
HOLE = np.zeros(SIZE, bool)
HOLE[8:24, 10:30] = True


class Copyist:
    """A guided network that paints the sketch: white lines on black."""

    channels, size_multiple, name, guided = 3, 8, "copyist", True
    weights = ()

    def predict_on_batch(self, inputs):
        sketches = inputs["sketches"]
        return {"refined": np.broadcast_to(2 * sketches - 1, inputs["corrupted"].shape)}


def lines(row):
    drawn = np.zeros(SIZE, bool)
    drawn[row] = True
    return drawn


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.uint8(255) * pixels).save(path)


@pytest.fixture
def photos(tmp_path, rng):
    """Photos and masks of these names, in folders."""

    def make(*names):
        for name in names:
            pixels = rng.integers(1, 255, (*SIZE, 3), "uint8")
            path = tmp_path / "photos" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
            save(tmp_path / "masks" / f"{name}.png", HOLE)
        return tmp_path / "photos", tmp_path / "masks", tmp_path / "filled"

    return make


def rows_drawn(path):
    """The rows of the hole where a line is white, in a filled photo."""
    inside = read_picture(path).pixels[8:24, 10:30]
    assert set(np.unique(inside)) <= {0, 255}
    return [8 + row for row in np.flatnonzero(inside.all(axis=(1, 2)))]


def test_each_photo_has_the_sketch_of_its_name_and_folder(photos, tmp_path):
    source, masks, output = photos("a", "deep/a", "deep/b")
    sketches = tmp_path / "sketches"
    for row, name in ((10, "a_sketch"), (12, "deep/a"), (14, "deep/b-sketches (2)")):
        save(sketches / f"{name}.png", lines(row))
    report = inpaint_folder(Inpainter(Copyist()), source, masks, output, sketch=sketches)
    assert report.counts == {"filled": 3}
    assert not report.unpaired
    for row, name in ((10, "a"), (12, "deep/a"), (14, "deep/b")):
        assert rows_drawn(output / f"{name}.png") == [row]
        known = read_picture(source / f"{name}.png").pixels[~HOLE]
        np.testing.assert_array_equal(read_picture(output / f"{name}.png").pixels[~HOLE], known)


def test_one_sketch_is_for_all_and_dark_lines_are_asked_for(photos, tmp_path):
    source, masks, output = photos("a", "b")
    save(tmp_path / "ink.png", ~lines(11))
    sketch = {"sketch": tmp_path / "ink.png", "invert_sketch": True}
    inpaint_folder(Inpainter(Copyist()), source, masks, output, **sketch)
    assert [rows_drawn(output / f"{name}.png") for name in "ab"] == [[11], [11]]


@pytest.mark.parametrize("place", ["apart", "inside", "with the masks", "beside the photos"])
def test_sketches_and_masks_are_told_apart_wherever_they_lie(photos, tmp_path, place):
    source, masks, output = photos("a", "b")
    folder = {"inside": source / "drawn", "with the masks": masks, "beside the photos": source}
    sketches = folder.get(place, tmp_path / "sketches")
    if place == "beside the photos":
        for mask in sorted(masks.iterdir()):
            mask.rename(source / f"{mask.stem}_mask.png")
        masks = None
    for row, name in enumerate("ab", start=10):
        save(sketches / f"{name}_sketch.png", lines(row))
    report = inpaint_folder(Inpainter(Copyist()), source, masks, output, sketch=sketches)
    assert (report.counts, report.unpaired) == ({"filled": 2}, {})
    assert [rows_drawn(output / f"{name}.png") for name in "ab"] == [[10], [11]]


def test_what_has_no_partner_is_named_and_counted_and_not_filled(photos, tmp_path, caplog):
    source, masks, output = photos("a", "b", "c")
    (masks / "c.png").unlink()
    sketches = tmp_path / "sketches"
    for name in ("a", "c", "z"):
        save(sketches / f"{name}.png", lines(10))
    report = inpaint_folder(Inpainter(Copyist()), source, masks, output, sketch=sketches)
    assert report.counts == {"filled": 1}
    assert report.unpaired == {
        str(source / "b.png"): "there is no sketch of its name",
        str(source / "c.png"): "there is no mask of its name",
        str(sketches / "z.png"): "there is no photo of its name",
    }
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"{source / 'b.png'}: there is no sketch of its name" in told
    assert "3 without a partner" in report.summary()
    assert not (output / "b.png").exists()


def test_two_sketches_of_one_photo_are_no_choice_to_make(photos, tmp_path):
    source, masks, output = photos("a", "b")
    for name in ("a_sketch1", "a_sketch2", "b"):
        save(tmp_path / "sketches" / f"{name}.png", lines(10))
    report = inpaint_folder(
        Inpainter(Copyist()), source, masks, output, sketch=tmp_path / "sketches"
    )
    assert report.unpaired == {
        str(source / "a.png"): "it has several sketches (a_sketch1.png, a_sketch2.png)"
    }


def test_a_photo_whose_sketch_has_changed_is_filled_again(photos, tmp_path):
    source, masks, output = photos("a", "b")
    sketches = tmp_path / "sketches"
    for name in "ab":
        save(sketches / f"{name}.png", lines(10))
    inpainter = Inpainter(Copyist())
    inpaint_folder(inpainter, source, masks, output, sketch=sketches)
    save(sketches / "b.png", lines(10) | lines(12))
    report = inpaint_folder(inpainter, source, masks, output, sketch=sketches)
    assert report.counts == {"filled": 1, "skipped": 1}
    assert rows_drawn(output / "b.png") == [10, 12]


def test_a_sketch_is_not_replaced_by_a_filled_photo(photos, tmp_path):
    source, masks, output = photos("a", "b")
    for name in "ab":
        save(output / f"{name}_sketch.png", lines(10))
    (output / "a_sketch.png").rename(output / "a.png")
    before = (output / "a.png").read_bytes()
    report = inpaint_folder(
        Inpainter(Copyist()),
        source,
        masks,
        output,
        sketch=[output / "a.png", output / "b_sketch.png"],
        overwrite=True,
    )
    assert report.counts == {"filled": 1, "failed": 1}
    assert (output / "a.png").read_bytes() == before


def test_networks_that_are_not_guided_refuse_sketches_before_any_photo(photos, tmp_path):
    class Plain(Copyist):
        guided = False

    source, masks, output = photos("a")
    save(tmp_path / "sketch.png", lines(10))
    with pytest.raises(ValueError, match=r"guided generator.*Received: sketch"):
        inpaint_folder(
            Inpainter(Plain()), source, masks, output, sketch=tmp_path / "sketch.png"
        )
    assert not output.exists()


@pytest.mark.parametrize("names", [(), ("z",)])
def test_no_sketch_of_any_photo_is_an_error(photos, tmp_path, names):
    source, masks, output = photos("a")
    (tmp_path / "sketches").mkdir()
    for name in names:
        save(tmp_path / "sketches" / f"{name}.png", lines(10))
    advice = r"No photo has a sketch.*`_sketch`" if names else "`sketch` holds no photos"
    with pytest.raises(ValueError, match=advice):
        inpaint_folder(
            Inpainter(Copyist()), source, masks, output, sketch=tmp_path / "sketches"
        )
    assert not output.exists()


def test_the_report_tells_which_sketch_was_followed(photos, tmp_path):
    source, masks, output = photos("a")
    save(tmp_path / "sketches" / "a.png", lines(10))
    report = inpaint_folder(
        Inpainter(Copyist()), source, masks, output, sketch=tmp_path / "sketches"
    )
    report.save(tmp_path / "report.json")
    (photo,) = json.loads((tmp_path / "report.json").read_text())["photos"]
    assert photo["sketch"] == str(tmp_path / "sketches" / "a.png")


def test_each_photo_of_a_batch_has_a_sketch_of_its_own():
    photos = np.full((3, *SIZE, 3), 100, "uint8")
    inpainter = Inpainter(Copyist(), "copyist")
    sketches = [lines(10), None, lines(12)]
    filled = inpainter.inpaint_batch(photos, [HOLE] * 3, sketches=sketches)
    for found, row in zip(filled, (10, None, 12), strict=True):
        drawn = np.zeros(SIZE, bool) if row is None else lines(row)
        wanted = np.where(HOLE, np.where(drawn, 255, 0), 100)
        np.testing.assert_array_equal(found, np.repeat(wanted[..., None], 3, axis=-1))
    # Arrays of bytes are read as masks are.
    again = np.stack([np.zeros(SIZE) if each is None else each for each in sketches])
    again = (255 * again[..., None]).astype("uint8")
    batch = inpainter.inpaint_batch(photos, [HOLE] * 3, sketches=again)
    np.testing.assert_array_equal(batch, filled)
    with pytest.raises(ValueError, match="3 photos, 2 sketches"):
        inpainter.inpaint_batch(photos, [HOLE] * 3, sketches=sketches[:2])


def test_a_batch_for_a_network_that_is_not_guided_refuses_sketches():
    class Plain(Copyist):
        guided = False

    photos = np.zeros((1, *SIZE, 3), "uint8")
    with pytest.raises(ValueError, match=r"`sketches` is for guided generators.*'plain'"):
        Inpainter(Plain(), "plain").inpaint_batch(photos, [HOLE], sketches=[HOLE])
