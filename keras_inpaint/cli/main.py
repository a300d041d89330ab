"""Where `keras-inpaint` starts."""

import argparse
import difflib
import logging
import re
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from keras_inpaint.cli import evaluate, inpaint, presets, serve, shard, train
from keras_inpaint.cli.console import add_verbosity, messages, silent_libraries
from keras_inpaint.files import shown
from keras_inpaint.signals import ENDING, handled
from keras_inpaint.version import __version__

_LOG = logging.getLogger(__name__)
# What pip calls a library whose module has another name.
_PACKAGES = {"PIL": "pillow", "cv2": "opencv-python-headless"}
_VERBS = (
    inpaint.add_verb,
    train.add_train,
    shard.add_verb,
    presets.add_convert,
    train.add_tune,
    presets.add_export,
    presets.add_publish,
    evaluate.add_verb,
    serve.add_verb,
)
# What the package said where TensorFlow runs it: in a stream of photos, in a compiled step.
_TOLD_IN_A_GRAPH = re.compile(r"(?:ValueError: |assertion failed: \[)(.*?Received: [^\n]*)")


class _Parser(argparse.ArgumentParser):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # What each argument of the functions under a command is called on it.
        self.typed: dict[str, str] = {}
        self._options: list[str] = []
        self._words: list[str] = []
        super().__init__(*args, **kwargs)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        return self._noted(super().add_argument(*args, **kwargs))

    def add_argument_group(self, *args: Any, **kwargs: Any) -> Any:
        return self._noting(super().add_argument_group(*args, **kwargs))

    def add_mutually_exclusive_group(self, *args: Any, **kwargs: Any) -> Any:
        return self._noting(super().add_mutually_exclusive_group(*args, **kwargs))

    def _noting(self, group: Any) -> Any:
        add = group.add_argument
        group.add_argument = lambda *args, **kwargs: self._noted(add(*args, **kwargs))
        return group

    def _noted(self, action: argparse.Action) -> argparse.Action:
        self._options += action.option_strings
        self.typed[action.dest] = next(iter(action.option_strings), str(action.metavar))
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._words = list(sys.argv[1:] if args is None else args)
        known, others = super().parse_known_args(args, namespace)
        if others:
            # Of a command, whose help tells its options: not that of all commands.
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return known, others

    def error(self, message: str) -> NoReturn:
        # Without argparse's usage before it: one line that says what to do.
        told = f"{self.prog}: {shown(message)}.{self._meant()} See `{self.prog} --help`."
        self.exit(2, f"{told}\n")

    def _meant(self) -> str:
        """Options that were perhaps meant by such as there are not."""
        typed = [word.split("=")[0] for word in self._words if word.startswith("--")]
        for word in typed:
            # Those that begin so are abbreviated.
            if not any(option.startswith(word) for option in self._options):
                close = difflib.get_close_matches(word, self._options, 1, cutoff=0.75)
                return f" Did you mean {close[0]}?" if close else ""
        return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: List of str or `None`. The words after `keras-inpaint`; the process's own
            unless given.

    Returns:
        int: 0 done; 1 some pictures failed, each named; 2 used wrongly or impossible;
        130 stopped by the user; 143 ended by SIGTERM, 129 by SIGHUP.
    """
    try:
        arguments = _parser().parse_args(argv)
        with handled(ENDING, _leave), messages(arguments.level), silent_libraries():
            return _run(arguments)
    except SystemExit as end:
        # argparse leaves this way after `--help` and after usage errors.
        return int(end.code or 0)
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    try:
        return int(arguments.run(arguments))
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        _LOG.error(
            _as_typed(message, arguments.typed), exc_info=_LOG.isEnabledFor(logging.DEBUG)
        )
        return 2


def _as_typed(message: str, typed: dict[str, str]) -> str:
    """Calls options what they are called here, where a message has a function's arguments."""
    for name, option in typed.items():
        # Some messages name both.
        message = message.replace(f"`{name}`, {option}", option).replace(f"`{name}`", option)
        message = re.sub(rf"(?<![\w./-]){name}=True\b", option, message)
        message = re.sub(rf"(?<![\w./-]){name}=", f"{option}=", message)
    return message


def _message(error: Exception) -> str | None:
    """What a user can do about an error, in one line; `None` where it is none of theirs."""
    if isinstance(error, OSError | ValueError):
        # Some have line breaks.
        return " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        return _what_to_install(error)
    told = _TOLD_IN_A_GRAPH.search(str(error))
    # The values of an assertion stand in brackets of their own.
    return told and told[1].replace("] [", "").rstrip("]")


def _what_to_install(error: ModuleNotFoundError) -> str | None:
    message, library = str(error), str(error.name).split(".")[0]
    # One of ours that is missing is a damaged installation: its traceback is of use.
    if library == "keras_inpaint":
        return None
    if "pip install" not in message:
        message += f". Run `pip install {_PACKAGES.get(library, library)}`"
    # What Keras takes unless told otherwise.
    return message + (", or set KERAS_BACKEND=jax" if library == "tensorflow" else "")


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # What is being written is removed as the error passes.
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="keras-inpaint",
        description="Fills holes in photographs.",
        epilog="Exit codes: 0 done; 1 some pictures failed, each named; 2 used wrongly or "
        "impossible; 130 stopped.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for add_verb in _VERBS:
        add_verb(verbs)
    for each in verbs.choices.values():
        add_verbosity(each)
        each.set_defaults(typed={**each.typed, **(each.get_default("typed") or {})})
    return parser


if __name__ == "__main__":
    sys.exit(main())
