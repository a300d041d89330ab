"""Publishing presets: what is sent is seen to load again first."""

from os import PathLike
from pathlib import Path

from keras_inpaint.presets.hub import PREFIX, read_address, send_preset, write_token
from keras_inpaint.presets.model_card import hub_card, model_card
from keras_inpaint.presets.reading import (
    WEIGHTS_SUFFIX,
    preset_name,
    read_all,
    read_metadata,
    read_network,
    read_object,
    read_object_names,
)

_CREDITS = "CREDITS.tsv"
_MESSAGE = "Upload a preset of keras_inpaint"


def upload_preset(
    uri: str, preset: str | PathLike[str], private: bool = False, message: str | None = None
) -> str:
    """Publishes a preset on the Hugging Face hub.

    Its networks are loaded first, so that what is published loads again by
    `keras_inpaint.Inpainter.from_preset(uri)`. The files of the preset are sent, and nothing
    else that lies in its folder, in one commit; files of a preset that was there before are
    removed. The model card `README.md` gets the header by which the hub finds models: what
    the author wrote there stays. Needs `pip install 'keras-inpaint[hub]'` and a token that
    may write, of `hf auth login` or in `HF_TOKEN`.

    Args:
        uri: str. `hf://owner/name`. The repository is made where it is missing.
        preset: str or path. A folder that `save_to_preset` wrote, or what else
            `find_preset` takes.
        private: bool. Whether a new repository is shown to its owner alone; a public one
            that is there is refused.
        message: str or `None`. The message of the commit; `None` for a general one.

    Returns:
        str: `hf://owner/name@commit`, which names these weights for ever.

    Raises:
        FileNotFoundError: If there is no such preset, or it lacks a file.
        PermissionError: If nobody is logged in, or may not write there.
        ConnectionError: If the hub does not answer.
        ValueError: If `uri` is malformed, the preset is damaged, or `huggingface_hub` is not
            installed.
    """
    if not uri.startswith(PREFIX):
        raise ValueError(f"`uri` is written hf://owner/name. Received: uri={uri!r}")
    if read_address(uri, "uri").revision is not None:
        raise ValueError(
            "`uri` is written hf://owner/name to publish: the newest commit of its main branch "
            f"is made. Leave out the revision. Received: uri={uri!r}"
        )
    token = write_token(uri)
    name = preset_name(preset)
    files = read_all(preset, lambda folder: _files(folder, name, uri))
    return send_preset(uri, files, token, private, message or _MESSAGE)


def _files(folder: Path, name: str, uri: str) -> dict[str, Path | bytes]:
    """What is sent of a preset, by name, once all of it is seen to load."""
    metadata = read_metadata(folder)
    path = folder / "README.md"
    card = path.read_text("utf-8") if path.is_file() else model_card(name, metadata)
    files: dict[str, Path | bytes] = {"README.md": hub_card(card, metadata, uri).encode()}
    checksums = metadata.get("sha256")
    names = ["config.json", "metadata.json"]
    for each in read_object_names(folder):
        weights = f"{each}{WEIGHTS_SUFFIX}"
        is_listed = isinstance(checksums, dict) and weights in checksums
        if each == "model" or is_listed or (folder / weights).is_file():
            read_network(folder, each)
            names.append(weights)
        else:
            read_object(folder, each, optional=True)
    if (folder / _CREDITS).is_file():
        names.append(_CREDITS)
    return {**files, **{each: folder / each for each in names}}
