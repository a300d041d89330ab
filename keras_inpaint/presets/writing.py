"""Saving presets: trained networks as folders of files."""

import json
import shutil
import uuid
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from keras_inpaint.presets.model_card import model_card
from keras_inpaint.presets.reading import FORMAT_VERSION, WEIGHTS_SUFFIX, sha256
from keras_inpaint.version import __version__

_DTYPES = ("float32", "float16")
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
    `metadata.json` and the model card `README.md`. The folder appears, or is exchanged,
    once all of it is on disk.

    Args:
        folder: str or path. Made where it is missing; a preset there is replaced, any
            other folder that holds files is refused.
        networks: dict of `keras.Model` by name: `"model"` is the generator, `"critic"`
            what it was trained against. Their classes must be registered with Keras. Once
            read they compute in float32, whatever precision they were trained in.
        metadata: dict or `None`. What to say of the weights: `architecture`,
            `trained_on`, `image_size`, `licence`, and whatever else JSON can hold.
        card: str or `None`. The text of README.md; `None` to write one from `metadata`.
        dtype: `"float32"` or `"float16"`: half the size, and weights rounded to 11
            bits. They are float32 again once read.
        objects: dict or `None`. What else a training run is made of and Keras can
            serialise, by name: it is described in `config.json` too, for `read_object`.

    Raises:
        OSError: If the folder cannot be written.
        ValueError: If the folder holds other files, or `dtype` is neither.

    Example:
    >>> import os, tempfile
    >>> folder = os.path.join(tempfile.mkdtemp(), "untrained")
    >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=8)
    >>> keras_inpaint.presets.write_preset(folder, {"model": generator})
    >>> sorted(os.listdir(folder))
    ['README.md', 'config.json', 'metadata.json', 'model.weights.h5']
    """
    if dtype not in _DTYPES:
        raise ValueError(f"`dtype` must be one of {_DTYPES}. Received: dtype={dtype!r}")
    if "model" not in networks:
        raise ValueError(
            "`networks` must hold the generator, by the name 'model'. "
            f"Received: {sorted(networks)}"
        )
    folder = Path(folder).resolve()
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.unfinished")
    unfinished.mkdir()
    try:
        checksums = _write_weights(unfinished, networks, dtype)
        generator = networks["model"]
        metadata = {
            "architecture": f"{type(generator).__name__}, {generator.count_params():,} weights",
            **(metadata or {}),
            "format_version": FORMAT_VERSION,
            "keras_inpaint_version": __version__,
            "weights_dtype": dtype,
            "sha256": checksums,
        }
        _write_json(unfinished / "metadata.json", metadata)
        parts = {**networks, **(objects or {})}
        configs = {key: keras.saving.serialize_keras_object(parts[key]) for key in parts}
        for key in networks:
            # Whatever precision a network was trained in: its weights are float32.
            if "dtype" in configs[key]["config"]:
                configs[key]["config"]["dtype"] = "float32"
        _write_json(unfinished / "config.json", configs)
        text = card or model_card(folder.name, metadata)
        (unfinished / "README.md").write_text(text, encoding="utf-8")
        _exchange(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_weights(folder: Path, networks: dict[str, Any], dtype: str) -> dict[str, str]:
    """Writes a file of weights each and returns the checksums by file name."""
    checksums = {}
    for key, network in networks.items():
        path = folder / f"{key}{WEIGHTS_SUFFIX}"
        _in_dtype(network, dtype).save_weights(path)
        checksums[path.name] = sha256(path)
    return checksums


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _in_dtype(network: Any, dtype: str) -> Any:
    if dtype == "float32":
        return network
    # Keras stores weights in the type they have: a twin of the network has them rounded.
    twin = type(network).from_config({**network.get_config(), "dtype": dtype})
    twin.set_weights(network.get_weights())
    return twin


def _exchange(unfinished: Path, folder: Path) -> None:
    # A folder cannot be renamed onto one that holds files.
    old = unfinished.with_suffix(".old")
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Raises a ValueError if a folder holds what no preset may replace."""
    if not folder.exists():
        return
    files = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    strangers = sorted(file for file in files - _OWN_FILES if not file.endswith(WEIGHTS_SUFFIX))
    if strangers or (files and "metadata.json" not in files):
        found = (strangers or sorted(files))[:5]
        raise ValueError(
            "`folder` must be new, empty, or hold a preset and nothing else. Choose another "
            f"folder. Received: folder={str(folder)!r}, which holds {found}"
        )
