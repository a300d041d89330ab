"""Nothing in the tree names a folder of the machine it was written on."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Put together from parts, so that this file does not name them either.
FOLDERS = ("work", "root", "Users", r"home/[a-z]\w*", "opt/wheels", "opt/pypi")
MACHINE_PATH = re.compile(
    r"(?<![\w.\-}$)])/(?:" + "|".join(FOLDERS) + r")(?=[/\"'\s`]|$)", re.M
)


def tracked_files():
    """Files that git tracks or would track."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        answer = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git cannot list the files of this folder")
    return [ROOT / name for name in answer.stdout.decode().split("\0") if name]


def machine_paths(text):
    return [match.group() for match in MACHINE_PATH.finditer(text)]


def test_no_file_names_a_folder_of_one_machine():
    found = []
    for path in tracked_files():
        # Files of others, unchanged, have folders of their own makers' machines.
        if "vendor" in path.parts:
            continue
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content[:8192]:
            for name in machine_paths(content.decode("utf-8", "replace")):
                found.append(f"{path.relative_to(ROOT)}: {name}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("start", ["work", "root", "home/somebody", "Users/somebody"])
@pytest.mark.parametrize("text", ["cd {}/main", '"{}/main/photo.jpg"', "see `{}`", "{}"])
def test_machine_path_is_seen(start, text):
    assert machine_paths(text.format("/" + start + ("/x" if start == "Users" else "")))


@pytest.mark.parametrize(
    "text",
    ["docs/work/page.md", "http://host/root/x", "a work/around", "$HOME/work/x", "/tmp/x"],
)
def test_other_paths_are_left_alone(text):
    assert not machine_paths(text)
