"""Sources as published programs write them, with the reference arrays in them."""

import numpy as np
from reference.published import arrays, official_batch, port_batch

from keras_inpaint.conversion.networks import generator_weights


def write_checkpoint(folder, variables, name="snap-0"):
    """Writes a TensorFlow checkpoint of variables by name, without any objects."""
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    tf.raw_ops.SaveV2(
        prefix=str(folder / name),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=list(variables.values()),
    )
    told = f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    (folder / "checkpoint").write_text(told)
    return folder


def write_pytorch(path, state):
    """Writes a state dict, or a dict of such, as PyTorch programs do."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(_tensors(state, torch), path)
    return path


def _tensors(content, torch):
    if isinstance(content, np.ndarray):
        return torch.tensor(np.ascontiguousarray(content))
    if isinstance(content, dict):
        return {key: _tensors(value, torch) for key, value in content.items()}
    return content


def stripped(state, prefix):
    """The entries of a network, without its name."""
    return {
        name.removeprefix(prefix): array
        for name, array in state.items()
        if name.startswith(prefix)
    }


def pytorch_kernel(variable):
    """A kernel or bias of ours as PyTorch has it."""
    values = np.array(variable)
    return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values


def named_state(generator, spell):
    """State dict of our generator, as a port with the authors' layer names has it."""
    words = {"kernel": "weight", "bias": "bias"}
    state = {}
    for name, variable in generator_weights(generator).items():
        layer, weight = name.split("/")
        state[f"{spell(layer)}.{words[weight]}"] = pytorch_kernel(variable)
    return state


def official_references(name):
    """Inputs and outputs of the authors' program, red first."""
    images, masks = official_batch(name)
    outputs = (arrays(name)["x1"], arrays(name)["x2"])
    return (images[..., ::-1], masks, *(pictures[..., ::-1] for pictures in outputs))


def port_references():
    outputs = [arrays("pytorch_port")[key].transpose(0, 2, 3, 1) for key in ("x1", "x2")]
    return (*port_batch(), *outputs)


def assert_outputs(generator, images, masks, coarse, refined):
    outputs = generator({"corrupted": images * (1 - masks), "masks": masks})
    np.testing.assert_allclose(outputs["coarse"], coarse, rtol=0, atol=2e-4)
    np.testing.assert_allclose(outputs["refined"], refined, rtol=0, atol=2e-4)
