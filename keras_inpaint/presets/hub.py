"""Presets on the Hugging Face hub, kept in the cache of its own library."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from keras_inpaint.version import __version__

PREFIX = "hf://"

_FILES = ["config.json", "metadata.json", "README.md", "CREDITS.tsv", "*.weights.h5"]
# Names are checked by the library. Revisions are not, and become paths in the cache, out of
# which they must not lead.
_REVISION = re.compile(r"\w(?:[\w./+-]*[\w+-])?", re.ASCII)
_LOG_IN = "log in with `hf auth login`"


class HubAddress(NamedTuple):
    """Address `hf://owner/name@revision`; without a revision, the newest is meant."""

    repository: str
    revision: str | None

    @property
    def name(self) -> str:
        return self.repository.split("/")[1]


def read_address(preset: str) -> HubAddress:
    """Takes the address of a preset apart.

    Args:
        preset: str that starts with `hf://`.

    Returns:
        `HubAddress`.

    Raises:
        ValueError: If it is none.
    """
    hub = _library(preset)
    repository, at, revision = preset.removeprefix(PREFIX).partition("@")
    try:
        hub.utils.validate_repo_id(repository)
        # The library takes a name without its owner, and letters of all alphabets.
        is_name = repository.count("/") == 1 and repository.isascii()
    except hub.errors.HFValidationError:
        is_name = False
    is_revision = _REVISION.fullmatch(revision) and ".." not in revision
    if not is_name or (at and not is_revision):
        raise ValueError(
            "A preset on the Hugging Face hub is written hf://owner/name, or "
            "hf://owner/name@revision for a branch, a tag or a commit. "
            f"Received: preset={preset!r}"
        )
    return HubAddress(repository, revision or None)


def fetch_preset(preset: str, check: Callable[[Path], object]) -> Path:
    """Downloads what the cache lacks of a preset, and nothing else of its repository.

    Args:
        preset: str. `hf://owner/name` or `hf://owner/name@revision`.
        check: Called with the folder when it holds `metadata.json`, and may not yet hold
            anything else: raises an error for a preset that need not be downloaded.

    Returns:
        Path: the folder of one commit in the cache. Where the hub is out of reach, that of
        the newest commit it holds.

    Raises:
        FileNotFoundError: If there is no such repository or revision, or no preset in it.
        PermissionError: If the hub refuses.
        ConnectionError: If the hub does not answer, and the cache has no whole copy.
        ValueError: If `preset` is no such address, or `huggingface_hub` is not installed.
    """
    address = read_address(preset)
    hub = _library(preset)
    metadata = _ask(hub.hf_hub_download, preset, address, filename="metadata.json")
    folder = metadata.parent
    check(folder)
    # The folder is named after its commit: the branch may have moved since.
    address = address._replace(revision=folder.name)
    # `*` matches folders too; a preset has none.
    patterns = {"allow_patterns": _FILES, "ignore_patterns": "*/*"}
    _ask(hub.snapshot_download, preset, address, **patterns)
    # Where the hub is lost in between, the library may return the folder as it is. Of a folder
    # that holds it, this asks for nothing.
    return _ask(hub.hf_hub_download, preset, address, filename="config.json").parent


def _library(preset: str) -> Any:
    try:
        hub = importlib.import_module("huggingface_hub")
        for module in ("errors", "utils"):
            importlib.import_module(f"huggingface_hub.{module}")
    except ImportError as error:
        raise ValueError(
            "Presets on the Hugging Face hub need huggingface_hub, which is not installed. "
            f"Run `pip install 'keras-inpaint[hub]'`. Received: preset={preset!r}"
        ) from error
    return hub


def _ask(request: Callable[..., str], preset: str, address: HubAddress, **options: Any) -> Path:
    """Calls a function of `huggingface_hub`; its errors become errors with advice."""
    errors = importlib.import_module("huggingface_hub.errors")
    received = f"Received: preset={preset!r}"
    try:
        path = request(
            address.repository,
            revision=address.revision,
            library_name="keras-inpaint",
            library_version=__version__,
            **options,
        )
    except errors.GatedRepoError as error:
        raise PermissionError(f"{_how_to_enter(address)} {received}") from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            "The Hugging Face hub has no such model repository, or a private one. Check the "
            f"name; to read a private one, {_LOG_IN}. {received}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(
            "The repository has no such branch, tag or commit. Name one that it has, or none "
            f"for the newest. {received}"
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        missing = options.get("filename", "files")
        raise FileNotFoundError(
            f"The repository holds no preset: it has no {missing}. Name one that a folder of "
            f"`save_to_preset` was uploaded to. {received}"
        ) from error
    # HTTPError is the base of all that goes wrong on the way, whichever HTTP client the library
    # builds on; its downloader of large files raises bare RuntimeErrors.
    except (errors.LocalEntryNotFoundError, errors.HTTPError, RuntimeError) as error:
        cause = error.__cause__ or error
        response = getattr(cause, "response", None)
        if getattr(response, "status_code", None) in (401, 403):
            raise PermissionError(f"{_how_to_enter(address)} {received}") from error
        reason = " ".join(str(cause).split()).rstrip(".")
        raise ConnectionError(
            "The Hugging Face hub does not answer as it should, and the cache has no whole "
            "copy of the preset. Connect to it with HF_HUB_OFFLINE unset and try again, or "
            f"name a folder. The reason: {reason or type(cause).__name__}. {received}"
        ) from error
    return Path(path)


def _how_to_enter(address: HubAddress) -> str:
    endpoint = importlib.import_module("huggingface_hub.constants").ENDPOINT
    return (
        "The Hugging Face hub refuses to show this repository. Ask for access on "
        f"{endpoint}/{address.repository}, and {_LOG_IN}."
    )
