"""`keras-inpaint shard`: from a folder of photos to few large files."""

import argparse
import logging
import re
from collections import Counter
from typing import Any

from keras_inpaint.cli.console import Progress, print_result
from keras_inpaint.cli.options import add_option, number_of_pixels, size_in_bytes
from keras_inpaint.training.settings import MASK_SETTINGS, mask_options

_LOG = logging.getLogger(__name__)
_DEFAULT_SIZE = "256M"


def add_verb(verbs: Any) -> None:
    """Adds `shard` to a parser's subparsers."""
    parser = verbs.add_parser(
        "shard",
        help="write photos into few large files to train on",
        description="Writes photos, byte for byte, into TFRecord files, with an index of sizes "
        "and checksums, which `keras-inpaint train --data` takes like a folder. Files whose "
        "header is no picture's are left out, named, and counted by the reason. Started again "
        "with the same words, it goes on where it was killed. Needs the extra `shards`.",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="DIR|LIST",
        help="photos: a folder, a pattern, or a text file of paths",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="folder of the shards: new, empty, or that of shards to go on with",
    )
    add_option(parser, "masks", "mask files of the photos' names, to be written beside them")
    for name in MASK_SETTINGS:
        add_option(parser, name)
    parser.add_argument(
        "--max-size",
        type=number_of_pixels,
        metavar="PIXELS",
        help="shrink photos whose short side is longer (default: none)",
    )
    parser.add_argument(
        "--shard-size",
        type=size_in_bytes,
        default=size_in_bytes(_DEFAULT_SIZE),
        metavar="SIZE",
        help=f"bytes of a file, about (default: {_DEFAULT_SIZE})",
    )
    for name in ("max_pixels", "memory_limit"):
        add_option(parser, name)
    parser.add_argument(
        "--decode",
        action="store_true",
        help="decode each photo to its end, and leave out what is cut off behind its header: "
        "about 17 ms of a processor per megapixel more (default: headers alone)",
    )
    parser.set_defaults(run=run, typed={"source": "--data"})


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    from keras_inpaint.data import write_shards

    with Progress(0) as progress:
        shards = write_shards(
            arguments.data,
            arguments.output,
            arguments.masks,
            mask_options(arguments),
            arguments.max_size,
            arguments.shard_size,
            arguments.max_pixels,
            arguments.memory_limit,
            progress=progress.advance,
            decode=arguments.decode,
        )
    for path, reason in shards.skipped.items():
        _LOG.warning("Left out %s: %s", path, reason)
    counts = Counter(map(_kind, shards.skipped.values()))
    for reason, count in counts.most_common() if len(shards.skipped) > 1 else ():
        _LOG.warning("%d left out: %s", count, reason)
    _LOG.info("%d photos in %d shards.", len(shards.photos), shards.num_shards)
    print_result(arguments.output)
    return 1 if shards.skipped else 0


def _kind(reason: str) -> str:
    """A reason without what it says of one file alone."""
    return re.sub(r" ?\([^)]*\)", "", reason.split(" Received: ")[0])
