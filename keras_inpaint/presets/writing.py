"""Saving presets: trained networks as folders of files."""

import os
from os import PathLike
from pathlib import Path
from typing import Any

import h5py

from keras_inpaint.arguments import check_choice
from keras_inpaint.files import (
    atomic_write,
    check_target,
    sha256,
    weights_size,
    write_json,
    write_text,
)
from keras_inpaint.presets.model_card import model_card
from keras_inpaint.presets.reading import FORMAT_VERSION, WEIGHTS_SUFFIX
from keras_inpaint.version import __version__

# Bytes of each number.
_DTYPES = {"float32": 4, "float16": 2}
# Bytes that the files of text take at most.
_TEXT_SIZE = 2**17
_OWN_FILES = {"config.json", "metadata.json", "README.md"}


def write_preset(
    folder: str | PathLike[str],
    networks: dict[str, Any],
    metadata: dict[str, Any] | None = None,
    card: str | None = None,
    dtype: str = "float32",
    objects: dict[str, Any] | None = None,
) -> None:
    """Saves networks, and what is known of them, into a folder.

    Written are `config.json` (how to make the networks), a file of weights each,
    `metadata.json` and the model card `README.md`, by the names that KerasHub gives them:
    `keras.saving.load_model(folder)` loads the generator. The folder appears once all of it is
    on disk, or is replaced: in one step on Linux, so that no reader finds it missing, and
    `keras_inpaint.Inpainter.from_preset` never reads a part of one and a part of the other.

    Args:
        folder: str or path. Made where it is missing; a preset there is replaced, any
            other folder that holds files is refused.
        networks: dict of `keras.Model` by name: `"model"` is the generator, `"critic"`
            what it was trained against. Their classes must be registered with Keras. Once
            read they compute in float32, whatever precision they were trained in.
        metadata: dict or `None`. Description of the weights: `architecture`,
            `trained_on`, `image_size`, `licence`, and whatever else JSON can hold.
        card: str or `None`. The text of README.md; `None` to write one from `metadata`.
        dtype: `"float32"` or `"float16"`: half the size, and weights rounded to 11
            bits. They are float32 again once read.
        objects: dict or `None`. Other parts of a training run that Keras can
            serialise, by name: it is described in `config.json` too, for `read_object`.

    Raises:
        OSError: If the folder cannot be written, or its disk is full.
        ValueError: If the folder holds other files, is a device, a FIFO or a socket, or
            `dtype` is neither.

    Example:
    >>> import os, tempfile
    >>> folder = os.path.join(tempfile.mkdtemp(), "untrained")
    >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=8)
    >>> keras_inpaint.presets.write_preset(folder, {"model": generator})
    >>> sorted(os.listdir(folder))
    ['README.md', 'config.json', 'metadata.json', 'model.weights.h5']
    """
    # As in `reading`, not before it is used.
    import keras

    check_choice("dtype", dtype, _DTYPES)
    if "model" not in networks:
        raise ValueError(
            "`networks` must hold the generator, by the name 'model'. "
            f"Received: {sorted(networks)}"
        )
    folder = Path(os.path.abspath(folder))
    check_replaceable(folder)
    # Half precision is a copy of what Keras writes.
    written = {4, _DTYPES[dtype]}
    sizes = [
        weights_size(each.variables, size) for each in networks.values() for size in written
    ]
    with atomic_write(folder, is_folder=True, size=sum(sizes) + _TEXT_SIZE) as draft:
        checksums = _write_weights(draft, networks, dtype)
        generator = networks["model"]
        metadata = {
            "architecture": f"{type(generator).__name__}, {generator.count_params():,} weights",
            **(metadata or {}),
            "format_version": FORMAT_VERSION,
            "keras_inpaint_version": __version__,
            "keras_version": keras.__version__,
            "parameter_count": generator.count_params(),
            "weights_dtype": dtype,
            "sha256": checksums,
        }
        write_json(draft / "metadata.json", metadata)
        write_json(draft / "config.json", _config(networks, objects or {}))
        write_text(draft / "README.md", card or model_card(folder.name, metadata))


def _config(networks: dict[str, Any], objects: dict[str, Any]) -> dict[str, Any]:
    """Describes the generator, as Keras and KerasHub do, and in `parts` all others."""
    import keras

    parts = {**networks, **objects}
    configs = {key: keras.saving.serialize_keras_object(parts[key]) for key in parts}
    for key in networks:
        # Whatever precision a network was trained in: its weights are float32.
        if "dtype" in configs[key]["config"]:
            configs[key]["config"]["dtype"] = "float32"
    generator = configs.pop("model")
    return {**generator, "parts": configs} if configs else generator


def _write_weights(folder: Path, networks: dict[str, Any], dtype: str) -> dict[str, str]:
    """Writes a file of weights each and returns the checksums by file name."""
    checksums = {}
    for key, network in networks.items():
        path = folder / f"{key}{WEIGHTS_SUFFIX}"
        if dtype == "float32":
            network.save_weights(path)
        else:
            whole = folder / f"{key}.float32{WEIGHTS_SUFFIX}"
            network.save_weights(whole)
            _copy_weights(whole, path, dtype)
            whole.unlink()
        checksums[path.name] = sha256(path)
    return checksums


def _copy_weights(source: Path, target: Path, dtype: str) -> None:
    """Copies a file of weights, its floating-point numbers in another type.

    Keras stores weights in the type that they have. A network of another type would have to be
    made for it, and compiled.
    """
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                kept = new.require_group(name)
            else:
                is_float = item.dtype.kind == "f"
                kept = new.create_dataset(
                    name, data=item[()], dtype=dtype if is_float else None
                )
            kept.attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)


def check_replaceable(folder: Path) -> None:
    """Raises an error if a folder holds what no preset may replace, or cannot be written."""
    check_target(folder, is_folder=True, name="folder")
    files = {path.name for path in folder.iterdir()} if folder.exists() else set()
    unexpected = sorted(
        file for file in files - _OWN_FILES if not file.endswith(WEIGHTS_SUFFIX)
    )
    # One of which a file was lost is still a preset.
    has_network = "config.json" in files and f"model{WEIGHTS_SUFFIX}" in files
    if unexpected or (files and "metadata.json" not in files and not has_network):
        found = (unexpected or sorted(files))[:5]
        raise ValueError(
            "`folder` must be new, empty, or hold a preset and nothing else. Choose another "
            f"folder. Received: folder={str(folder)!r}, which holds {found}"
        )
