import subprocess
import sys

import pytest

from keras_inpaint.cli import evaluate, inpaint, train
from keras_inpaint.cli.main import main
from keras_inpaint.version import __version__


def test_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"keras-inpaint {__version__}\n"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ([], "VERB"),
        (["paint"], "invalid choice: 'paint'"),
        (["inpaint", "photo.png"], "--mask, --output"),
        (
            ["inpaint", "photo.png", "--mask", "mask.png", "--output", "o.png", "--fast"],
            "--fast",
        ),
    ],
    ids=["nothing", "verb", "missing", "unknown"],
)
def test_wrong_use_is_told_in_one_line(capsys, words, advice):
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert advice in told.err
    assert "--help" in told.err


def in_a_stream():
    tf = pytest.importorskip("tensorflow")

    def read(path):
        raise ValueError("No photo is left. Add some. Received: 7 photos")

    paths = tf.data.Dataset.from_tensors("photo.png")
    list(paths.map(lambda path: tf.numpy_function(read, [path], tf.uint8)))


def in_a_compiled_step():
    tf = pytest.importorskip("tensorflow")

    @tf.function
    def step(size):
        tf.debugging.Assert(size < 3, ["Too large. Received: a hole of ", size])

    step(tf.constant(5))


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        (in_a_stream, "keras-inpaint: No photo is left. Add some. Received: 7 photos\n"),
        (in_a_compiled_step, "keras-inpaint: Too large. Received: a hole of 5\n"),
    ],
)
def test_what_the_package_said_in_a_graph_is_told_in_one_line(monkeypatch, capsys, fail, words):
    monkeypatch.setattr(train, "run", lambda arguments: fail())
    assert main(["train"]) == 2
    assert capsys.readouterr().err == words


def test_failures_of_other_programs_are_shown_whole(monkeypatch):
    def fail(arguments):
        raise RuntimeError("no room left")

    monkeypatch.setattr(train, "run", fail)
    with pytest.raises(RuntimeError, match="no room left"):
        main(["train"])


def test_what_options_offer_is_what_there_is():
    # Written down again, for Keras is not loaded before the arguments are right.
    from keras_inpaint.evaluation import HOLE_KINDS
    from keras_inpaint.inpainting.planning import METHODS
    from keras_inpaint.presets import bundled_presets

    assert inpaint.METHODS == METHODS
    assert evaluate._KINDS == HOLE_KINDS
    assert inpaint.DEFAULT_PRESET in bundled_presets()


@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "--help"], ["inpaint", "no.png", "--mask", "m", "--output", "o"]],
)
def test_keras_is_not_loaded_before_the_arguments_are_right(words):
    # In a process of its own: here, Keras is loaded.
    program = (
        "import sys; from keras_inpaint.cli.main import main; "
        f"main({words}); print(sorted({{'keras', 'tensorflow', 'jax'}} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"
