"""Public names that have moved keep working for one release, with a warning."""

import importlib
import warnings
from collections.abc import Callable
from typing import Any


def moved_names(package: str, new_names: dict[str, str]) -> Callable[[str], Any]:
    """Makes the `__getattr__` of a package whose names have moved.

    List each moved name in docs/migration.md too.

    Args:
        package: str. The package's `__name__`.
        new_names: dict of the full new name by the old one, without its package.

    Returns:
        Function that a package assigns to its `__getattr__`.

    Example:
    >>> from keras_inpaint.moved_names import moved_names
    >>> moved_names("old", {"write_table": "keras_inpaint.new.write_table"})("read")
    Traceback (most recent call last):
        ...
    AttributeError: module 'old' has no attribute 'read'
    """

    def __getattr__(name: str) -> Any:
        if name not in new_names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = new_names[name].rpartition(".")
        warnings.warn(
            f"{package}.{name} has moved to {new_names[name]}; the old name will be removed "
            "in the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(module), attribute)

    return __getattr__
