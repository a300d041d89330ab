"""What README.md and the recipes tell people to type is understood."""

import json
import pathlib
import shlex

import pytest

from keras_inpaint.cli.main import _parser
from keras_inpaint.training.settings import Settings

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *ROOT.glob("recipes/*.md")]
COMMANDS = [
    line
    for page in PAGES
    # A command may go on in the next line, as a shell reads it.
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    if line.startswith("keras-inpaint ")
]


def test_commands_are_found():
    assert {command.split()[1] for command in COMMANDS} >= {"inpaint", "train"}
    assert any("--baselines" in command and "--sheet" in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command):
    _parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize(
    "recipe", sorted((ROOT / "recipes").glob("*.json")), ids=lambda p: p.stem
)
def test_recipe_is_understood(recipe):
    settings = json.loads(recipe.read_text(encoding="utf-8"))
    assert Settings.from_dict({"data": "photos", "output": "run", **settings})
