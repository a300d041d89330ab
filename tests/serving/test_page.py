"""The page as the server shows it: open to all, from itself alone, and never half-old."""

import pathlib
import re

import pytest
from serving.fake_server import Served, encode, photo_and_mask

from keras_inpaint.serving.page_files import PAGE


def test_the_page_stands_at_the_root(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


def test_every_file_that_the_page_names_is_there(client):
    named = re.findall(r'(?:href|src)="([^"#]+)"', client.get("/").text)
    assert {"page/main.js", "page/style.css", "page/icon.svg"} <= set(named)
    for name in named:
        assert client.get("/" + name).status_code == 200, name


def test_every_module_that_another_one_imports_is_there():
    for module in PAGE.rglob("*.js"):
        if "vendor" in module.parts:
            continue
        text = module.read_text(encoding="utf-8")
        for name in re.findall(r'(?:from|import\() ?"([^"]+)"', text):
            assert (module.parent / name).is_file(), f"{module.name} imports {name}"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/page/main.js", "javascript"),
        ("/page/style.css", "text/css"),
        ("/page/icon.svg", "image/svg+xml"),
        ("/page.json", "application/json"),
    ],
)
def test_files_have_their_types_and_nothing_may_come_from_elsewhere(client, path, kind):
    answer = client.get(path)
    assert kind in answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "unsafe-inline" not in policy


def test_what_has_not_changed_is_not_sent_again(client):
    first = client.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/nothing.js", "/page/"]
)
def test_no_other_file_is_shown(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_the_page_needs_no_key_and_what_it_asks_for_does():
    photo, mask = photo_and_mask()
    served = Served(key="secret")
    with served.client as client:
        for path in ("/", "/page.json", "/page/main.js"):
            assert client.get(path).status_code == 200, path
        files = {"photo": encode(photo), "mask": encode(mask)}
        assert client.post("/inpaint", files=files).status_code == 401
        assert client.get("/pages").status_code == 401


def test_no_file_of_the_page_names_another_host():
    for path in PAGE.rglob("*"):
        if path.suffix not in (".js", ".css", ".html") or "vendor" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        hosts = set(re.findall(r"https?://([\w.]+)", text)) - {"www.w3.org"}
        assert not hosts, f"{pathlib.Path(path).name} names {hosts}"


def test_the_runtime_has_its_licence_beside_it():
    names = {path.name for path in (PAGE / "vendor").iterdir()}
    assert {"LICENSE", "ThirdPartyNotices.txt", "README.md"} <= names
    readme = (PAGE / "vendor" / "README.md").read_text(encoding="utf-8")
    for name in names - {"LICENSE", "ThirdPartyNotices.txt", "README.md"}:
        assert f"`{name}`" in readme, name
