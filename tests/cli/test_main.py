import ast
import itertools
import logging
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import keras_inpaint
from keras_inpaint.cli import evaluate, inpaint, presets, train
from keras_inpaint.cli.console import quiet_start
from keras_inpaint.cli.main import _parser, main
from keras_inpaint.files import atomic_write
from keras_inpaint.presets import find_preset
from keras_inpaint.training import settings
from keras_inpaint.version import __version__

ROOT = pathlib.Path(keras_inpaint.__file__).parent


def test_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"keras-inpaint {__version__}\n"


@pytest.mark.parametrize("module", ["keras_inpaint", "keras_inpaint.cli.main"])
def test_module_is_the_command_too(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"keras-inpaint {__version__}\n")


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ([], "VERB"),
        (["paint"], "invalid choice: 'paint'"),
        (["inpaint", "photo.png"], "required: --output"),
        (
            ["inpaint", "photo.png", "--mask", "mask.png", "--output", "o.png", "--fast"],
            "--fast. See `keras-inpaint inpaint --help`",
        ),
        (
            ["inpaint", "photo.png", "--output", "o.png", "--fether", "3"],
            "--fether 3. Did you mean --feather? See",
        ),
        (
            ["inpaint", "photo.png", "--outpt=o.png"],
            "required: --output. Did you mean --output?",
        ),
        (
            ["train", "--data", "a", "--output", "b", "--batch-sise", "4"],
            "Did you mean --batch-size?",
        ),
    ],
    ids=["nothing", "verb", "missing", "unknown", "misspelt", "both", "train"],
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
    monkeypatch.setattr(train, "run_train", lambda arguments: fail())
    assert main(["train"]) == 2
    assert capsys.readouterr().err == words


def tell(arguments):
    for name in ("keras_inpaint", "keras_inpaint.training", "keras_inpaint.data"):
        logging.getLogger(name).debug("[debug] %s", name)
        logging.getLogger(name).info("[info] %s", name)
        logging.getLogger(name).warning("[warning] %s", name)
    print("result")
    raise ValueError("Not so. Received: 3")


@pytest.mark.parametrize(
    ("words", "levels", "num_lines"),
    [
        ([], ["info", "warning"], 7),
        (["--quiet"], ["warning"], 4),
        (["--verbose"], ["debug", "info", "warning"], None),
    ],
)
def test_messages_go_to_standard_error_as_much_as_asked_for(
    monkeypatch, capsys, words, levels, num_lines
):
    # Too narrow for any message: what is piped is not wrapped.
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setattr(train, "run_train", tell)
    # A library's handler on the root must not say it once more.
    library = logging.StreamHandler()
    logging.getLogger().addHandler(library)
    logger = logging.getLogger("keras_inpaint")
    before = logger.level, logger.propagate, list(logger.handlers)
    try:
        assert main(["train", *words]) == 2
    finally:
        logging.getLogger().removeHandler(library)
    assert (logger.level, logger.propagate, logger.handlers) == before
    told = capsys.readouterr()
    assert told.out == "result\n"
    lines = told.err.splitlines()
    for level in ("debug", "info", "warning"):
        expected = 3 * (level in levels)
        assert sum(f"[{level}] keras_inpaint" in line for line in lines) == expected
    assert any(line.endswith("Not so. Received: 3") for line in lines)
    assert num_lines in (None, len(lines))
    # Where a message came from, and all of an error, for whoever looks for its cause.
    is_verbose = "--verbose" in words
    assert ("INFO keras_inpaint.data: [info] keras_inpaint.data" in lines) == is_verbose
    assert ("Traceback" in told.err) == is_verbose
    assert ("keras-inpaint: Not so. Received: 3" in lines) != is_verbose


def test_every_subcommand_can_be_quiet_and_verbose():
    parser = _parser()
    (verbs,) = [action.choices for action in parser._actions if hasattr(action, "add_parser")]
    for verb in verbs.values():
        options = {option for action in verb._actions for option in action.option_strings}
        assert {"--quiet", "--verbose"} <= options


def test_nothing_prints_but_results_of_commands():
    printing = [
        (path.relative_to(ROOT).as_posix(), node.lineno)
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert {path.split("/")[0] for path, _ in printing} == {"cli"}


@pytest.mark.parametrize("verb", ["train", "tune"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_leave_nothing_half_written(monkeypatch, tmp_path, verb, name):
    number = getattr(signal, name)

    def write(arguments):
        with atomic_write(tmp_path / "photo.png") as draft:
            draft.write_bytes(b"half of")
            os.kill(os.getpid(), number)
            time.sleep(10)

    monkeypatch.setattr(train, f"run_{verb}", write)
    # As SIGHUP leaves it, whoever reads the tests' output stays.
    monkeypatch.setattr("keras_inpaint.signals._leave_terminal", lambda: None)
    before = signal.getsignal(number)
    assert main([verb]) == 128 + number
    assert signal.getsignal(number) is before
    assert not list(tmp_path.iterdir())


def test_sighup_is_ignored_where_nohup_asked_for_it(monkeypatch):
    monkeypatch.setattr(train, "run_train", lambda arguments: os.kill(os.getpid(), 1) or 0)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["train"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


PROGRAM = """
import os, sys, time
from keras_inpaint.signals import STOPPING, handled

came = []
with handled(STOPPING, lambda number, frame: came.append(number)):
    print("begun", flush=True)
    while not came:
        time.sleep(0.01)
    # As a progress bar and a message would be.
    print("the last step", flush=True)
    sys.stderr.write("saved")
open(sys.argv[1], "w").write(str(came))
"""


def test_closed_terminal_lets_a_program_save(tmp_path):
    pty = pytest.importorskip("pty")
    end, terminal = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path / "came"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        # The first terminal that it opens becomes its own.
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    os.close(terminal)
    assert b"begun" in os.read(end, 100)
    os.close(end)
    assert program.wait() == 0
    assert (tmp_path / "came").read_text() == str([int(signal.SIGHUP)])


def test_failures_of_other_programs_are_shown_whole(monkeypatch):
    def fail(arguments):
        raise RuntimeError("no room left")

    monkeypatch.setattr(train, "run_train", fail)
    with pytest.raises(RuntimeError, match="no room left"):
        main(["train"])


def test_what_options_offer_is_what_there_is():
    # Written down again, for Keras is not loaded before the arguments are right.
    from keras_inpaint.evaluation import HOLE_KINDS
    from keras_inpaint.inpainting.detail import DETAILS
    from keras_inpaint.inpainting.planning import METHODS
    from keras_inpaint.presets import bundled_presets

    assert inpaint.METHODS == METHODS
    assert inpaint.DETAILS == DETAILS
    assert evaluate._KINDS == HOLE_KINDS
    assert presets.DEFAULT_PRESET in bundled_presets()


EXAMPLES = ROOT / "pictures" / "examples"
PHOTO, MASK = str(EXAMPLES / "photo.jpg"), str(EXAMPLES / "mask.png")
FILL = ["inpaint", PHOTO, "--mask", MASK, "--output", "o.png"]
FILL_ALL = ["inpaint", str(EXAMPLES), "--output", "o"]
EVALUATE = ["evaluate", "--data", str(EXAMPLES)]
TRAIN = ["train", "--data", str(EXAMPLES), "--output", "run"]
TUNE = ["tune", *TRAIN[1:]]
# Each argument that names what is read, of each command, and a word that it does not have.
MISSING = [
    ["inpaint", "no.png", "--output", "o.png"],
    ["inpaint", "no/*.png", "--output", "o"],
    [*FILL, "--mask", "no.png"],
    [*FILL, "--sketch", "no.png"],
    [*FILL, "--preset", "no"],
    [*FILL, "--preset", "no.onnx"],
    [*FILL_ALL, "--mask", "no"],
    [*FILL_ALL, "--sketch", "no"],
    [*FILL_ALL, "--preset", "no"],
    ["evaluate", "--data", "no"],
    ["evaluate", "--data", "no/*.png"],
    [*EVALUATE, "--masks", "no"],
    [*EVALUATE, "--features", "no.npz"],
    [*EVALUATE, "--preset", "no"],
    ["train", "--data", "no", "--output", "run"],
    [*TRAIN, "--masks", "no"],
    [*TRAIN, "--validation", "no"],
    [*TRAIN, "--validation", str(EXAMPLES), "--validation-masks", "no"],
    [*TRAIN, "--perceptual-network", "no.npz", "--loss-weights", "perceptual=1"],
    [*TRAIN, "--preset", "no"],
    [*TRAIN, "--config", "no"],
    ["tune", "--data", "no", "--output", "run"],
    [*TUNE, "--masks", "no"],
    [*TUNE, "--validation", "no"],
    [*TUNE, "--validation", str(EXAMPLES), "--validation-masks", "no"],
    [*TUNE, "--perceptual-network", "no.npz", "--loss-weights", "perceptual=1"],
    [*TUNE, "--preset", "no"],
    [*TUNE, "--config", "no"],
    [*TUNE, "--network", "no.keras"],
    ["shard", "--data", "no", "--output", "s"],
    ["shard", "--data", str(EXAMPLES), "--output", "s", "--masks", "no"],
    ["convert", "no", "p"],
    ["convert", "no.pt", "p"],
    ["export", "--output", "o", "--preset", "no"],
    ["publish", "no", "hf://ada/flowers"],
    ["serve", "--preset", "no"],
    ["serve", "--model", "no"],
    ["serve", "--model", "no.onnx"],
    ["serve", "--model", "no", "--engine", "ray"],
    ["serve", "--api-key-file", "no"],
]
WRITTEN = ("output", "preset_dir", "report", "json", "sheet")
# What else is wrong in itself, or with files of the folder that the test makes.
WRONG = [
    [*TRAIN, "--image-size", "100"],
    [*TRAIN, "--width", "30"],
    [*TUNE, "--image-size", "100"],
    [*FILL, "--mask", "small.png"],
    [*FILL, "--mask", PHOTO],
    [*FILL, "--mask", "cut_off.png"],
    ["inpaint", "cut_off.png", "--mask", "small.png", "--output", "o.png"],
    ["inpaint", "text.jpg", "--mask", MASK, "--output", "o.png"],
    [*FILL, "--output", "o.gif"],
    [*FILL, "--output", "nowhere/o.png"],
    [*FILL, "--max-pixels", "100"],
    [*FILL, "--memory-limit", "1k"],
    [*FILL, "--feather", "-1"],
    [*FILL, "--sketch", MASK],
    [*FILL, "--report", "o.png"],
    [*FILL_ALL[:-1], "text.jpg"],
    [*FILL_ALL, "--engine", "ray", "--workers", "0"],
    [*FILL_ALL, "--address", "auto"],
    [*EVALUATE, "--sheet", "o.txt"],
    [*EVALUATE, "--hole-area", "2:1"],
    [*EVALUATE, "--hole-area", "0.1:0.2", "--masks", str(EXAMPLES)],
    [*EVALUATE, "--grow", "2"],
    ["convert", "text.jpg", "taken"],
    ["convert", "text.jpg", "new", "--image-size", "10"],
    ["export", "--output", "model", "--format", "onnx"],
    ["export", "--output", "o.onnx", "--format", "litert", "--image-size", "64"],
    ["export", "--output", "o.tflite", "--format", "litert", "--image-size", "0"],
    ["export", "--output", "o.tflite", "--format", "litert"],
    ["export", "--output", "taken"],
    ["export", "--output", "taken/1"],
    ["export", "--output", "taken", "--format", "page"],
    ["export", "--output", "model", "--max-pixels", "1000"],
    ["publish", "photos-128", "ada/flowers"],
    ["serve", "--port", "99999"],
    ["serve", "--port", "{port}"],
    ["serve", "--port", "{port}", "--engine", "ray"],
    ["serve", "--host", "no.such.host.invalid"],
    ["serve", "--model", "taken"],
    ["serve", "--device", "tpu"],
    ["serve", "--timeout", "inf"],
    ["serve", "--max-requests", "0"],
    ["serve", "--address", "auto"],
    ["serve", "--max-networks", "2"],
    ["serve", "--engine", "ray", "--max-networks", "0"],
    ["serve", "--engine", "ray", "--device", "gpu:1"],
    ["serve", "--preset", "half"],
]


@pytest.fixture
def wrong(tmp_path):
    """The words of `WRONG`, of files that are there and a port that is in use."""
    (tmp_path / "text.jpg").write_text("text")
    Image.new("L", (8, 8)).save(tmp_path / "small.png")
    noise = np.random.default_rng(0).integers(0, 256, (80, 80), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut_off.png")
    content = (tmp_path / "cut_off.png").read_bytes()
    (tmp_path / "cut_off.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "text.txt").write_text("text")
    half = tmp_path / "half"
    shutil.copytree(find_preset("photos-128"), half)
    (half / "model.weights.h5").unlink()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        yield [[word.format(port=port) for word in words] for words in WRONG]


def is_missing(word):
    return re.fullmatch(r"no(/\*)?(\.\w+)?", word) is not None


def test_every_argument_that_names_what_is_read_is_among_those_that_may_be_missing():
    # Of a command's first word, the one before it is the command.
    tried = {
        (words[0], before)
        for words in MISSING
        for before, word in itertools.pairwise(words)
        if is_missing(word)
    }
    parser = _parser()
    (verbs,) = [action.choices for action in parser._actions if hasattr(action, "add_parser")]
    for verb, verb_parser in verbs.items():
        for action in verb_parser._actions:
            names_path = re.search(
                r"FILE|DIR|FOLDER|PHOTO|MASK|SKETCH|SOURCE|PRESET", str(action.metavar)
            )
            if names_path and action.dest not in WRITTEN:
                assert (verb, next(iter(action.option_strings), verb)) in tried


def test_keras_is_not_loaded_before_the_arguments_are_right(wrong, tmp_path):
    # In a process of its own: here, Keras is loaded.
    program = (
        "import sys; from keras_inpaint.cli.main import main\n"
        "for words in [['--help'], ['train', '--help']]: assert main(words) == 0\n"
        f"for words in {[*MISSING, *wrong]}:\n"
        "    code = main(words)\n"
        "    loaded = {'keras', 'tensorflow', 'jax', 'torch', 'ray'} & set(sys.modules)\n"
        "    assert (code, loaded) == (2, set()), (words, code, loaded)\n"
    )
    before = sorted(tmp_path.iterdir())
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT.parent), "HF_TOKEN": "hf_none"},
    )
    told = answer.stderr.splitlines()
    assert answer.returncode == 0, told[-1]
    assert len(told) == len(MISSING) + len(WRONG)
    for words, line in zip(MISSING, told, strict=False):
        (name,) = filter(is_missing, words)
        assert f"={name!r}" in line, line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("architecture", ["deepfill_v1", "deepfill_v2"])
def test_sizes_that_settings_refuse_are_those_that_networks_refuse(architecture):
    # Written down again, for the same reason.
    make = getattr(keras_inpaint.InpaintingGAN, architecture)
    multiples = settings._MULTIPLES[architecture]
    sizes = {"image_size": multiples["image_size"], "width": multiples["width"]}
    images = np.zeros((1, sizes["image_size"], sizes["image_size"], 3), "float32")
    # These fit, and half of them do not.
    make(**sizes, critic_width=4)({"images": images, "masks": images[..., :1]})
    for name in sizes:
        smaller = {**sizes, name: sizes[name] // 2}
        half = images[:, : smaller["image_size"], : smaller["image_size"]]
        with pytest.raises(ValueError, match=r"multiple|divisible"):
            make(**smaller, critic_width=4)({"images": half, "masks": half[..., :1]})
        with pytest.raises(ValueError, match=rf"multiple of \d+ for {architecture}.*{name}="):
            settings.Settings("photos", "run", architecture=architecture, **smaller)


def test_what_libraries_log_later_is_told_and_what_they_say_as_they_load_is_not(capsys):
    with quiet_start():
        handler = logging.StreamHandler()
        handler.emit(logging.makeLogRecord({"msg": "loaded"}))
    handler.emit(logging.makeLogRecord({"msg": "later"}))
    assert capsys.readouterr().err == "later\n"
