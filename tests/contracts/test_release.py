"""What a release consists of tells one version, and every file that it needs is there."""

import configparser
import datetime
import pathlib
import re

import pytest
import yaml

import keras_inpaint

ROOT = pathlib.Path(__file__).parents[2]
# Licence, floors and tools have tests of their own.
FILES = ["CHANGELOG.md", "CITATION.cff", "CODE_OF_CONDUCT.md", "LICENSE", "SECURITY.md"]
PYTHONS = ["3.11", "3.12", "3.13"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def settings():
    parser = configparser.ConfigParser()
    parser.read_string(text("setup.cfg"))
    return parser


def test_version_is_written_in_one_place(settings):
    assert settings["metadata"]["version"] == "attr: keras_inpaint.version.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+(rc\d+)?", keras_inpaint.__version__)


def test_changelog_has_each_version_once_newest_first():
    headings = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", text("CHANGELOG.md"), re.M)
    assert headings[0][0] in ("Unreleased", keras_inpaint.__version__)
    released = [each for each in headings if each[0] != "Unreleased"]
    assert released[0][0] == keras_inpaint.__version__
    dates = [datetime.date.fromisoformat(date) for _, date in released]
    assert dates == sorted(dates, reverse=True)
    assert len({name for name, _ in headings}) == len(headings)


def test_changelog_has_the_sections_of_its_format():
    kinds = set(re.findall(r"^### (.+)$", text("CHANGELOG.md"), re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_citation_names_the_version_and_the_day_of_the_changelog():
    citation = yaml.safe_load(text("CITATION.cff"))
    (date,) = re.findall(
        rf"^## \[{keras_inpaint.__version__}\] - (\S+)$", text("CHANGELOG.md"), re.M
    )
    assert citation["version"] == keras_inpaint.__version__
    assert citation["date-released"] == datetime.date.fromisoformat(date)
    assert [paper["year"] for paper in citation["references"]] == [2018, 2019]


@pytest.mark.parametrize("name", FILES)
def test_file_is_in_the_sdist(name):
    assert (ROOT / name).read_bytes()
    assert name in text("MANIFEST.in").split()


def test_pythons_of_the_classifiers_are_those_that_are_tried(settings):
    lines = settings["metadata"]["classifiers"].split("\n")
    named = [line.split(" :: ")[2] for line in lines if ":: Python :: 3." in line]
    checks = yaml.safe_load(text(".github/workflows/checks.yml"))
    assert named == checks["jobs"]["run"]["strategy"]["matrix"]["python"] == PYTHONS
    assert settings["options"]["python_requires"] == ">=3.11,<3.14"


def test_checks_run_all_that_a_change_must_pass():
    (job,) = yaml.safe_load(text(".github/workflows/checks.yml"))["jobs"].values()
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]


def test_every_target_of_make_for_changes_is_explained():
    targets = re.findall(r"^([a-z-]+):.* ## ", text("Makefile"), re.M)
    table = set(re.findall(r"`make ([a-z-]+)`", text(".github/CONTRIBUTING.md")))
    assert table == set(targets) - {"help", "inpaint", "clean"}


def test_coverage_has_a_floor_that_the_forge_asks_for_on_one_python(settings):
    assert 0 < settings.getfloat("coverage:report", "fail_under") <= 100
    (job,) = yaml.safe_load(text(".github/workflows/checks.yml"))["jobs"].values()
    (step,) = [each for each in job["steps"] if each.get("run") == "make coverage"]
    assert step["if"] == "matrix.python == '3.13'"
    assert step["env"]["COVERAGE_CORE"] == "sysmon"
    # It costs time, and the same tests run there.
    assert "coverage" not in text(".ci/run")


def test_release_has_no_secret_and_publishes_what_was_checked():
    workflow = yaml.safe_load(text(".github/workflows/release.yml"))
    assert "secrets." not in text(".github/workflows/release.yml")
    publish = workflow["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"


def test_readme_shows_lines_and_a_command_that_the_wheel_is_tried_with():
    lines = {}
    exec(text(".ci/readme_lines.py"), lines)
    compile(lines["first_python"](text("README.md")), "README.md", "exec")
    assert "photo.jpg" in lines["first_python"](text("README.md"))
    assert "--mask mask.png --output filled.png" in lines["first_command"](text("README.md"))
