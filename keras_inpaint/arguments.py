"""Checks of arguments, for all packages: whole numbers, choices and names."""

import difflib
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


def check_memory_limit(limit: Any) -> None:
    """Raises a ValueError unless a limit is a number of bytes, or `None`.

    Args:
        limit: The argument `memory_limit` of a function.

    Example:
    >>> from keras_inpaint.arguments import check_memory_limit
    >>> check_memory_limit("2G")
    Traceback (most recent call last):
        ...
    ValueError: `memory_limit` counts bytes (2 GiB are 2 * 2**30) and must be an int ...
    """
    check_int(
        "memory_limit",
        limit,
        "counts bytes (2 GiB are 2 * 2**30)",
        at_least=1,
        or_none="half of the machine's memory",
    )


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


def check_names(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises a ValueError unless all names are known ones.

    Args:
        what: str. What has the names, in the plural, as `"Settings"`.
        given: The names to check, or a dict of which they are the keys.
        known: The known names, in the order in which they are listed.

    Example:
    >>> from keras_inpaint.arguments import check_names
    >>> check_names("Settings", ["imagesize"], ("data", "image_size"))
    Traceback (most recent call last):
        ...
    ValueError: Settings are named otherwise: did you mean image_size? Received: imagesize
    """
    known = list(known)
    unknown = sorted(map(str, set(given) - set(known)))
    if not unknown:
        return
    # Where each is like a known one, these are enough.
    close = [difflib.get_close_matches(name, known, 1) for name in unknown]
    if all(close):
        told = f"otherwise: did you mean {', '.join(name for (name,) in close)}?"
    else:
        told = f"{', '.join(known)}."
    raise ValueError(f"{what} are named {told} Received: {', '.join(unknown)}")


def check_hole_area(hole_area: tuple[float, float] | None, is_drawn: bool = True) -> None:
    """Raises a ValueError for bounds of drawn holes that are none, or where none is drawn.

    Args:
        hole_area: pair of floats or None. The least and the greatest fraction of the photo.
        is_drawn: bool. Whether holes are drawn of a kind, not given as masks or by a sampler.
    """
    if hole_area is None:
        return
    if not is_drawn:
        raise ValueError(
            "`hole_area` is for holes that are drawn: boxes, strokes or a mixture. Leave it "
            "out, or the masks; a sampler has bounds of its own, see "
            f"`keras_inpaint.masks.Mixture`. Received: hole_area={hole_area}"
        )
    if not 0 <= hole_area[0] < hole_area[1] < 1:
        raise ValueError(
            "`hole_area` must be two fractions of the photo, from 0 to below 1, the first less "
            f"than the second. Received: hole_area={hole_area}"
        )
