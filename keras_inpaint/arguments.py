"""Checks of arguments, for all packages: whole numbers and choices."""

import numbers
from collections.abc import Iterable
from typing import Any, TypeGuard


def is_int(value: Any, at_least: int | None = None) -> TypeGuard[int]:
    """Checks whether a value is a whole number: an int of Python or NumPy, and no bool.

    Args:
        value: Anything.
        at_least: int or `None`. What it must not be below.

    Returns:
        bool.

    Example:
    >>> from keras_inpaint.arguments import is_int
    >>> is_int(np.int64(3), at_least=1), is_int(0, at_least=1), is_int(True), is_int(3.0)
    (True, False, False, False)
    """
    # A bool is an int for Python, and a slip here.
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return whole and bool(at_least is None or value >= at_least)


def check_int(
    name: str,
    value: Any,
    meaning: str,
    at_least: int | None = None,
    or_none: str | None = None,
) -> Any:
    """Raises a ValueError unless an argument is a whole number, and not too small.

    Args:
        name: str. The argument's name.
        value: Anything.
        meaning: str. What the argument is, as `"counts pixels"`.
        at_least: int or `None`. What it must not be below.
        or_none: str or `None`. What `None` stands for, where it is allowed.

    Returns:
        int, as configurations can hold it: a NumPy int becomes one of Python. `None` where
        it is allowed.

    Example:
    >>> from keras_inpaint.arguments import check_int
    >>> check_int("every", 0, "counts steps", at_least=1)
    Traceback (most recent call last):
        ...
    ValueError: `every` counts steps and must be an int of at least 1. Received: every=0
    """
    if value is None and or_none is not None:
        return None
    if not is_int(value, at_least):
        least = "" if at_least is None else f" of at least {at_least}"
        otherwise = "" if or_none is None else f", or None for {or_none}"
        raise ValueError(
            f"`{name}` {meaning} and must be an int{least}{otherwise}. "
            f"Received: {name}={value!r}"
        )
    return int(value)


def check_choice(
    name: str, value: Any, choices: Iterable[Any], or_none: str | None = None
) -> None:
    """Raises a ValueError unless an argument is one of several values.

    Args:
        name: str. The argument's name.
        value: Anything.
        choices: The values, or a dict of which they are the keys.
        or_none: str or `None`. What `None` stands for, where it is allowed.

    Example:
    >>> from keras_inpaint.arguments import check_choice
    >>> check_choice("padding", "valid", ("same", "centred"))
    Traceback (most recent call last):
        ...
    ValueError: `padding` must be one of 'same', 'centred'. Received: padding='valid'
    """
    choices = tuple(choices)
    if value is None and or_none is not None:
        return
    # Not `value in choices`: of an array, that is no bool.
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        otherwise = "" if or_none is None else f", or None for {or_none}"
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}{otherwise}. "
            f"Received: {name}={value!r}"
        )
