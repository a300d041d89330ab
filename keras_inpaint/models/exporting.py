"""What `export` of the models here adds to that of Keras."""

import keras


def export_signature(input_signature, channels):
    """The signature of an export, dynamic unless one is given.

    Args:
        input_signature: What `export` was given: a structure of tensors, or of what has
            their `shape`; `None` for any number of images of any size.
        channels: dict of int. Channels of the model's inputs by name.

    Returns:
        A structure like `input_signature`.

    Raises:
        ValueError: On JAX, where sizes are unknown.
    """
    if input_signature is None:
        input_signature = [
            {
                name: keras.InputSpec("float32", (None, None, None, channels[name]))
                for name in channels
            }
        ]
    if keras.backend.backend() == "jax":
        shapes = [tuple(spec.shape) for spec in keras.tree.flatten(input_signature)]
        if any(length is None for shape in shapes for length in shape):
            raise ValueError(
                "JAX exports fixed sizes alone: pass `input_signature=` with whole shapes. For "
                "any size, save the model, load it on the TensorFlow backend, and export it "
                f"there. Received: shapes {shapes}"
            )
    return input_signature
