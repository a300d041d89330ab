from types import SimpleNamespace

import numpy as np
import pytest

from keras_inpaint.inpainting.memory import (
    affordable_batch,
    affordable_windows,
    check_batch,
    estimate_memory,
    estimate_plan,
)
from keras_inpaint.inpainting.planning import plan
from keras_inpaint.layers import ContextualAttention
from keras_inpaint.models import Generator
from keras_inpaint.pictures.opening import GIB


@pytest.fixture
def generator():
    return SimpleNamespace(size_multiple=8, width=24)


def square(size, hole):
    mask = np.zeros((size, size), bool)
    mask[:hole, :hole] = True
    return mask


@pytest.mark.parametrize(
    ("size", "width", "measured"),
    [
        # Megabytes by which the peak of a process grew.
        ((256, 256), 24, 46),
        ((256, 256), 48, 65),
        ((64, 4096), 24, 374),
        ((512, 512), 24, 312),
        ((512, 512), 48, 377),
        ((640, 640), 48, 816),
        ((768, 768), 8, 1293),
        ((768, 768), 24, 1410),
        ((768, 768), 48, 1670),
    ],
)
def test_estimate_is_not_below_what_was_measured_nor_far_above(size, width, measured):
    generator = SimpleNamespace(size_multiple=8, width=width)
    assert measured <= estimate_memory(generator, size) / 1e6 <= 1.5 * measured


@pytest.mark.parametrize(
    ("size", "width", "measured", "most"),
    [
        ((512, 512), 24, 364, 1.5),
        ((768, 768), 24, 902, 1.5),
        ((1024, 1024), 24, 905, 1.5),
        # Beside the attention's blocks not all of the wide features are alive.
        ((1024, 1024), 48, 848, 2),
    ],
)
def test_attention_counts_no_more_than_its_budget(size, width, measured, most):
    attention = ContextualAttention(memory=2**29)
    generator = SimpleNamespace(
        size_multiple=8, width=width, refine_network=SimpleNamespace(attention=attention)
    )
    assert measured <= estimate_memory(generator, size) / 1e6 <= most * measured


def test_budget_cannot_be_less_than_a_few_lines():
    attention = ContextualAttention(memory=1)
    generator = SimpleNamespace(
        size_multiple=8, width=24, refine_network=SimpleNamespace(attention=attention)
    )
    # 7 of 128 lines, 4 copies of floats.
    lines = 1.2 * 7 * 4 * 4 * 128**3
    pixels = 1024**2 * (80 + 16 * 24)
    assert estimate_memory(generator, (1024, 1024)) == int(lines) + pixels


@pytest.mark.parametrize("rate", [1, 2])
def test_attention_of_a_generator_is_asked_at_the_size_of_its_features(rate):
    generator = Generator(width=4, attention={"rate": rate, "memory": 2**20})
    pixels = 512**2 * (80 + 16 * 4)
    # A line of queries of a grid of `512 / (4 * rate)` positions a side, 4 copies of floats.
    line = 4 * 4 * (512 // (4 * rate)) ** 3
    need = estimate_memory(generator, (512, 512), 3) - 3 * pixels
    assert need == int(1.2 * 7 * 3 * line)


def test_photos_count_as_they_are_padded_and_one_by_one(generator):
    assert estimate_memory(generator, (1, 65)) == estimate_memory(generator, (64, 72))
    assert estimate_memory(generator, (64, 72), 3) == 3 * estimate_memory(generator, (64, 72))


def test_too_large_a_request_is_refused_with_the_way_out(generator):
    with pytest.raises(ValueError, match=r"method 'whole' needs about 2\d\.\d\d GiB") as error:
        affordable_windows(generator, square(1536, 100), 256, "whole", 0, 2 * GIB)
    told = str(error.value)
    assert "limit of 2.00 GiB" in told
    assert "'crop' (" in told
    assert "'resize' (435.0 MiB)" in told
    assert "Received: a photo of 1536 x 1536 pixels" in told
    assert f"memory_limit={2 * GIB}" in told


def test_refusal_names_no_method_that_needs_too_much_too(generator):
    with pytest.raises(ValueError, match="Cut the photo, or raise the limit") as error:
        affordable_windows(generator, square(1536, 100), 256, None, 0, 1000)
    assert "Use the method" not in str(error.value)


def test_choice_falls_on_a_method_that_the_memory_suffices_for(generator):
    # Its hole in a corner, a photo of 512 is best seen as a whole; a crop is cheaper.
    mask = square(512, 60)
    (whole,) = affordable_windows(generator, mask, 256, None, 0, GIB)
    assert whole.size == (512, 512)
    (crop,) = affordable_windows(generator, mask, 256, None, 0, 200_000_000)
    assert crop.size == (188, 188)


def test_photo_itself_counts_though_its_crop_is_small(generator):
    with pytest.raises(ValueError, match="'crop' needs"):
        affordable_windows(generator, square(3000, 10), 256, "crop", 0, 40_000_000)
    affordable_windows(generator, square(300, 10), 128, "crop", 0, 40_000_000)


def test_batch_counts_all_of_its_photos(generator):
    need = estimate_memory(generator, (256, 256))
    check_batch(generator, (256, 256), 3, 3 * need)
    with pytest.raises(
        ValueError, match=r"Fill fewer at once.*Received: 3 photos of 256 x 256"
    ):
        check_batch(generator, (256, 256), 3, 3 * need - 1)


def test_copied_detail_counts_where_it_is_asked_for_and_copied():
    generator, mask = SimpleNamespace(size_multiple=8, width=4), square(300, 40)
    (window,) = windows = plan("crop", mask, 64)
    network = estimate_memory(generator, window.size)
    assert window.needs_detail
    assert network < 24e6
    needs = {
        detail: estimate_plan(generator, mask, windows, detail=detail)
        for detail in ("copy", "none")
    }
    assert needs["copy"] - needs["none"] == 24 * 10**6 - network
    limit = needs["none"]
    assert affordable_windows(generator, mask, 64, "crop", 0, limit, detail="none") == windows
    limit = estimate_plan(generator, mask, windows * 8, 2, detail="none")
    assert affordable_batch(generator, mask, windows * 8, limit, detail="none") == 2
    assert affordable_batch(generator, mask, windows * 8, limit) == 1
    with pytest.raises(ValueError, match="more than the limit"):
        affordable_windows(generator, mask, 64, "crop", 0, needs["none"])
    # What is seen as a whole has no detail copied.
    whole = plan("whole", mask, 64)
    assert estimate_plan(generator, mask, whole) == estimate_plan(
        generator, mask, whole, detail="none"
    )


def test_windows_filled_at_once_are_as_many_as_the_memory_suffices_for(generator):
    mask = np.zeros((1000, 1000), bool)
    mask[100::200, 100::200] = True
    windows = plan("crop", mask, 128)
    assert len(windows) == 25
    needs = [estimate_plan(generator, mask, windows, num) for num in (1, 2, 4, 8, 16)]
    assert needs == sorted(set(needs))
    assert estimate_plan(generator, mask, windows, 99) == estimate_plan(
        generator, mask, windows, 25
    )
    for limit, num in ((needs[0], 1), (needs[1] - 1, 1), (needs[1], 2), (needs[4], 8)):
        assert affordable_batch(generator, mask, windows, limit) == num


@pytest.mark.parametrize(
    ("hole", "method", "measured"), [(300, "crop", 318), (2000, "resize", 741)]
)
def test_estimate_of_a_large_photo_is_not_below_what_was_measured(hole, method, measured):
    generator = SimpleNamespace(size_multiple=8, width=48)
    mask = np.zeros((4000, 6000), bool)
    mask[1000 : 1000 + hole, 2000 : 2000 + hole] = True
    need = estimate_plan(generator, mask, plan(method, mask, 256)) / 1e6
    assert measured <= need <= 1.5 * measured
