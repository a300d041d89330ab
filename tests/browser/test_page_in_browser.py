"""The page as a user has it, in a real browser, with both engines."""

import json
import shutil

import keras
import numpy as np
import pytest
from browser.conftest import IMITATED_GPU, write_negative
from browser.page import distances, save
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from serving.fake_server import PAINTED, Served

from keras_inpaint import Inpainter
from keras_inpaint.models import Generator
from keras_inpaint.pictures.resizing import upsample
from keras_inpaint.serving import export_page

pytestmark = pytest.mark.browser


def painted(engine, photo):
    """What the engine's fake network paints."""
    return 255 - photo if engine == "browser" else np.full_like(photo, PAINTED)


def changed(photo, result):
    return (photo != result[..., :3]).any(axis=-1)


def open_photo(page, url, photo, tmp_path, name="photo.png"):
    page.visit(url)
    page.open(save(tmp_path / name, photo))


def test_a_stroke_is_filled_and_nothing_else_changes(desktop, url, engine, photo, tmp_path):
    open_photo(desktop, url, photo, tmp_path)
    start, end = desktop.stroke((30, 40), (80, 55))
    radius = desktop.radius
    desktop.fill()
    result = desktop.download()
    assert result.shape == photo.shape
    hole = changed(photo, result)
    away = distances(hole.shape, start, end)
    assert hole[away < radius - 0.5].all()
    assert not hole[away > radius + 0.5].any()
    np.testing.assert_array_equal(result[hole], painted(engine, photo)[hole])


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(desktop, url, engine, photo, tmp_path, kind):
    desktop.visit(url)
    path = save(tmp_path / "photo.png", photo)
    if kind == "drop":
        assert not desktop.give("dragover", path)
        assert desktop.find("drop-hint").is_displayed()
        # Not opened by the browser in place of the page.
        assert not desktop.give("drop", path)
        assert not desktop.find("drop-hint").is_displayed()
    else:
        desktop.give("paste", path)
    desktop.wait_for("Paint over what should go")
    desktop.stroke((30, 40), (80, 55))
    desktop.fill()
    result = desktop.download()
    hole = changed(photo, result)
    assert hole[50, 60]
    np.testing.assert_array_equal(result[hole], painted(engine, photo)[hole])


def test_what_is_dropped_and_no_picture_is_refused(desktop, static_site, tmp_path):
    desktop.visit(static_site)
    (tmp_path / "note.png").write_text("no picture")
    desktop.give("drop", tmp_path / "note.png")
    desktop.wait(lambda: desktop.find("error").text)
    assert "note.png" in desktop.find("error").text


def check_painting(page, photo, start, end, kind="mouse"):
    """Paints, fills, and compares the hole with where the pointer was."""
    start, end = page.stroke(start, end, kind)
    radius, scale = page.radius, page.scale
    page.fill()
    hole = changed(photo, page.download())
    away = distances(hole.shape, start, end)
    # Of a pixel of the photo, one of the screen is `1 / scale`.
    assert hole[away < radius - 1 / scale].all()
    assert not hole[away > radius + 1 / scale].any()
    return hole


def test_the_wheel_zooms_at_the_pointer_and_painting_stays_exact(
    desktop, static_site, photo, tmp_path
):
    open_photo(desktop, static_site, photo, tmp_path)
    whole, place = desktop.scale, (40, 30)
    desktop.wheel(place, -300)
    desktop.wait(lambda: desktop.find("zoom").text == "200 %")
    assert desktop.scale == 2 * whole
    before = desktop.on_screen(place)
    # As large as it gets: a pixel of the photo is 16 of the screen.
    desktop.wheel(place, -900)
    desktop.wait(lambda: desktop.scale == 16)
    np.testing.assert_allclose(desktop.on_screen(place), before, atol=1)
    check_painting(desktop, photo, (30, 25), (45, 35))
    desktop.click("fit")
    desktop.wait(lambda: desktop.scale == whole)
    assert not desktop.find("fit").is_displayed()


def test_keys_zoom_and_the_brush_stays_in_sight(desktop, static_site, photo, tmp_path):
    open_photo(desktop, static_site, photo, tmp_path)
    whole, stage = desktop.scale, desktop.find("stage").rect
    desktop.press("[", "[", "+", "=", "+", "-")
    np.testing.assert_allclose(desktop.scale / whole, 1.5**2, rtol=0.01)
    desktop.press("+", "+")
    # To the corner, which is out of sight.
    for _ in range(80):
        desktop.press(Keys.ARROW_LEFT, Keys.ARROW_UP)
    brush = desktop.find("brush-cursor").rect
    middle = [brush[side] + brush[size] / 2 for side, size in (("x", "width"), ("y", "height"))]
    np.testing.assert_allclose(middle, [stage["x"], stage["y"]], atol=2)
    np.testing.assert_allclose(desktop.corner, [stage["x"], stage["y"]], atol=1)
    desktop.press(" ")
    desktop.fill()
    hole = changed(photo, desktop.download())
    assert hole[0, 0]
    assert hole.mean() < 0.05
    desktop.press("0")
    assert desktop.scale == whole


def test_two_fingers_zoom_and_do_not_paint(open_browser, static_site, photo, tmp_path):
    # Its own: what the driver knows of a second finger outlasts the page.
    phone = open_browser(390, 844, is_phone=True)
    phone.visit(static_site)
    phone.open(save(tmp_path / "photo.png", photo))
    whole, place = phone.scale, (60, 45)
    before = phone.on_screen(place)
    phone.pinch(place, 80, 200)
    np.testing.assert_allclose(phone.scale / whole, 200 / 80, rtol=0.05)
    np.testing.assert_allclose(phone.on_screen(place), before, atol=1)
    assert not phone.find("fill").is_enabled()
    check_painting(phone, photo, (55, 40), (66, 50), kind="touch")


def test_a_finger_paints_on_a_phone_and_nothing_scrolls_sideways(
    phone, url, engine, photo, tmp_path
):
    phone.visit(url)
    width = "return [document.documentElement.scrollWidth, window.innerWidth]"
    assert phone.driver.execute_script(width) == [390, 390]
    phone.open(save(tmp_path / "photo.png", photo))
    phone.stroke((30, 40), (80, 55), kind="touch")
    assert phone.driver.execute_script(width) == [390, 390]
    buttons = phone.driver.find_elements(By.CSS_SELECTOR, "#tools button, header button")
    for button in buttons:
        if button.is_displayed():
            box = button.rect
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
            assert box["height"] >= 40
    phone.fill()
    hole = changed(photo, phone.download())
    assert hole[50, 60]
    assert 0 < hole.mean() < 0.5


def test_all_of_it_can_be_done_by_keys(desktop, url, engine, photo, tmp_path):
    open_photo(desktop, url, photo, tmp_path)
    desktop.press("[", "[")
    desktop.press(Keys.ARROW_LEFT, Keys.ARROW_UP, " ")
    desktop.chord(Keys.ARROW_RIGHT, Keys.SHIFT)
    desktop.press("e", " ", "b")
    desktop.chord("z", Keys.CONTROL)
    assert not desktop.find("fill").get_attribute("disabled")
    desktop.press(Keys.ENTER)
    desktop.wait_for("Filled.")
    hole = changed(photo, desktop.download())
    assert hole[45, 60]
    assert hole.mean() < 0.2
    desktop.chord("z", Keys.CONTROL)
    desktop.wait_for("Undone.")
    np.testing.assert_array_equal(desktop.download(), photo)
    desktop.chord("z", Keys.CONTROL, Keys.SHIFT)
    desktop.wait_for("Done again.")
    np.testing.assert_array_equal(changed(photo, desktop.download()), hole)


def test_what_was_erased_is_not_filled(desktop, url, photo, tmp_path):
    open_photo(desktop, url, photo, tmp_path)
    desktop.stroke((20, 45), (100, 45))
    desktop.click("eraser")
    start, end = desktop.stroke((60, 0), (60, 89))
    radius = desktop.radius
    desktop.fill()
    hole = changed(photo, desktop.download())
    assert hole[45, 25]
    assert hole[45, 95]
    assert not hole[distances(hole.shape, start, end) < radius - 0.5].any()


def test_a_mask_file_marks_the_hole_and_a_filling_is_filled_again(
    desktop, url, engine, photo, tmp_path
):
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[10:30, 20:50] = 90
    open_photo(desktop, url, photo, tmp_path)
    desktop.load_mask(save(tmp_path / "mask.png", mask))
    desktop.fill()
    first = desktop.download()
    expected = np.where(mask[..., None] > 0, painted(engine, photo), photo)
    np.testing.assert_array_equal(first, expected)
    mask = np.roll(mask, 15, axis=1)
    desktop.load_mask(save(tmp_path / "second.png", mask))
    desktop.fill()
    expected = np.where(mask[..., None] > 0, painted(engine, first), first)
    np.testing.assert_array_equal(desktop.download(), expected)


def test_a_mask_of_another_size_is_refused_in_one_line(desktop, url, photo, tmp_path):
    open_photo(desktop, url, photo, tmp_path)
    path = save(tmp_path / "mask.png", np.eye(40, dtype=np.uint8))
    desktop.find("mask-file").send_keys(str(path))
    desktop.wait(lambda: desktop.find("error").text)
    assert desktop.find("error").text == (
        "The mask must be of the photo's size, 120 × 90 pixels. It has 40 × 40."  # noqa: RUF001
    )


def test_what_is_no_picture_is_refused_in_one_line(desktop, url, tmp_path):
    desktop.visit(url)
    (tmp_path / "note.png").write_text("no picture")
    desktop.find("photo-file").send_keys(str(tmp_path / "note.png"))
    desktop.wait(lambda: desktop.find("error").text)
    assert "note.png" in desktop.find("error").text


def test_transparency_stays_as_it_is(desktop, url, engine, photo, tmp_path):
    alpha = np.full((*photo.shape[:2], 1), 255, np.uint8)
    alpha[:, :30] = 0
    alpha[:, 30:40] = 100
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[20:45, 30:80] = 255
    open_photo(desktop, url, np.dstack([photo, alpha]), tmp_path)
    desktop.load_mask(save(tmp_path / "mask.png", mask))
    desktop.fill()
    result = desktop.download()
    np.testing.assert_array_equal(result[..., 3:], alpha)
    expected = np.where(mask[..., None] > 0, painted(engine, photo), photo)
    opaque = alpha[..., 0] == 255
    np.testing.assert_array_equal(result[opaque, :3], expected[opaque])


def test_before_and_after_are_compared_by_a_slider(desktop, url, photo, tmp_path):
    open_photo(desktop, url, photo, tmp_path)
    desktop.stroke((30, 40), (80, 55))
    assert desktop.find("compare").get_attribute("disabled")
    desktop.fill()
    desktop.press("c")
    desktop.wait(lambda: not desktop.find("split").get_property("hidden"))
    desktop.press(Keys.HOME)
    split = "return getComputedStyle(arguments[0]).clipPath"
    assert "100%" in desktop.driver.execute_script(split, desktop.find("before"))
    desktop.press(Keys.END)
    desktop.wait(
        lambda: "100%" not in desktop.driver.execute_script(split, desktop.find("before"))
    )
    desktop.press("c")
    desktop.wait(lambda: desktop.find("split").get_property("hidden"))


def test_filling_can_be_cancelled_and_begun_again(desktop, fake, photo, tmp_path):
    served, url = fake
    open_photo(desktop, url, photo, tmp_path)
    desktop.stroke((30, 40), (80, 55))
    served.generator.may_go.clear()
    try:
        served.generator.has_begun.clear()
        desktop.click("fill")
        desktop.wait(served.generator.has_begun.is_set)
        desktop.press(Keys.ESCAPE)
        desktop.wait_for("Cancelled.")
        np.testing.assert_array_equal(desktop.download(), photo)
    finally:
        served.generator.may_go.set()
    desktop.fill()
    assert changed(photo, desktop.download()).any()


def test_the_key_of_the_server_is_asked_for(desktop, show_served, photo, tmp_path):
    url = show_served(Served(key="secret"))
    open_photo(desktop, url, photo, tmp_path)
    desktop.stroke((30, 40), (80, 55))
    desktop.click("fill")
    desktop.wait(lambda: desktop.find("key").is_displayed())
    desktop.press("wrong", Keys.ENTER)
    desktop.wait(lambda: not desktop.find("key").get_property("value"))
    desktop.wait(lambda: desktop.find("key").is_displayed())
    desktop.press("secret", Keys.ENTER)
    desktop.wait_for("Filled.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(desktop, url, engine, photo, tmp_path, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    desktop.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    desktop.visit(url)
    assert desktop.serious_faults() == []
    desktop.press("?")
    assert desktop.serious_faults() == []
    desktop.press(Keys.ESCAPE)
    desktop.open(save(tmp_path / "photo.png", photo))
    desktop.stroke((30, 40), (80, 55))
    assert desktop.serious_faults() == []
    desktop.fill()
    desktop.press("c")
    assert desktop.serious_faults() == []


def test_no_request_leaves_the_host(desktop, url, photo, tmp_path):
    open_photo(desktop, url, photo, tmp_path)
    desktop.stroke((30, 40), (80, 55))
    desktop.fill()
    script = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    names = desktop.driver.execute_script(script)
    assert names
    assert all(name.startswith((url, "blob:" + url)) for name in names), names
    # Nor could one.
    blocked = desktop.driver.execute_async_script(
        "const done = arguments[0];"
        "addEventListener('securitypolicyviolation', (event) => done(event.blockedURI));"
        "fetch('http://example.invalid/').catch(() => {});"
    )
    assert blocked == "http://example.invalid/"


def test_the_network_has_threads_where_the_page_is_isolated(
    desktop, static_folder, show_folder, photo, tmp_path
):
    open_photo(desktop, show_folder(static_folder, is_isolated=True), photo, tmp_path)
    assert desktop.driver.execute_script("return crossOriginIsolated")
    desktop.stroke((30, 40), (80, 55))
    desktop.fill()
    result = desktop.download()
    hole = changed(photo, result)
    assert hole.any()
    np.testing.assert_array_equal(result[hole], 255 - photo[hole])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network of Keras, and the page that it is exported to."""
    keras.utils.set_random_seed(3)
    inpainter = Inpainter(Generator.deepfill_v2(width=8), "tiny", image_size=64)
    return inpainter, export_page(inpainter, tmp_path_factory.mktemp("exported") / "site")


def test_an_exported_page_fills_as_its_inpainter(desktop, exported, show_folder, rng, tmp_path):
    """In windows that are made smaller, with copied detail."""
    inpainter, site = exported
    url = show_folder(site)
    noise = rng.integers(0, 256, (30, 42, 3), np.uint8)
    photo = upsample(noise, (300, 420))
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[40:110, 60:140] = 255
    mask[200:203, 100:380] = 255
    open_photo(desktop, url, photo, tmp_path)
    desktop.load_mask(save(tmp_path / "mask.png", mask))
    desktop.fill()
    result = desktop.download()
    np.testing.assert_array_equal(result[mask == 0], photo[mask == 0])
    expected = inpainter.inpaint(photo, mask).astype(int)
    # Sums are rounded differently: now and then another patch is the most alike.
    assert np.mean(np.abs(result - expected)[mask > 0] > 2) < 0.01
    assert changed(photo, result)[mask > 0].mean() > 0.9


def check_fills(page, photo):
    """A stroke is filled by the fake network, which makes negatives."""
    page.stroke((30, 40), (80, 55))
    page.fill()
    result = page.download()
    hole = changed(photo, result)
    assert hole[50, 60]
    np.testing.assert_array_equal(result[hole], 255 - photo[hole])


@pytest.fixture(scope="module")
def gpu_site(static_folder, show_folder, tmp_path_factory):
    """A page that takes a GPU, or says why it cannot."""
    folder = tmp_path_factory.mktemp("gpu") / "site"
    shutil.copytree(static_folder, folder)
    settings = json.loads((folder / "page.json").read_text(encoding="utf-8"))
    (folder / "page.json").write_text(json.dumps({**settings, "device": "webgpu"}))
    return show_folder(folder)


def test_the_network_runs_on_a_gpu_by_webgpu(
    open_browser, gpu_site, static_site, photo, tmp_path
):
    page = open_browser(arguments=IMITATED_GPU)
    # On the first, because it is asked for; not on the second, because it is imitated.
    for url in (gpu_site, static_site):
        open_photo(page, url, photo, tmp_path)
        check_fills(page, photo)
    adapter = "return (await navigator.gpu.requestAdapter()).info.isFallbackAdapter"
    assert page.driver.execute_script(adapter)


def test_a_gpu_that_is_asked_for_and_not_there_is_said(desktop, gpu_site, photo, tmp_path):
    open_photo(desktop, gpu_site, photo, tmp_path)
    desktop.stroke((30, 40), (80, 55))
    desktop.click("fill")
    desktop.wait(lambda: desktop.find("error").text)
    assert "GPU" in desktop.find("error").text


def test_a_guided_network_is_shown_an_empty_sketch(
    desktop, static_folder, show_folder, photo, tmp_path
):
    folder = tmp_path / "site"
    shutil.copytree(static_folder, folder)
    write_negative(folder / "model.onnx", is_guided=True)
    open_photo(desktop, show_folder(folder), photo, tmp_path)
    check_fills(desktop, photo)


# What the worker meets where there is a GPU that is none, or one whose driver has faults.
FAULTY_GPUS = {
    "no device": "GPUAdapter.prototype.requestDevice = async () => { throw Error('none'); };",
    "no memory": "GPUDevice.prototype.createBuffer = () => { throw Error('full'); };",
    "no work": "GPUQueue.prototype.submit = () => { throw Error('lost'); };",
}
REAL_GPU = (
    "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { value: false });"
)


@pytest.mark.parametrize("fault", FAULTY_GPUS)
def test_a_gpu_with_faults_is_left_for_the_cpu(
    open_browser, static_folder, show_folder, photo, tmp_path, fault
):
    folder = tmp_path / "site"
    shutil.copytree(static_folder, folder)
    worker = folder / "page" / "engines" / "worker.js"
    faults = f"{FAULTY_GPUS[fault]} {REAL_GPU}"
    worker.write_text(f"{worker.read_text(encoding='utf-8')}\n{faults}\n", encoding="utf-8")
    page = open_browser(arguments=IMITATED_GPU)
    open_photo(page, show_folder(folder), photo, tmp_path)
    check_fills(page, photo)
