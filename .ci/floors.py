"""Prints the oldest versions that setup.cfg allows, as constraints for pip.

Run in the root of the sources: python .ci/floors.py
"""

import configparser
import re
from pathlib import Path

_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?(?:(?P<operator>>=|==)(?P<version>[\w.]+))?(?:;.*)?"
)
# The extras of the package itself, which name other extras of it.
_ITSELF = "keras-inpaint"


def floors(settings: str) -> dict[str, str]:
    """Reads the oldest version that is allowed of each package.

    Args:
        settings: str. The text of a setup.cfg.

    Returns:
        dict of the versions by the names of the packages.

    Raises:
        ValueError: If a requirement has an upper bound, two floors, or none.
    """
    found: dict[str, str] = {}
    without = set()
    for line in _requirements(settings):
        match = _REQUIREMENT.fullmatch(line)
        if match is None:
            raise ValueError(
                "A requirement is a name and a floor, `name>=1.0`, without an upper bound. "
                f"Received: {line!r}"
            )
        name, version = match["name"], match["version"]
        if version is None:
            without.add(name)
        # An exact version beside a floor is one environment's choice: the floor stays.
        elif match["operator"] == ">=" and found.setdefault(name, version) != version:
            raise ValueError(
                f"A package has one floor. Received: {name}>={found[name]} and {line!r}"
            )
        else:
            found.setdefault(name, version)
    for name in without - set(found) - {_ITSELF}:
        raise ValueError(f"A requirement needs a floor: `{name}>=1.0`. Received: {name!r}")
    return found


def _requirements(settings: str) -> list[str]:
    parser = configparser.ConfigParser()
    parser.read_string(settings)
    lists = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    lines = [line.strip() for text in lists for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


if __name__ == "__main__":
    for name, version in floors(Path("setup.cfg").read_text(encoding="utf-8")).items():
        print(f"{name}=={version}")
