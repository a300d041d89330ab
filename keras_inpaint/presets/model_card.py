"""The README.md of a preset: one whose author wrote none, and the header that a hub reads."""

import importlib
import re
from typing import Any

_USE = """```python
from keras_inpaint import Inpainter

inpainter = Inpainter.from_preset("{preset}")
filled = inpainter.inpaint(photo, mask)  # uint8 (height, width, 3) and (height, width)
```"""
_FOLDER = "  # the path of this folder"
_CARD = """# {name}

Weights of the Python package keras_inpaint, which fills holes in photographs.

| | |
|---|---|
{rows}

{use}

What the network invents for the hole is no record of what was there.
"""

# Those of https://huggingface.co/docs/hub/repositories-licenses that weights come under.
_HUB_LICENCES = re.compile(
    r"apache-2\.0|mit|bsd-[23]-clause|isc|unlicense|wtfpl|afl-3\.0|artistic-2\.0|ecl-2\.0|"
    r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-4\.0|cc-by-[23]\.0|cc-by-2\.5|cc-by-sa-3\.0|"
    r"cc-by-nc-[23]\.0|cc-by-nc-nd-3\.0|cc-by-nc-sa-[23]\.0|"
    r"(openrail|creativeml-openrail-m|bigscience-openrail-m)|"
    r"[al]?gpl-3\.0|gpl-2\.0|lgpl-2\.1|mpl-2\.0|epl-[12]\.0|eupl-1\.[12]"
)


def model_card(name: str, metadata: dict[str, Any]) -> str:
    """Formats the metadata of a preset as a page in Markdown.

    Args:
        name: str. The preset's name.
        metadata: dict, as in metadata.json.

    Returns:
        str: Markdown.
    """
    stated = {"trained_on": "not stated", "licence": "not stated", **metadata}
    rows = [
        f"| {key.replace('_', ' ')} | {value} |"
        for key, value in stated.items()
        if not isinstance(value, dict | list)
    ]
    use = _USE.replace('")', f'"){_FOLDER}', 1).format(preset=name)
    return _CARD.format(name=name, rows="\n".join(rows), use=use)


def hub_card(text: str, metadata: dict[str, Any], uri: str) -> str:
    """Gives a model card the header by which a hub finds it, and says how to load the preset.

    Args:
        text: str. The card; what its header says already stays.
        metadata: dict, as in metadata.json.
        uri: str. `hf://owner/name`, where the card is to be read.

    Returns:
        str: Markdown with YAML before it.

    Raises:
        ValueError: If the card has a header that is no mapping in YAML.
    """
    hub = importlib.import_module("huggingface_hub")
    try:
        card = hub.ModelCard(text if text.startswith("---") else f"---\n{{}}\n---\n\n{text}")
    except Exception as error:
        raise ValueError(
            "The README.md of the preset must begin with its title, or with a header in YAML "
            f"between two lines of `---`. Received: {' '.join(str(error).split())}"
        ) from error
    header = {
        "library_name": "keras-inpaint",
        "pipeline_tag": "image-to-image",
        "tags": ["image-inpainting", "inpainting", "keras"],
        "license": _license(metadata.get("licence")),
    }
    for key, value in header.items():
        if card.data.get(key) is None:
            card.data[key] = value
    card.text = re.sub(rf'"[^"\n]*"\){_FOLDER}', f'"{uri}")', card.text)
    if f'"{uri}"' not in card.text:
        card.text = f"{card.text.rstrip()}\n\n## Use\n\n{_USE.format(preset=uri)}\n"
    return str(card)


def _license(stated: object) -> str | None:
    """What the hub calls a licence: `other` is one that it has no name for."""
    if not isinstance(stated, str) or not stated.strip():
        return None
    name = re.split(r"[;,\s]", stated.strip().lower(), maxsplit=1)[0]
    return name if _HUB_LICENCES.fullmatch(name) else "other"
