"""What a user does on the page, by Selenium; waits for conditions, never for a time."""

import base64
import pathlib

import numpy as np
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

# A file as the clipboard and other programs hand it over.
GIVE = """
const [kind, name, text] = arguments;
const data = new DataTransfer();
const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
data.items.add(new File([bytes], name, { type: "image/png" }));
const options = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
const event = new (kind === "paste" ? ClipboardEvent : DragEvent)(kind, options);
return document.body.dispatchEvent(event);
"""
AXE = pathlib.Path(__file__).parent / "vendor" / "axe.min.js"


class Page:
    """The page in one browser.

    Args:
        driver: WebDriver.
        downloads: Path of the folder where downloads appear.
    """

    def __init__(self, driver, downloads):
        self.driver, self.downloads = driver, downloads

    def find(self, name):
        return self.driver.find_element(By.ID, name)

    def wait(self, condition):
        return WebDriverWait(self.driver, 60, poll_frequency=0.05).until(lambda _: condition())

    def visit(self, url):
        self.driver.get(url)
        self.wait(lambda: self.find("privacy").get_attribute("textContent"))

    def open(self, path):
        self.find("photo-file").send_keys(str(path))
        self.wait_for("Paint over what should go")

    def give(self, kind, path):
        """Lets an event bring a file; returns whether the page leaves it to the browser."""
        text = base64.b64encode(path.read_bytes()).decode()
        return self.driver.execute_script(GIVE, kind, path.name, text)

    def wait_for(self, text):
        def is_said():
            error = self.find("error").text
            assert not error or text in error, error
            return text in self.find("status").text or text in error

        self.wait(is_said)

    def click(self, name):
        self.wait(lambda: self.find(name).is_enabled())
        self.find(name).click()

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, key, *held):
        chain = ActionChains(self.driver)
        for each in held:
            chain.key_down(each)
        chain.send_keys(key)
        for each in held:
            chain.key_up(each)
        chain.perform()

    @property
    def scale(self):
        """Pixels of the screen for one of the photo."""
        script = "return arguments[0].getBoundingClientRect().width"
        width = self.driver.execute_script(script, self.find("frame"))
        return width / self.photo_width

    @property
    def photo_width(self):
        return int(self.find("after").get_attribute("width"))

    @property
    def radius(self):
        """Of the brush, in pixels of the photo."""
        width = self.find("brush-cursor").value_of_css_property("width")
        return float(width.removesuffix("px")) / 2 / self.scale

    @property
    def corner(self):
        """Of the photo on the screen, as x and y."""
        script = "const b = arguments[0].getBoundingClientRect(); return [b.left, b.top]"
        return self.driver.execute_script(script, self.find("frame"))

    def on_screen(self, place):
        """Where a place of the photo is."""
        scale = self.scale
        return [round(side + at * scale) for side, at in zip(self.corner, place, strict=True)]

    def wheel(self, place, pixels):
        """Turns the wheel over a place of the photo."""
        x, y = self.on_screen(place)
        origin = ScrollOrigin.from_viewport(x, y)
        ActionChains(self.driver).scroll_from_origin(origin, 0, pixels).perform()

    def pinch(self, place, before, after):
        """Moves two fingers apart around a place, from one distance to another, in pixels."""
        x, y = self.on_screen(place)
        fingers = [PointerInput("touch", name) for name in ("left", "right")]
        builder = ActionBuilder(self.driver, fingers[0], duration=20)
        builder.devices.append(fingers[1])
        for finger, side in zip(fingers, (-1, 1), strict=True):
            finger.create_pointer_move(0, x + side * before // 2, y)
            finger.create_pointer_down(button=0)
            finger.create_pointer_move(20, x + side * after // 2, y)
            finger.create_pointer_up(0)
        builder.perform()
        builder.clear_actions()

    def stroke(self, start, end, kind="mouse"):
        """Paints from one place of the photo to another, each as x and y."""
        scale, box = self.scale, self.corner
        places = [
            [round(side + at * scale) for side, at in zip(box, place, strict=True)]
            for place in (start, np.mean([start, end], axis=0), end)
        ]
        actions = ActionBuilder(self.driver, PointerInput(kind, "pen"), duration=20)
        pointer = actions.pointer_action
        pointer.move_to_location(*places[0])
        pointer.pointer_down()
        for place in places[1:]:
            pointer.move_to_location(*place)
        pointer.pointer_up()
        actions.perform()
        # Where it was really painted: whole pixels of the screen.
        return [
            [(at - side) / scale for at, side in zip(place, box, strict=True)]
            for place in (places[0], places[-1])
        ]

    def load_mask(self, path):
        self.find("mask-file").send_keys(str(path))
        self.wait_for("The mask is loaded")

    def fill(self):
        self.click("fill")
        self.wait_for("Filled.")

    def download(self):
        """The pixels of the file that the page saves, as it saves them."""
        before = set(self.downloads.iterdir())
        self.click("download")
        self.wait_for("Saved as")

        def new():
            found = set(self.downloads.iterdir()) - before
            return [path for path in found if path.suffix == ".png"]

        (path,) = self.wait(new)
        with Image.open(path) as image:
            assert image.format == "PNG"
            return np.asarray(image)

    def serious_faults(self):
        """What axe-core finds, as its name and what it is about."""
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        faults = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then((found) => done(found.violations))"
        )
        return [
            (fault["id"], [node["html"][:120] for node in fault["nodes"]])
            for fault in faults
            if fault["impact"] in ("serious", "critical")
        ]


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def distances(shape, start, end):
    """From the centre of each pixel to a line between two places."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    (x0, y0), (dx, dy) = start, np.subtract(end, start)
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
    return np.hypot(x - x0 - along * dx, y - y0 - along * dy)
