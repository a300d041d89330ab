"""How a network's last numbers become colours."""

from keras import ops

from keras_inpaint.arguments import check_choice

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
    check_choice("output_activation", name, _ACTIVATIONS)
    return _ACTIVATIONS[name]
