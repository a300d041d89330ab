"""Presets on the Hugging Face hub: downloads into the cache of its own library, and uploads."""

import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
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


def read_address(preset: str, argument: str = "preset") -> HubAddress:
    """Takes the address of a preset apart.

    Args:
        preset: str that starts with `hf://`.
        argument: str. The name of the argument, for the error.

    Returns:
        `HubAddress`.

    Raises:
        ValueError: If it is none.
    """
    hub = import_hub(preset)
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
            f"Received: {argument}={preset!r}"
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
    hub = import_hub(preset)
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


def import_hub(preset: str) -> Any:
    """Imports the hub's library, which a preset needs.

    Raises:
        ValueError: If it is not installed.
    """
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
        if _status(error) in (401, 403):
            raise PermissionError(f"{_how_to_enter(address)} {received}") from error
        raise ConnectionError(
            "The Hugging Face hub does not answer as it should, and the cache has no whole "
            "copy of the preset. Connect to it with HF_HUB_OFFLINE unset and try again, or "
            f"name a folder. The reason: {_reason(error)}. {received}"
        ) from error
    return Path(path)


def _status(error: Exception) -> int | None:
    response = getattr(error.__cause__ or error, "response", None)
    return getattr(response, "status_code", None)


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return " ".join(str(cause).split()).rstrip(".") or type(cause).__name__


def _how_to_enter(address: HubAddress) -> str:
    endpoint = importlib.import_module("huggingface_hub.constants").ENDPOINT
    return (
        "The Hugging Face hub refuses to show this repository. Ask for access on "
        f"{endpoint}/{address.repository}, and {_LOG_IN}."
    )


def write_token(uri: str) -> str:
    """Returns the token of whoever is logged in.

    Raises:
        PermissionError: If nobody is.
    """
    token = import_hub(uri).get_token()
    if not token:
        raise PermissionError(
            "To publish on the Hugging Face hub takes a token that may write: "
            f"{_LOG_IN}, or set HF_TOKEN. Received: uri={uri!r}"
        )
    return str(token)


def send_preset(
    uri: str, files: dict[str, Path | bytes], token: str, private: bool, message: str
) -> str:
    """Sends the files of a preset, in one commit that removes those of an earlier one.

    Args:
        uri: str. `hf://owner/name`; the repository is made where it is missing.
        files: dict of paths, or contents, by name.
        token: str.
        private: bool. Whether nobody else may see the repository.
        message: str. The message of the commit.

    Returns:
        str: the address `hf://owner/name@commit`.

    Raises:
        PermissionError: If the token does not permit it, or the repository should be private
            and is not.
        ConnectionError: If the hub does not answer.
        ValueError: If it does not accept the header of the card.
    """
    hub, repository = import_hub(uri), read_address(uri).repository
    api = hub.HfApi(token=token, library_name="keras-inpaint", library_version=__version__)
    with _advice_for_uploads(uri):
        api.create_repo(repository, private=private or None, exist_ok=True)
        if private and not api.model_info(repository).private:
            raise PermissionError(
                "The repository is public, and private=True makes none of it that is there. "
                f"Change it on the hub, or choose another name. Received: uri={uri!r}"
            )
        stale = [
            file
            for file in api.list_repo_files(repository)
            if file not in files and any(fnmatch(file, each) for each in _FILES)
        ]
        steps = [hub.CommitOperationAdd(name, content) for name, content in files.items()]
        # `*` matches folders too; a preset has none.
        steps += [hub.CommitOperationDelete(file) for file in stale if "/" not in file]
        commit = api.create_commit(repository, steps, commit_message=message)
    return f"{uri}@{commit.oid}"


@contextmanager
def _advice_for_uploads(uri: str) -> Iterator[None]:
    """Turns errors of `huggingface_hub` into errors with advice."""
    errors = importlib.import_module("huggingface_hub.errors")
    received = f"Received: uri={uri!r}"
    try:
        yield
    except PermissionError:
        raise
    except (errors.HTTPError, ConnectionError, RuntimeError) as error:
        reason = getattr(error, "server_message", None) or _reason(error)
        if _status(error) == 401:
            raise PermissionError(
                "The Hugging Face hub does not know this token: it is wrong, or ran out. "
                f"{_LOG_IN.capitalize()}, or set HF_TOKEN. {received}"
            ) from error
        if _status(error) in (403, 404):
            raise PermissionError(
                "The token may not write to this repository. Take one that may, of its owner. "
                f"The hub says: {reason}. {received}"
            ) from error
        raise ConnectionError(
            "The Hugging Face hub does not answer as it should, and made no commit. "
            "Connect to it with HF_HUB_OFFLINE unset and try again. "
            f"The reason: {reason}. {received}"
        ) from error
    except ValueError as error:
        told = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"The hub refuses the preset: {told}. {received}") from error
