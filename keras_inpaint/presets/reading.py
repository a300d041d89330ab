"""Finding and reading presets: trained networks as folders of files."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from keras_inpaint.arguments import is_int
from keras_inpaint.files import read_source, sha256
from keras_inpaint.presets.hub import PREFIX, fetch_preset, read_address
from keras_inpaint.version import __version__

FORMAT_VERSION = 2
"""int. The version of the preset format that is written, and the newest that is read."""

Read = TypeVar("Read")

_BUNDLED = Path(__file__).parent / "builtin"
# Bundled presets of earlier versions, and those that took their places.
_REPLACED = {"flowers-128": "photos-128"}
# Of reading a preset that is replaced each time in the meantime.
_TRIES = 5
WEIGHTS_SUFFIX = ".weights.h5"
ONNX_SUFFIX = ".onnx"
# Of a file of text. The largest of a bundled preset has 3 kB.
_LARGEST_TEXT = 2**24
# Levels of a network's description: each layer in a layer takes three or four.
_MAX_NESTING = 100
# What a layer's weights are at least as large as, in one of their dimensions.
_SIZES = ("channels", "filters", "units", "width")


def bundled_presets() -> list[str]:
    """Lists the names of the presets that come with the package.

    Returns:
        List of str, sorted.

    Example:
    >>> names = keras_inpaint.presets.bundled_presets()
    >>> names == sorted(names)
    True
    """
    return sorted(path.parent.name for path in _BUNDLED.glob("*/metadata.json"))


def find_preset(preset: str | PathLike[str]) -> Path:
    """Finds the folder of a preset, and fetches it first where it lies on a hub.

    Args:
        preset: str or path. A bundled name; a folder, where one of a bundled name is
            written `./name`; or `hf://owner/name` for a repository of the Hugging Face
            hub, `hf://owner/name@revision` for a branch, a tag or a commit of it. Of a
            repository, what the hub's cache lacks is downloaded; where the hub is out of
            reach, a copy in the cache serves.

    Returns:
        Path: an absolute one, which names the same files whatever happens on the hub.

    Raises:
        OSError: If the hub refuses or does not answer.
        FileNotFoundError: If there is no such preset.
        ValueError: If an address on the hub is malformed, the preset there was written by a
            newer version, or `huggingface_hub` is not installed.
    """
    name = os.fspath(preset)
    if name.startswith(PREFIX):
        return fetch_preset(name, check=read_metadata)
    if name in _REPLACED and not os.path.isdir(name):
        warnings.warn(
            f"The bundled preset {name!r} is now {_REPLACED[name]!r}, trained further. The old "
            "name will not be known in the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        name = _REPLACED[name]
    if name in bundled_presets():
        return _BUNDLED / name
    if not os.path.isdir(name):
        names = ", ".join(bundled_presets()) or "none in this version"
        raise FileNotFoundError(
            f"`preset` must be a folder, hf://owner/name or the name of a bundled preset "
            f"({names}). Received: preset={name!r}"
        )
    # Absolute: `Path` drops the `./` that distinguishes a folder from a bundled preset.
    return Path(os.path.abspath(name))


def is_onnx_name(path: str | PathLike[str]) -> bool:
    """Returns whether an ONNX file is meant where a preset may be meant too.

    Example:
    >>> from keras_inpaint.presets.reading import is_onnx_name
    >>> is_onnx_name("models/photos-128.onnx"), is_onnx_name("photos-128")
    (True, False)
    """
    return os.fspath(path).endswith(ONNX_SUFFIX) and not os.path.isdir(path)


def preset_name(preset: str | PathLike[str]) -> str:
    """Returns what a preset is called: a cached one lies in a folder of another name."""
    name = os.fspath(preset)
    return read_address(name).name if name.startswith(PREFIX) else find_preset(name).name


def read_all(preset: str | PathLike[str], read: Callable[[Path], Read]) -> Read:
    """Reads several files of a preset, all of one save, also where it is being replaced.

    Args:
        preset: str or path, see `find_preset`.
        read: Function of the preset's folder that reads them. It is called once more where
            the folder was replaced in the meantime.

    Returns:
        What `read` returns.

    Raises:
        Exception: What `find_preset` and `read` raise.
    """
    # Found once: on a hub, a preset may be exchanged at any time.
    folder = find_preset(preset)
    for _ in range(_TRIES - 1):
        before = _identity(folder)
        try:
            result = read(folder)
        except (OSError, ValueError):
            if _identity(folder) == before:
                raise
        else:
            if _identity(folder) == before:
                return result
    return read(folder)


def _identity(folder: Path) -> tuple[int, ...] | None:
    """Another one for another folder of the same name; `None` where there is none."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def read_metadata(folder: Path) -> dict[str, Any]:
    """Reads what is known of a preset's weights.

    Args:
        folder: Path that `find_preset` returned.

    Returns:
        dict: `format_version`, `sha256` of the weight files, and what the author said.

    Raises:
        FileNotFoundError: If the folder has no `metadata.json`.
        ValueError: If it is damaged, or written by a newer version.
    """
    metadata = _read_json(folder / "metadata.json")
    version = metadata.get("format_version")
    if not is_int(version, at_least=1):
        raise ValueError(
            "`format_version` in metadata.json must be an int of at least 1; the file is "
            f"damaged or none of a preset. Received: format_version={version!r} in {folder}"
        )
    if version > FORMAT_VERSION:
        author = metadata.get("keras_inpaint_version", "of a later version")
        raise ValueError(
            f"The preset needs the keras_inpaint {author} that wrote it, or a newer one; this "
            f"one ({__version__}) reads format_version {FORMAT_VERSION}. Run `pip install "
            f"--upgrade keras-inpaint`. Received: format_version={version} in {folder}"
        )
    return metadata


def check_files(preset: str | PathLike[str]) -> dict[str, Any]:
    """Refuses a preset that lacks a file, without loading Keras.

    Args:
        preset: As all errors, see `read_network`.

    Returns:
        dict: the description of its generator, as Keras writes it.
    """

    def check(folder: Path) -> dict[str, Any]:
        read_metadata(folder)
        configs = _read_configs(folder, "model")
        _check_exists(folder / f"model{WEIGHTS_SUFFIX}")
        return dict(configs["model"])

    return read_all(preset, check)


def read_network(preset: str | PathLike[str], name: str = "model") -> tuple[Any, Path]:
    """Loads one network of a preset, once its checksum is seen to be right.

    Args:
        preset: str or path, see `find_preset`.
        name: str. `"model"` for the generator; others as `write_preset` was given them.

    Returns:
        tuple: the network, and the preset's folder.

    Raises:
        FileNotFoundError: If the preset, or a file of it, is missing.
        OSError: If the hub refuses or does not answer.
        ValueError: If it is damaged, written by a newer version, or lacks the network, or
            `find_preset` refuses its address.
    """
    return read_all(preset, lambda folder: (_read_network(folder, name), folder))


def _read_network(folder: Path, name: str) -> Any:
    checksums = read_metadata(folder).get("sha256", {})
    configs = _read_configs(folder, name)
    weights = folder / f"{name}{WEIGHTS_SUFFIX}"
    _check_exists(weights)
    found = sha256(weights)
    expected = checksums.get(weights.name) if isinstance(checksums, dict) else None
    if found != expected:
        raise ValueError(
            f"{weights} is not the file that metadata.json describes: it is damaged or was "
            "exchanged. Copy the whole preset again. "
            f"Received: sha256={found}, expected {expected}"
        )
    # Before it is made, which takes memory of its size.
    _check_sizes(configs[name], weights, folder)
    network = read_object(folder, name)
    try:
        network.load_weights(weights)
    except OSError:
        raise
    # Of a network of other layers than the file's, or of the same ones in other sizes.
    except Exception as error:
        raise ValueError(
            f"The weights in {weights} are not those of the network that config.json "
            f"describes. Copy the whole preset again. Keras says: {error}"
        ) from error
    _check_finite(network, weights)
    return network


def _check_sizes(config: Any, weights: Path, folder: Path) -> None:
    """Refuses a network larger than its weights before it takes memory of that size."""
    largest, total = 1, 0

    def look(_: str, item: Any) -> None:
        nonlocal largest, total
        if isinstance(item, h5py.Dataset):
            largest, total = max(largest, *item.shape, 1), total + item.nbytes

    try:
        with h5py.File(weights, "r") as file:
            file.visititems(look)
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{weights} is damaged: {error}. Copy the whole preset again."
        ) from error
    if total > os.path.getsize(weights):
        raise ValueError(
            f"{weights} is damaged: it describes {total:,} bytes of weights, more than it "
            "holds. Copy the whole preset again."
        )
    for key, value in _sizes(config):
        # Of several numbers, such as a width per layer, each is looked at.
        numbers = value if isinstance(value, list | tuple) else [value]
        if not all(type(each) is int and 0 < each <= largest for each in numbers):
            raise ValueError(
                f"{folder / 'config.json'} is damaged, or that of another network: `{key}` "
                f"must be an int, and no weight has more than {largest} in any dimension. "
                f"Received: {key}={str(value)[:80]}"
            )


def _sizes(config: Any) -> Iterator[tuple[str, Any]]:
    """The numbers of a configuration that say how large layers are."""
    remaining = [config]
    while remaining:
        part = remaining.pop()
        if isinstance(part, dict):
            yield from (
                (key, value)
                for key, value in part.items()
                if key in _SIZES and value is not None and not isinstance(value, dict)
            )
            remaining += part.values()
        elif isinstance(part, list):
            remaining += part


def _check_finite(network: Any, weights: Path) -> None:
    import keras

    for variable in network.weights:
        values = keras.ops.convert_to_numpy(variable)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"{weights} holds NaN or infinite weights: the training that wrote it "
                "diverged, or it is damaged. Take one of an earlier checkpoint. "
                f"Received: {variable.path}"
            )


def read_object(preset: str | PathLike[str], name: str, optional: bool = False) -> Any:
    """Makes what a preset describes in `config.json`: a network is yet without weights.

    Args:
        preset: str or path, see `find_preset`.
        name: str. The object's name, as `write_preset` was given it.
        optional: bool. Whether it may be missing.

    Returns:
        The object; `None` where it is missing and may be.

    Raises:
        FileNotFoundError: If the preset, or a file of it, is missing.
        OSError: If the hub refuses or does not answer.
        ValueError: If it is damaged, written by a newer version, or lacks the object, or
            `find_preset` refuses its address.
    """
    folder = find_preset(preset)
    read_metadata(folder)
    configs = _read_configs(folder, None if optional else name)
    if name not in configs:
        return None
    # Not before the preset is there: Keras takes seconds to load. It finds a class that a
    # preset names once its module is imported.
    import keras

    import keras_inpaint.models  # noqa: F401

    try:
        return keras.saving.deserialize_keras_object(configs[name])
    # What stands in a file may be anything, and Keras trips over it in many ways.
    except Exception as error:
        raise ValueError(
            f"{name!r} of {folder / 'config.json'} cannot be made. If its class is your own, "
            f"import its module first. Keras says: {error}"
        ) from error


def read_object_names(folder: Path) -> list[str]:
    """Lists the objects that a preset describes: its networks, and what they train with.

    Args:
        folder: Path that `find_preset` returned.

    Returns:
        List of str; `"model"` is among them.

    Raises:
        FileNotFoundError: If the folder has no `config.json`.
        ValueError: If it is damaged, or describes no generator.
    """
    configs = _read_configs(folder, "model")
    return [name for name, config in configs.items() if config is not None]


def _read_configs(folder: Path, name: str | None) -> dict[str, Any]:
    """Reads `config.json`, seen to hold descriptions of objects, that of `name` among them."""
    path = folder / "config.json"
    configs = _read_json(path)
    if "model" not in configs:
        # Since format version 2 the generator stands at the top, as Keras and KerasHub have it.
        parts = configs.pop("parts", {})
        configs = {"model": configs, **(parts if isinstance(parts, dict) else {"parts": parts})}
    if name is not None and name not in configs:
        raise ValueError(
            f"The preset must describe {name!r}. Name one that does, or save it anew from "
            f"all of its parts. Received: {sorted(configs)} in {folder}"
        )
    for key, config in configs.items():
        if config is None and key != name:
            # Such as what stood in the hole in training, where that was nothing.
            continue
        is_described = isinstance(config, dict) and isinstance(config.get("class_name"), str)
        # Keras describes a function by its name alone.
        kind = str if is_described and config["class_name"] == "function" else dict
        if not is_described or not isinstance(config.get("config"), kind):
            raise ValueError(
                f"{path} is damaged: each object needs a `class_name` and a `config`. Copy the "
                f"whole preset again. Received: {key}={str(config)[:80]}"
            )
    return configs


def _read_json(path: Path) -> dict[str, Any]:
    _check_exists(path)
    try:
        content = json.loads(read_source(path, _LARGEST_TEXT, what="preset's"))
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}. Copy the whole preset again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object. Copy the whole preset again.")
    if _nesting(content) > _MAX_NESTING:
        raise ValueError(
            f"{path} is damaged: no preset is nested more than {_MAX_NESTING} levels deep. "
            "Copy the whole preset again."
        )
    return content


def _nesting(content: Any) -> int:
    """Levels of lists and objects, counted without a call for each of them."""
    depth, level = 0, [content]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [
            each
            for part in level
            for each in (part.values() if isinstance(part, dict) else part)
        ]
    return depth


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"A preset needs the file {path.name}, and {path.parent} has none. Name a folder "
            "that `save_to_preset` wrote."
        )
