"""A bar on a terminal, plain lines elsewhere."""

import io
import logging

import pytest
from rich.console import Console

from keras_inpaint.cli import console as console_module
from keras_inpaint.cli.console import Progress


@pytest.fixture(autouse=True)
def level():
    """Messages are shown from the usual level on."""
    with console_module.messages(logging.INFO):
        yield


def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=60)


def test_terminal_has_one_bar_that_disappears():
    console = terminal()
    with Progress(4, console) as progress:
        progress.begin("a.jpg")
        progress.update(1, 2)
        progress.begin("b[0].jpg")
    drawn = console.file.getvalue()
    assert "0/4" in drawn
    assert "1/4" in drawn
    # Not taken for markup.
    assert "b[0].jpg" in drawn
    # The cursor goes up, and the line is erased.
    assert drawn.rstrip().endswith("\x1b[2K")


def test_part_of_an_item_counts():
    progress = Progress(4, terminal())
    progress.begin("a.jpg")
    progress.begin("b.jpg")
    progress.update(1, 2)
    (task,) = progress._bar.tasks
    assert (task.completed, task.total) == (1.5, 4)


def test_line_never_wraps():
    console = terminal()
    with Progress(1, console) as progress:
        progress.begin("a/very/long/folder/" * 10 + "photo.jpg")
    assert "\n\n" not in console.file.getvalue()
    assert console.file.getvalue().count("\n") <= 2


def test_elsewhere_each_item_has_a_plain_line_and_a_single_one_none(capsys):
    with Progress(2) as progress:
        for name in "ab":
            progress.begin(name)
            progress.update(1, 3)
    with Progress(1) as progress:
        progress.begin("alone")
    told = capsys.readouterr()
    assert told.err == "1/2 a\n2/2 b\n"
    assert told.out == ""


def test_quiet_shows_no_progress(capsys):
    console = terminal()
    with console_module.messages(logging.WARNING):
        for each in (console, console_module.CONSOLE):
            with Progress(2, each) as progress:
                progress.begin("a")
    assert console.file.getvalue() == capsys.readouterr().err == ""
