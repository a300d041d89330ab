"""Options that several commands share, made of the settings of a training run."""

import argparse
import dataclasses
import re
from collections.abc import Callable
from typing import Any

from keras_inpaint.training.settings import Settings, default_of, item_type, value_type

_METAVARS = {int: "N", float: "NUMBER", str: "NAME"}
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def add_option(
    parser: Any, name: str, help: str | None = None, default: Any = dataclasses.MISSING
) -> None:
    """Adds the option of a setting to a parser.

    Args:
        parser: `argparse.ArgumentParser`.
        name: str. A field of `Settings`.
        help: str or `None`. Another help than the setting's, its default included.
        default: Another default, such as `argparse.SUPPRESS`.
    """
    field = Settings.__dataclass_fields__[name]
    kind, told = value_type(name), field.metadata
    if help is None:
        help = told["help"]
        if field.default is not dataclasses.MISSING:
            help += f" (default: {default_of(name)})"
    words: dict[str, Any] = {
        "help": help.replace("%", "%%"),
        "default": field.default if default is dataclasses.MISSING else default,
    }
    if kind is bool:
        # Of a file of settings that says yes, `--no-` makes no.
        is_asked = default is argparse.SUPPRESS
        words["action"] = argparse.BooleanOptionalAction if is_asked else "store_true"
    elif kind is list and item_type(name) is str:
        words |= {"nargs": "+", "metavar": told["metavar"]}
    else:
        words["type"] = _parser_of(kind, told["unit"])
        words["choices"] = told["choices"]
        words["metavar"] = None if told["choices"] else told["metavar"] or _METAVARS[kind]
    parser.add_argument(f"--{name.replace('_', '-')}", **words)


def _parser_of(kind: type, unit: str | None) -> Callable[[str], Any]:
    if unit is not None:
        return {"pixels": pixels_of_a_photo, "bytes": size_in_bytes}[unit]
    return _READERS.get(kind, kind)


def number_of_pixels(text: str) -> int:
    """Reads a distance in pixels, at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"must be a whole number of pixels, at least 0. Received: {text!r}"
        )
    return int(text)


def pixels_of_a_photo(text: str) -> int:
    """Reads a number of pixels such as 300M."""
    return _number(text, _DECIMAL, r"(?:px)?", "must be a number of pixels such as 300M")


def size_in_bytes(text: str) -> int:
    """Reads a number of bytes such as 500M or 2G."""
    return _number(text, _BINARY, r"(?:i?b)?", "must be a number of bytes such as 500M or 2G")


def _number(text: str, units: dict[str, int], end: str, rule: str) -> int:
    form = rf"(\d+(?:\.\d+)?) ?([{''.join(units)}]?){end}"
    number = re.fullmatch(form, text.strip().lower())
    count = int(float(number[1]) * units[number[2]]) if number else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{rule}. Received: {text!r}")
    return count


def _weights(text: str) -> dict[str, float]:
    try:
        pairs = [pair.split("=") for pair in text.split(",")]
        return {name: float(weight) for name, weight in pairs}
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be name=weight,name=weight. Received: {text!r}"
        ) from error


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be number,number. Received: {text!r}"
        ) from error


# Of the types that are not read by their own constructors.
_READERS: dict[type, Callable[[str], Any]] = {dict: _weights, list: _numbers}
