"""The README.md of a preset whose author wrote none."""

from typing import Any

_CARD = """# {name}

Weights of the Python package keras_inpaint, which fills holes in photographs.

| | |
|---|---|
{rows}

```python
from keras_inpaint import Inpainter

inpainter = Inpainter.from_preset("{name}")  # the path of this folder
filled = inpainter.inpaint(photo, mask)  # uint8 (height, width, 3) and (height, width)
```

What the network invents for the hole is no record of what was there.
"""


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
    return _CARD.format(name=name, rows="\n".join(rows))
