"""Seconds in which an exported page fills a hole that its network sees in 512 x 512 pixels.

    keras-inpaint export --format page --output site/
    python benchmarks/page.py site/

Headless Chromium opens the page from a server of files, without the headers that allow threads
(the network runs in one). The first filling also loads the network. Beside the clock's seconds
stand those of the CPU, of all processes of the browser, which grow less on a busy machine.
Linux alone; needs Chromium, its driver and Selenium (`make test-browser` gets them).
"""

import argparse
import functools
import http.server
import os
import pathlib
import shutil
import tempfile
import threading
import time

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from keras_inpaint.inpainting.planning import choose_method, plan


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that prints nothing."""

    def log_message(self, *ignored):
        pass


def pictures(folder):
    """A photo of noise, and a hole as long as one window takes and as thick as holes are."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
    small.resize((640, 640)).save(folder / "photo.png")
    holes = np.zeros((640, 640), bool)
    holes[192:448, 192:232] = holes[408:448, 192:448] = True
    Image.fromarray(holes).save(folder / "mask.png")
    (window,) = plan(choose_method(holes, 128), holes, 128)
    assert window.size == (512, 512)
    return folder / "photo.png", folder / "mask.png"


def cpu_seconds(pid):
    """Of a process and all that it has started."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for path in threads for child in path.read_text().split()]
    # After the name, which may hold spaces: the state is field 3, the times are 14 and 15.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(child) for child in children)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=pathlib.Path, help="what export --format page wrote")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    handler = functools.partial(Quiet, directory=arguments.site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with (
        tempfile.TemporaryDirectory() as folder,
        webdriver.Chrome(options=options, service=service) as driver,
    ):
        photo, mask = pictures(pathlib.Path(folder))
        driver.get(f"http://127.0.0.1:{server.server_port}/")

        def wait_for(text):
            said = driver.find_element(By.ID, "status")
            WebDriverWait(driver, 300, 0.05).until(lambda _: text in said.text)

        WebDriverWait(driver, 60).until(
            lambda _: driver.find_element(By.ID, "privacy").get_attribute("textContent")
        )
        driver.find_element(By.ID, "photo-file").send_keys(str(photo))
        wait_for("Paint over")
        for index in range(arguments.repeat):
            driver.find_element(By.ID, "mask-file").send_keys(str(mask))
            wait_for("The mask is loaded")
            begun, used = time.perf_counter(), cpu_seconds(service.process.pid)
            driver.find_element(By.ID, "fill").click()
            wait_for("Filled.")
            seconds = time.perf_counter() - begun
            used = cpu_seconds(service.process.pid) - used
            note = "" if index else ", the network loaded first"
            print(f"{seconds:.1f} s, {used:.1f} s of the CPU{note}")


if __name__ == "__main__":
    main()
