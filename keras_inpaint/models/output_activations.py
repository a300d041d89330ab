"""How a network's last numbers become colours."""

from keras import ops

_ACTIVATIONS = {
    "clip": lambda pictures: ops.clip(pictures, -1.0, 1.0),
    "tanh": ops.tanh,
}


def output_activation_named(name):
    """Returns the function of a name.

    Args:
        name: `"clip"` (v1) or `"tanh"` (v2). Both end in `[-1, 1]`.

    Returns:
        function of a tensor, number by number.

    Raises:
        ValueError: If the name is another.
    """
    if name not in _ACTIVATIONS:
        raise ValueError(
            "`output_activation` must be one of 'clip', 'tanh'. "
            f"Received: output_activation={name!r}"
        )
    return _ACTIVATIONS[name]
