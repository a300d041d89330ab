"""Where `keras-inpaint` starts."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from keras_inpaint.cli import convert, evaluate, export, inpaint, train, tune
from keras_inpaint.version import __version__

_VERBS = (inpaint, train, convert, tune, export, evaluate)
# What the package said where TensorFlow runs it: in a stream of photos, in a compiled step.
_TOLD_IN_A_GRAPH = re.compile(r"(?:ValueError: |assertion failed: \[)(.*?Received: [^\n]*)")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # Without argparse's usage before it: one line that says what to do.
        self.exit(2, f"{self.prog}: {message}. See `{self.prog} --help`.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: List of str or `None`. The words after `keras-inpaint`; the process's own
            unless given.

    Returns:
        int: 0 done; 1 some pictures failed, each named; 2 used wrongly or impossible;
        130 stopped by the user.
    """
    try:
        arguments = _parser().parse_args(argv)
        return int(arguments.run(arguments))
    except SystemExit as end:
        # argparse leaves this way after `--help` and after usage errors.
        return int(end.code or 0)
    except (OSError, ValueError) as error:
        print(f"keras-inpaint: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        told = _TOLD_IN_A_GRAPH.search(str(error))
        if told is None:
            raise
        # The values of an assertion stand in brackets of their own.
        words = told[1].replace("] [", "").rstrip("]")
        print(f"keras-inpaint: {words}", file=sys.stderr)
        return 2


def one_line(error: Exception) -> str:
    """An error's message without the line breaks that some have."""
    return " ".join(str(error).split())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="keras-inpaint",
        description="Fills holes in photographs.",
        epilog="Exit codes: 0 done; 1 some pictures failed, each named; 2 used wrongly or "
        "impossible; 130 stopped.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb in _VERBS:
        verb.add_verb(verbs)
    return parser
