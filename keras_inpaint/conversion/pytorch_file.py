"""Reading PyTorch's files, without running what they hold."""

import importlib
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_inpaint.conversion.layout import Arrays

SUFFIXES = (".pt", ".pth")


def read_pytorch_file(path: Path) -> tuple[Arrays, frozenset[str]]:
    """Reads all floating-point tensors of a file.

    Args:
        path: Path of a `.pt` or `.pth` file: a state dict, or a dict of such.

    Returns:
        tuple: a dict of float32 arrays, those of inner dicts named `outer.inner`, and
        the names of the outer dict's dicts.

    Raises:
        ValueError: If PyTorch is not installed, the file is damaged, holds no dict, or
            holds anything that would run code.
    """
    content = _load(path)
    if not isinstance(content, Mapping):
        raise ValueError(
            "The file must hold a state dict. Save one with `torch.save(model.state_dict(), "
            f"path)`. Received: source={str(path)!r}, which holds a {type(content).__name__}"
        )
    torch = _torch(path)
    arrays = {
        name: tensor.detach().to(dtype=torch.float32).numpy()
        for name, tensor in _tensors(content, torch.Tensor)
        if tensor.is_floating_point() and tensor.layout == torch.strided
    }
    groups = frozenset(str(key) for key, value in content.items() if isinstance(value, Mapping))
    return arrays, groups


def _load(path: Path) -> Any:
    torch = _torch(path)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            # Of formats that are refused a moment later.
            warnings.simplefilter("ignore")
            # PyTorch does not look at the checksums.
            if zipfile.is_zipfile(file) and zipfile.ZipFile(file).testzip():
                raise RuntimeError("a checksum is wrong")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            "The file holds more than tensors, or is damaged. What else a pickle holds can run "
            "code, and so it was refused. Where you trust it, load it yourself and save "
            f"`model.state_dict()` alone. Received: source={str(path)!r}"
        ) from error
    except OSError:
        raise
    # Damaged files make PyTorch raise whatever comes.
    except Exception as error:
        raise ValueError(
            "The file is damaged, or none of PyTorch's. Copy it again. "
            f"Received: source={str(path)!r}; PyTorch says: {error or 'it ends too early'}"
        ) from error


def _tensors(content: Mapping[Any, Any], kind: Any, prefix: str = "") -> Iterator[Any]:
    for key, value in content.items():
        if isinstance(value, kind):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _tensors(value, kind, f"{prefix}{key}.")


def _torch(path: Path) -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ValueError(
            "PyTorch reads .pt and .pth files, and it is not installed. Run `pip install "
            f"'keras-inpaint[pytorch]'`. Received: source={str(path)!r}"
        ) from error
