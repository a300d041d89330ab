"""Folders of photos: all are filled, none is done twice or lost, whatever happens."""

import json
import os
import signal
import threading
import time
import warnings
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from keras_inpaint import Inpainter, inpaint_folder
from keras_inpaint.inpainting import folder_pipeline
from keras_inpaint.inpainting.folder_report import Manifest
from keras_inpaint.pictures import read_picture


class Painter:
    """A network that paints one colour, and counts what it is shown."""

    channels, size_multiple, name = 3, 8, "painter"

    def __init__(self, value=0.5, at_call=lambda num: None):
        self.weights = [np.full(3, value, "float32")]
        self.value, self.at_call = value, at_call
        self.batches = []

    def predict_on_batch(self, inputs):
        self.batches.append(len(inputs["corrupted"]))
        self.at_call(len(self.batches))
        return {"refined": np.full_like(inputs["corrupted"], self.value)}


def hole(height, width):
    mask = np.zeros((height, width), "uint8")
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


@pytest.fixture
def photos(tmp_path, rng):
    """Makes photos of two sizes and three formats, and their masks."""

    def make(num, suffixes=(".png", ".jpg", ".webp")):
        for folder in ("photos/deep", "masks/deep"):
            (tmp_path / folder).mkdir(parents=True)
        for index in range(num):
            size = ((40, 60), (64, 48))[index % 2]
            name = f"{'deep/' * (index % 3 == 2)}{index}"
            pixels = rng.integers(0, 256, (*size, 3)).astype("uint8")
            suffix = suffixes[index % len(suffixes)]
            Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}{suffix}")
            Image.fromarray(hole(*size)).save(tmp_path / "masks" / f"{name}.png")
        return tmp_path / "photos", tmp_path / "masks", tmp_path / "filled"

    return make


def filled_names(folder):
    """Names of files, but for hidden ones and those in hidden folders."""
    return sorted(
        path.name
        for path in folder.rglob("*")
        if path.is_file() and not any(part[0] == "." for part in path.relative_to(folder).parts)
    )


def test_all_photos_are_filled_wherever_they_lie(photos):
    source, masks, output = photos(9)
    report = inpaint_folder(Inpainter(Painter()), source, masks, output)
    assert report.counts == {"filled": 9}
    assert filled_names(output) == filled_names(source)
    for path in source.rglob("*.png"):
        before, after = (
            read_picture(each).pixels for each in (path, output / path.relative_to(source))
        )
        is_hole = hole(*before.shape[:2]) > 0
        np.testing.assert_array_equal(after[~is_hole], before[~is_hole])
        assert (after[is_hole] == 191).all()


def test_photos_of_one_size_are_filled_at_once(photos, monkeypatch):
    source, masks, output = photos(32, (".png",))
    were_read = threading.Semaphore(0)

    def read_and_count(*args, **options):
        picture = read_picture(*args, **options)
        were_read.release()
        return picture

    def wait_for_others(num):
        # While the first one is filled, others are read.
        assert num > 1 or all(were_read.acquire(timeout=60) for _ in range(12))

    monkeypatch.setattr(folder_pipeline, "read_picture", read_and_count)
    painter = Painter(at_call=wait_for_others)
    inpaint_folder(Inpainter(painter), source, masks, output)
    assert sum(painter.batches) == 32
    assert max(painter.batches) > 1
    assert all(num in (1, 2, 4, 8) for num in painter.batches)


def test_what_is_done_is_skipped_and_what_has_changed_is_not(photos, rng):
    source, masks, output = photos(6)

    def run(painter=None, **options):
        painter = painter or Painter()
        report = inpaint_folder(Inpainter(painter), source, masks, output, **options)
        assert sum(painter.batches) == report.counts.get("filled", 0)
        return report.counts

    assert run() == {"filled": 6}
    assert run() == {"skipped": 6}
    assert run(overwrite=True) == {"filled": 6}
    assert run(grow=1) == {"filled": 6}
    assert run(Painter(0.25), grow=1) == {"filled": 6}
    assert run(Painter(0.25), grow=1, memory_limit=2**31) == {"skipped": 6}
    photo = source / "0.png"
    Image.fromarray(rng.integers(0, 256, (40, 60, 3)).astype("uint8")).save(photo)
    mask = masks / "1.png"
    os.utime(mask, ns=(0, 0))
    next(output.glob("4.*")).unlink()
    assert run(Painter(0.25), grow=1) == {"filled": 3, "skipped": 3}


@pytest.mark.parametrize("kind", ["retouched", "other", "link"])
def test_file_that_no_run_has_made_is_not_replaced(photos, kind):
    source, masks, output = photos(2)
    target, content = output / "0.png", b"hours of work"
    if kind == "retouched":
        inpaint_folder(Inpainter(Painter()), source, masks, output)
    output.mkdir(exist_ok=True)
    if kind == "link":
        target.symlink_to("nowhere")
    else:
        target.write_bytes(content)
    report = inpaint_folder(Inpainter(Painter()), source, masks, output)
    assert report.counts == {"skipped" if kind == "retouched" else "filled": 1, "failed": 1}
    (failed,) = [outcome for outcome in report.outcomes if outcome.status == "failed"]
    assert failed.photo == str(source / "0.png")
    assert f"{target} is there already" in failed.reason
    assert "--overwrite" in failed.reason
    assert target.is_symlink() if kind == "link" else target.read_bytes() == content
    report = inpaint_folder(Inpainter(Painter()), source, masks, output, overwrite=True)
    assert report.counts == {"filled": 2}
    assert read_picture(target).size == (40, 60)


def killed(run):
    """Runs a function in a process of its own; True if that was killed."""
    with warnings.catch_warnings():
        # Other threads are not needed there.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def kill():
    os.kill(os.getpid(), signal.SIGKILL)
    # Not every system ends this thread at once.
    time.sleep(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are made by fork")
@pytest.mark.parametrize("moment", ["filling", "before it appears", "after it appeared"])
def test_killed_run_goes_on_and_does_none_twice(photos, moment, monkeypatch):
    source, masks, output = photos(7)
    replace, count = os.replace, Counter()

    def run():
        def replace_or_die(draft, target):
            count["replaced"] += 1
            if count["replaced"] == 4 and moment == "before it appears":
                kill()
            replace(draft, target)
            if count["replaced"] == 4 and moment == "after it appeared":
                kill()

        monkeypatch.setattr(os, "replace", replace_or_die)
        painter = Painter(
            at_call=lambda num: kill() if num == 5 and moment == "filling" else None
        )
        # One by one, so that it is known what is done.
        monkeypatch.setattr(folder_pipeline, "_LARGEST_BATCH", 1)
        inpaint_folder(Inpainter(painter), source, masks, output, workers=1)

    assert killed(run)
    done = filled_names(output)
    # Of those that were filled before, some may not have been written yet.
    assert len(done) in {"filling": range(5), "before it appears": [3]}.get(moment, [4])
    painter = Painter()
    report = inpaint_folder(Inpainter(painter), source, masks, output)
    assert Counter(report.counts) == Counter(filled=7 - len(done), skipped=len(done))
    assert sum(painter.batches) == 7 - len(done)
    assert filled_names(output) == filled_names(source)
    assert not list(output.rglob("*.unfinished"))


def test_manifest_that_was_cut_off_is_read_as_far_as_it_goes(photos):
    source, masks, output = photos(4)
    inpaint_folder(Inpainter(Painter()), source, masks, output)
    path = output / Manifest.NAME
    lines = path.read_text()
    path.write_text(lines[:-20])
    # A process that is killed as it writes a line has not shown the photo yet.
    (output / json.loads(lines.splitlines()[-1])["output"]).unlink()
    counts = [
        inpaint_folder(Inpainter(Painter()), source, masks, output).counts for _ in range(2)
    ]
    assert counts == [{"filled": 1, "skipped": 3}, {"skipped": 4}]


@pytest.mark.parametrize(
    "content",
    ["null\n", "[]\n{}\n", '{"output": []}\n', "\xff\0\n"],
    ids=["null", "list", "object", "bytes"],
)
def test_manifest_of_somebody_else_is_no_reason_to_stop(photos, content):
    source, masks, output = photos(2)
    output.mkdir()
    (output / Manifest.NAME).write_text(content, encoding="latin-1")
    report = inpaint_folder(Inpainter(Painter()), source, masks, output)
    assert report.counts == {"filled": 2}


def test_failures_are_named_and_stop_nobody(photos, caplog, tmp_path):
    source, masks, output = photos(5)
    (source / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    Image.fromarray(hole(10, 10)).save(masks / "1.png")
    (masks / "3.png").unlink()
    os.mkfifo(source / "pipe.jpg")
    report = inpaint_folder(Inpainter(Painter()), source, masks, output)
    assert report.counts == {"filled": 2, "failed": 2}
    reasons = {os.path.basename(each.photo): each.reason for each in report.outcomes}
    assert "damaged" in reasons["0.png"]
    assert "60 x 40" not in reasons["1.jpg"]
    assert "10 x 10" in reasons["1.jpg"]
    assert len(report.unpaired) == 1
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(lines) == 3
    report.save(tmp_path / "report.json")
    saved = json.loads((tmp_path / "report.json").read_text())
    assert saved["counts"] == report.counts
    assert {each["status"] for each in saved["photos"]} == {"filled", "failed"}
    assert saved["left_out"] == {"not a regular file": [str(source / "pipe.jpg")]}


def test_photos_that_would_be_one_file_are_not_written_over_each_other(tmp_path, rng):
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    pixels = rng.integers(0, 256, (40, 60, 3)).astype("uint8")
    for name in ("a.gif", "a.gif.png"):
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    Image.fromarray(hole(40, 60)).save(tmp_path / "mask.png")
    report = inpaint_folder(
        Inpainter(Painter()), tmp_path / "photos", tmp_path / "mask.png", tmp_path / "filled"
    )
    assert report.counts == {"filled": 1, "failed": 1}
    assert filled_names(tmp_path / "filled") == ["a.gif.png"]


def test_memory_is_shared_and_what_needs_too_much_fails_alone(photos):
    source, masks, output = photos(8)
    Image.new("RGB", (4000, 3000)).save(source / "large.png")
    Image.fromarray(hole(3000, 4000)).save(masks / "large.png")
    report = inpaint_folder(
        Inpainter(Painter()), source, masks, output, memory_limit=10**8, workers=3
    )
    assert report.counts == {"filled": 8, "failed": 1}
    (failure,) = [each for each in report.outcomes if each.status == "failed"]
    assert "--memory-limit" in failure.reason


def test_second_run_at_the_same_time_is_refused(photos):
    source, masks, output = photos(2)

    def again(num):
        with pytest.raises(ValueError, match="Another run of inpaint_folder"):
            inpaint_folder(Inpainter(Painter()), source, masks, output)

    painter = Painter(at_call=again)
    assert inpaint_folder(Inpainter(painter), source, masks, output).counts == {"filled": 2}
    assert painter.batches


def test_what_an_error_leaves_is_no_thread_that_waits(photos):
    source, masks, output = photos(8)

    def stop(num):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inpaint_folder(
            Inpainter(Painter(at_call=stop)), source, masks, output, memory_limit=10**8
        )
    assert inpaint_folder(Inpainter(Painter()), source, masks, output).counts == {"filled": 8}


@pytest.mark.parametrize(
    "options",
    [{"method": "tile"}, {"feather": -1}, {"grow": 0.5}, {"memory_limit": 0}, {"depth": 3}],
    ids=lambda options: next(iter(options)),
)
def test_bad_argument_is_refused_before_any_work(tmp_path, options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        inpaint_folder("no preset", tmp_path, None, tmp_path / "filled", **options)
    assert not (tmp_path / "filled").exists()
