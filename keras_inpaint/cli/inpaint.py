"""`keras-inpaint inpaint`: a photo, or a folder of them."""

import argparse
import dataclasses
import functools
import glob
import logging
import os
from pathlib import Path
from typing import Any

from keras_inpaint.cli import presets
from keras_inpaint.cli.console import (
    Progress,
    check_report,
    known_folder,
    print_result,
    quiet_start,
)
from keras_inpaint.cli.options import add_option, number_of_pixels
from keras_inpaint.data.sources import check_exists
from keras_inpaint.files import check_source
from keras_inpaint.files.remote import is_remote
from keras_inpaint.files.room import KnownFolder
from keras_inpaint.pictures import check_writable, read_header
from keras_inpaint.training.settings import MASK_SETTINGS

_LOG = logging.getLogger(__name__)

METHODS = ("whole", "crop", "resize")
DETAILS = ("copy", "none")
ENGINES = ("threads", "ray")
_HELPS = {
    "mask_from_alpha": "what is transparent is the hole; without --mask, in the photo itself",
    "memory_limit": "memory that reading, filling and writing may take beside the loaded "
    "network, such as 2G (default: half of the machine's)",
}


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "inpaint",
        help="fill the hole of a photo, or of each photo of a folder",
        description="Fills the hole of a photo: PHOTO, MASK and OUT are files. Or of many: "
        "PHOTO is a folder or a pattern, OUT a folder, MASK a folder or one file for all. A "
        "photo's mask has its name, or its name and then `_mask` or the like. Prints where the "
        "filled photos are. Run again, it fills what is not done yet.",
        epilog="Known pixels, all 16 bits of them, transparency, colour profile, EXIF, XMP, "
        "text and resolution are kept where the format of OUT can hold them; what it cannot is "
        "told. JPEG changes all pixels a little: choose PNG, TIFF or WebP where that matters.",
    )
    parser.add_argument(
        "photo", metavar="PHOTO", help="a file, a folder, or a pattern such as 'photos/*.jpg'"
    )
    parser.add_argument(
        "--mask",
        metavar="MASK",
        help="of two values, the brighter one is the hole; of more, those above 127 (default: "
        "beside the photos)",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="OUT",
        type=Path,
        help="of one photo a file, which is replaced where there is one; of several a folder",
    )
    presets.add_preset(parser)
    for name in MASK_SETTINGS:
        add_option(parser, name, _HELPS.get(name))
    _add_filling_options(parser)
    _add_folder_options(parser)
    parser.set_defaults(run=run, typed={"photos": "PHOTO", "masks": "--mask"})


def _add_filling_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        choices=METHODS,
        help="what the network sees: the whole photo, a crop around each hole, or the photo "
        "made smaller (default: what suits photo and hole)",
    )
    parser.add_argument(
        "--feather",
        type=number_of_pixels,
        default=0,
        metavar="N",
        help="known pixels up to N from the hole blend into the filling (default: 0)",
    )
    parser.add_argument(
        "--detail",
        choices=DETAILS,
        default="copy",
        help="what makes fillings of large photos sharp: fine detail copied from known pixels, "
        "or nothing (default: %(default)s)",
    )
    parser.add_argument(
        "--sketch",
        metavar="SKETCH",
        help="lines, brighter than what is around them, that a guided preset is to follow in "
        "the hole: a file as large as the photo, for all photos of a folder, or a folder of "
        "files that have the photos' names, or these and then `_sketch`",
    )
    parser.add_argument(
        "--invert-sketch", action="store_true", help="the lines of the sketch are darker"
    )
    for name in ("memory_limit", "max_pixels"):
        add_option(parser, name, _HELPS.get(name))
    parser.add_argument(
        "--all-frames",
        action="store_true",
        help="fill all frames of an animation, or pages of a document (default: the first)",
    )


def _add_folder_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--each-mask",
        action="store_true",
        help="of a photo with several masks, make a filled photo of each, named like the mask "
        "(default: the holes of all are filled in one)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="of a folder, fill again what an earlier run has done, and replace files there "
        "that it has not made",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write what became of each photo there, as JSON",
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="threads",
        help="what fills a folder: this process, or those of a Ray cluster, whose machines "
        "share the paths (default: %(default)s)",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of the Ray cluster, such as auto (default: one is started on this machine)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="threads that read and that write, or processes of the cluster (default: as many "
        "as there is room for)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    if arguments.report is not None:
        check_report(arguments.report, "--report")
        _check_is_other(arguments.output, str(arguments.report), "report")
    photo = arguments.photo
    is_many = os.path.isdir(photo) or (not os.path.lexists(photo) and glob.has_magic(photo))
    files = [path for path in (arguments.output, arguments.report) if path is not None]
    # That of the report, or of what is filled, is the last one.
    known = [known_folder(path) for path in files]
    return _fill_folder(arguments, known) if is_many else _fill_file(arguments, known)


def _fill_file(arguments: argparse.Namespace, known: list[KnownFolder]) -> int:
    _check_alone(arguments)
    _check_files(arguments)
    presets.check_preset(arguments.preset, is_sketched=arguments.sketch is not None)
    with quiet_start():
        from keras_inpaint.inpainting.folder import find_jobs
        from keras_inpaint.inpainting.folder_pipeline import Job, Options, Pipeline
        from keras_inpaint.inpainting.folder_report import FAILED, FolderReport

    options = _options(arguments, Options)
    found, sketches = find_jobs(
        arguments.photo, arguments.mask, arguments.mask_pattern, options, arguments.sketch
    )
    if not found.pairs:
        raise ValueError(f"{arguments.photo}: {found.without_mask[arguments.photo]}")
    photo, masks = found.pairs[0].photo, tuple(pair.mask for pair in found.pairs)
    if arguments.each_mask and len(masks) > 1:
        raise ValueError(
            "--each-mask makes several files: let PHOTO be a folder or a pattern, and OUT a "
            f"folder. Received: {arguments.photo!r}, of {len(masks)} masks"
        )
    job = Job(photo, masks, arguments.output, sketches.get(photo))
    for name, paths in (("mask", masks), ("sketch", sketches.values())):
        for path in paths:
            _check_is_other(arguments.output, path, name)
    with Progress(1) as progress:
        progress.begin(arguments.photo)
        (outcome,) = Pipeline(
            lambda: presets.load_inpainter(arguments.preset),
            options,
            parts=progress.update,
            known=known[0],
        ).run([job])
    if arguments.report is not None:
        known[-1].check()
        FolderReport([outcome]).save(arguments.report)
    if outcome.status == FAILED:
        raise ValueError(outcome.reason)
    print_result(arguments.output)
    return 0


def _check_alone(arguments: argparse.Namespace) -> None:
    """Refuses what holds for folders alone."""
    for name, is_given in (
        ("--engine", arguments.engine == "ray"),
        ("--address", arguments.address is not None),
        ("--workers", arguments.workers is not None),
    ):
        if is_given:
            raise ValueError(
                f"{name} is for folders: leave it out, or let PHOTO be a folder or a pattern, "
                f"and OUT a folder. Received: {arguments.photo!r}"
            )


def _check_files(arguments: argparse.Namespace) -> None:
    """Refuses what can be seen to fail, before anything large is loaded."""
    check_writable(arguments.output, name="output")
    for name in ("photo", "mask", "sketch"):
        path = getattr(arguments, name)
        if path is None:
            continue
        _check_is_other(arguments.output, path, name)
        if name == "photo" or not os.path.isdir(path):
            if not is_remote(path):
                check_source(path, what="picture", name=name)
            try:
                read_header(path)
            except ValueError as error:
                told = str(error).replace("`path`", f"`{name}`")
                raise ValueError(told.replace("path=", f"{name}=")) from error


def _check_is_other(output: Path, path: str, name: str) -> None:
    if _is_same(output, path):
        raise ValueError(
            f"--output must be another file than the {name}. Received: {str(output)!r} for both"
        )


def _fill_folder(arguments: argparse.Namespace, known: list[KnownFolder]) -> int:
    _check_folder(arguments)
    presets.check_preset(arguments.preset, is_sketched=arguments.sketch is not None)
    with quiet_start():
        from keras_inpaint.inpainting.folder import inpaint_folder
        from keras_inpaint.inpainting.folder_pipeline import Options
        from keras_inpaint.inpainting.folder_report import FAILED

    options = dataclasses.asdict(_options(arguments, Options))
    load = functools.partial(presets.load_inpainter, arguments.preset)
    known[0].check()
    with Progress(0) as progress:

        def done(num_done: int, num_all: int, outcome: Any) -> None:
            progress.advance(num_done, num_all, outcome.photo)
            if outcome.output is not None and outcome.status != "skipped":
                print_result(outcome.output)

        report = inpaint_folder(
            load,
            arguments.photo,
            arguments.mask,
            arguments.output,
            sketch=arguments.sketch,
            mask_pattern=arguments.mask_pattern,
            each_mask=arguments.each_mask,
            overwrite=arguments.overwrite,
            workers=arguments.workers,
            progress=done,
            engine=arguments.engine,
            address=arguments.address,
            **options,
        )
    if arguments.report is not None:
        known[-1].check()
        report.save(arguments.report)
    has_failed = bool(report.counts.get(FAILED) or report.unpaired)
    _LOG.log(logging.WARNING if has_failed else logging.INFO, report.summary())
    return int(has_failed)


def _check_folder(arguments: argparse.Namespace) -> None:
    """Refuses what can be seen to fail, as `_check_files`."""
    output = arguments.output
    for what, name, source in (
        ("photos", "photos", arguments.photo),
        ("masks", "masks", arguments.mask),
        ("sketches", "sketch", arguments.sketch),
    ):
        if source is not None:
            check_exists(source, name)
        if source is not None and _is_same(output, source):
            raise ValueError(
                f"--output must be another folder than that of the {what}. "
                f"Received: {str(output)!r} for both"
            )
    if output.exists() and not output.is_dir():
        raise ValueError(
            "--output must be a folder where PHOTO is one. Choose another name. "
            f"Received: {str(output)!r}, which is a file"
        )


def _options(arguments: argparse.Namespace, kind: Any) -> Any:
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: getattr(arguments, name) for name in names})


def _is_same(one: str | Path, other: str | Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
