"""What an export is written to, and what it takes: decided before Keras is loaded."""

import importlib.util
import os
from os import PathLike
from pathlib import Path
from typing import Any

from keras_inpaint.arguments import check_int
from keras_inpaint.files import check_target
from keras_inpaint.files.atomic import TEMPORARY_SUFFIX
from keras_inpaint.presets.reading import ONNX_SUFFIX

LITERT_SUFFIX = ".tflite"
# By it, a folder is known as a page that an earlier export wrote.
PAGE_SETTINGS = "page.json"
# 4096 x 4096: the photos of most cameras.
MAX_PIXELS = 2**24
# The pictures by which an exported model is compared, and those of a server's first requests.
_LEAST_LIMIT = 2**16
_LIBRARIES = {"onnx": ("onnx", "onnxruntime", "tf2onnx"), "litert": ("ai_edge_litert",)}


def check_export(format: str, target: str | PathLike[str], **options: Any) -> None:
    """Refuses an export that cannot be written, whatever the preset is.

    Args:
        format: `"saved_model"`, `"onnx"`, `"litert"` or `"page"`.
        target: str or path. What the function of the format is given to write.
        **options: Its other arguments.

    Raises:
        ModuleNotFoundError: If an extra is not installed.
        OSError: If the target cannot be written.
        ValueError: If it is named otherwise than its format asks, is taken by other files, or
            an option is out of its bounds.
    """
    if format == "saved_model":
        check_max_pixels(options.get("max_pixels", MAX_PIXELS))
        check_model_folder(target)
    elif format == "litert":
        file_to_write(target, LITERT_SUFFIX)
        check_image_size(options["image_size"])
    elif format == "onnx":
        file_to_write(target, ONNX_SUFFIX)
    else:
        check_page_folder(target)
    # A page holds an ONNX file.
    extra = "onnx" if format == "page" else format
    if extra in _LIBRARIES:
        check_libraries(extra)


def file_to_write(path: str | PathLike[str], suffix: str) -> Path:
    """Refuses a file that cannot be written, or is named otherwise than its format asks.

    Args:
        path: str or path of the file.
        suffix: str. What its name must end in.

    Returns:
        Path: the absolute one.

    Raises:
        OSError: As `keras_inpaint.files.check_target`, and so `ValueError`.
        ValueError: If the name ends otherwise.
    """
    path = Path(os.path.abspath(path))
    if path.suffix != suffix:
        raise ValueError(
            f"`path` must end in {suffix}: one file is written. Received: path={str(path)!r}"
        )
    check_target(path)
    return path


def check_model_folder(folder: str | PathLike[str]) -> Path:
    """Refuses a folder that is not one of a model and its versions.

    Args:
        folder: str or path. It may be missing.

    Returns:
        Path: the absolute one.

    Raises:
        OSError: If it cannot be written to.
        ValueError: If it is a version itself, holds other things, or is a device, a FIFO or
            a socket.
    """
    folder = Path(os.path.abspath(folder))
    if folder.name.isdecimal():
        raise ValueError(
            "`folder` must name the model; its versions are numbered in it. Leave out the "
            f"number at the end. Received: folder={str(folder)!r}"
        )
    check_target(folder, is_folder=True, name="folder")
    names = names_in(folder)
    if names and not any(name.isdecimal() for name in names):
        raise ValueError(
            "`folder` must be new, empty, or hold versions of the model, such as 1. Choose "
            "another name, or append one. "
            f"Received: folder={str(folder)!r}, which holds {names[:5]}"
        )
    return folder


def names_in(folder: Path) -> list[str]:
    """Names in the folder of a model, but for those that are being written."""
    if not folder.exists():
        return []
    names = (path.name for path in folder.iterdir())
    return sorted(name for name in names if not name.endswith(TEMPORARY_SUFFIX))


def check_page_folder(folder: str | PathLike[str]) -> Path:
    """Refuses the folder of a page that holds anything else than an earlier page.

    Args:
        folder: str or path. It may be missing.

    Returns:
        Path: the absolute one.

    Raises:
        OSError: If it cannot be written to.
        ValueError: If it holds other files.
    """
    folder = Path(os.path.abspath(folder))
    check_target(folder, is_folder=True, name="folder")
    if folder.exists() and not (folder / PAGE_SETTINGS).exists() and any(folder.iterdir()):
        raise ValueError(
            "`folder` must be new, empty, or hold an earlier page, which is replaced. Choose "
            f"another folder. Received: folder={str(folder)!r}"
        )
    return folder


def check_max_pixels(max_pixels: int | None, side: int = 0) -> int | None:
    """Refuses a limit of pixels below those by which a SavedModel is compared.

    Args:
        max_pixels: int or None for no limit.
        side: int. Height and width of the images that the network was trained on, if known.
    """
    limit: int | None = check_int(
        "max_pixels",
        max_pixels,
        "counts pixels",
        at_least=max(_LEAST_LIMIT, side**2),
        or_none="no limit",
    )
    return limit


def check_image_size(image_size: Any) -> tuple[int, int]:
    """Returns height and width of the pictures of a LiteRT file, seen to be possible."""
    if not isinstance(image_size, list | tuple) or len(image_size) != 2:
        raise ValueError(
            "`image_size` must be a height and width, such as (256, 384). "
            f"Received: image_size={image_size!r}"
        )
    height, width = (
        check_int("image_size", side, "holds pixels, each", 1) for side in image_size
    )
    return height, width


def check_libraries(extra: str) -> None:
    """Refuses to begin where a library of an extra is missing.

    Args:
        extra: str. The extra of this package.

    Raises:
        ModuleNotFoundError: It says what to install.
    """
    for name in _LIBRARIES[extra]:
        # Found, not imported: some of them import TensorFlow.
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(
                f"Exporting to this format takes {name}, which is not installed. Run "
                f"`pip install 'keras-inpaint[{extra}]'`.",
                name=name,
            )
