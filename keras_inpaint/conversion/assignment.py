"""Putting published weights into our networks, all of them or none."""

from typing import Any

import numpy as np

from keras_inpaint.conversion.source import Source


def assign(source: Source, variables: dict[str, Any]) -> None:
    """Gives variables the values of a source.

    Args:
        source: `Source`.
        variables: dict of variables by our names.

    Raises:
        ValueError: If a weight is missing, unexpected, of another shape or not finite;
            all of them are named, as the source does.
    """
    weights, spell = source.weights, source.layout.spell
    theirs = {ours: theirs for theirs, ours in reversed(source.names.items())}
    shared = [name for name in variables if name in weights]
    complaints = {
        "missing": [spell(name) for name in variables if name not in weights],
        "unexpected": [
            *source.unexpected,
            *(theirs[name] for name in weights if name not in variables),
        ],
        "of another shape": [
            f"{theirs[name]} is {weights[name].shape} and must be "
            f"{tuple(variables[name].shape)} (rows, columns, in, out)"
            for name in shared
            if weights[name].shape != tuple(variables[name].shape)
        ],
        "not finite": [theirs[name] for name in shared if not np.isfinite(weights[name]).all()],
    }
    told = [f"{kind}: {', '.join(names)}" for kind, names in complaints.items() if names]
    if told:
        raise ValueError(
            f"The weights are not those of {source.layout.title}, or the source is not whole. "
            f"Received: source={str(source.path)!r}; {'; '.join(told)}"
        )
    for name, variable in variables.items():
        variable.assign(weights[name])
