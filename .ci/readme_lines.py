"""Prints what the README shows first: its first Python block, or its first command to inpaint.

python .ci/readme_lines.py python|command <README.md
"""

import re
import sys


def first_python(text: str) -> str:
    """The first block of Python."""
    match = re.search(r"^```python\n(.*?)^```", text, re.M | re.S)
    if match is None:
        raise ValueError("The README shows no block of Python.")
    return match[1]


def first_command(text: str) -> str:
    """The first command that fills a photo."""
    match = re.search(r"^keras-inpaint inpaint (?:.*\\\n)*.*\n", text, re.M)
    if match is None:
        raise ValueError("The README shows no command that fills a photo.")
    return match[0]


if __name__ == "__main__":
    print({"python": first_python, "command": first_command}[sys.argv[1]](sys.stdin.read()))
