import io

from keras_inpaint.cli.progress import Progress

CLEAR = "\r\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Moves on when told to."""

    now = 100.0

    def __call__(self):
        return self.now


def test_terminal_has_one_line_with_the_time_left():
    stream, clock = Terminal(), Clock()
    with Progress(4, stream, clock) as progress:
        progress.begin("a.jpg")
        clock.now += 10
        progress.update(1, 2)
        clock.now += 10
        progress.begin("b.jpg")
        progress.update(1, 1)
    # Half of 1 of 4 took 10 s: 70 s for the others. Then 60, and as fast for two of four.
    assert stream.getvalue().split(CLEAR) == [
        "",
        "1/4 a.jpg",
        "1/4 a.jpg, about 70 s left",
        "2/4 b.jpg, about 60 s left",
        "2/4 b.jpg, about 20 s left",
        "",
    ]


def test_minutes_and_hours_are_rounded():
    stream, clock = Terminal(), Clock()
    progress = Progress(2, stream, clock)
    progress.begin("a")
    for seconds in (180, 3600 * 3):
        clock.now = 100.0 + seconds
        progress.update(1, 1)
    assert "about 3 min left" in stream.getvalue()
    assert "about 3 h left" in stream.getvalue()


def test_line_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    Progress(1, stream).begin("a/very/long/folder/photo.jpg")
    assert stream.getvalue() == f"{CLEAR}...folder/photo.jpg"


def test_words_between_take_the_lines_place():
    stream, other = Terminal(), io.StringIO()
    with Progress(2, stream) as progress:
        progress.begin("a")
        progress.say("a failed")
        progress.say("b.png", other)
    assert stream.getvalue() == f"{CLEAR}1/2 a{CLEAR}a failed\n{CLEAR}{CLEAR}"
    assert other.getvalue() == "b.png\n"


def test_elsewhere_each_item_has_a_plain_line_and_a_single_one_none():
    stream = io.StringIO()
    with Progress(2, stream) as progress:
        for name in "ab":
            progress.begin(name)
            progress.update(1, 3)
    Progress(1, stream).begin("alone")
    assert stream.getvalue() == "1/2 a\n2/2 b\n"
