"""What setup.cfg asks for: floors, each once, and `make test-floors` installs exactly these."""

import configparser
import importlib.util
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Each with its reason, which stands beside it in setup.cfg.
EXACT = {
    "tensorflow-addons==0.23.0",
    "torch==2.13.0",
    "tritonclient[http]==2.66.0",
}
# PyTorch is the one of `make test`; the tools are the project's own.
NOT_INSTALLED = {"pytorch", "evaluation", "test", "lint", "docs", "release"}


@pytest.fixture(scope="module")
def floors():
    spec = importlib.util.spec_from_file_location("floors", ROOT / ".ci" / "floors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.floors


@pytest.fixture(scope="module")
def settings():
    return (ROOT / "setup.cfg").read_text(encoding="utf-8")


def settings_of(core, **extras):
    lines = ["[options]", "install_requires =", *(f"    {line}" for line in core)]
    lines.append("[options.extras_require]")
    for name, requirements in extras.items():
        lines += [f"{name} =", *(f"    {line}" for line in requirements)]
    return "\n".join(lines)


def test_every_requirement_of_the_package_has_one_floor_and_no_upper_bound(floors, settings):
    assert floors(settings)["keras"] == "3.15"


def test_only_what_a_comment_explains_is_asked_for_exactly(settings):
    parser = configparser.ConfigParser()
    parser.read_string(settings)
    lists = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    lines = {line.split(";")[0] for text in lists for line in text.split("\n")}
    assert {line for line in lines if "==" in line} == EXACT


def test_tensorflow_keras_tuner_and_tensorboard_come_with_every_installation(floors, settings):
    core = settings[: settings.index("[options.extras_require]")]
    installed = set(floors(core + "[options.extras_require]\n"))
    assert {"tensorflow", "keras-tuner", "tensorboard"} <= installed


def test_the_floors_of_every_extra_for_users_are_installed(settings):
    parser = configparser.ConfigParser()
    parser.read_string(settings)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (extras,) = re.findall(r"^FLOOR_EXTRAS := (.*)$", makefile, re.M)
    assert set(extras.split(",")) == set(parser["options.extras_require"]) - NOT_INSTALLED


def test_floors_are_the_oldest_versions_of_all_lists(floors):
    text = settings_of(
        ["numpy>=2", "# why", "keras-tuner>=1.4.8"],
        bayesian=["keras-tuner[bayesian]", "torch>=2.13"],
        test=["keras-inpaint[bayesian]", "torch==2.14.1", 'old==1.0; python_version < "3.12"'],
    )
    expected = {"numpy": "2", "keras-tuner": "1.4.8", "torch": "2.13", "old": "1.0"}
    assert floors(text) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["numpy>=2,<3"], r"without an upper bound.*'numpy>=2,<3'"),
        (["numpy<3"], r"without an upper bound.*'numpy<3'"),
        (["numpy~=2.0"], r"without an upper bound.*'numpy~=2.0'"),
        (["numpy"], r"needs a floor.*'numpy'"),
        (["numpy>=2", "numpy>=2.1"], r"one floor.*numpy>=2 and 'numpy>=2.1'"),
    ],
)
def test_a_requirement_without_one_floor_is_refused(floors, lines, message):
    with pytest.raises(ValueError, match=message):
        floors(settings_of(lines))
