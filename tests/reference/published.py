"""The published networks with the published arrays in them, matched by layer name."""

from functools import cache
from pathlib import Path

import keras
import numpy as np

from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic

FOLDER = Path(__file__).parent


@cache
def arrays(name):
    """The reference arrays of `official_v1`, `official_v2` or `pytorch_port`."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def convolutions(network):
    """The plain convolutions of a network by their published name, in order."""
    found = {}
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.Conv2D):
            gated = layer.name == "conv"
            name = next(
                parent.name
                for parent in network._flatten_layers()
                if parent is layer or (gated and getattr(parent, "conv", None) is layer)
            )
            found[name] = layer
    return found


def official_generator(name):
    """The authors' generator: width 8."""
    architecture = {"official_v1": Generator.deepfill_v1, "official_v2": Generator.deepfill_v2}
    generator = architecture[name](width=8)
    for layer, convolution in convolutions(generator).items():
        convolution.kernel.assign(arrays(name)[official_name(layer, "kernel")])
        convolution.bias.assign(arrays(name)[official_name(layer, "bias")])
    return generator


def official_name(layer, weight):
    scope = f"{layer}/{layer}_conv" if layer.endswith("upsample") else layer
    return f"var/inpaint_net/{scope}/{weight}"


def official_v1_critic():
    critic = GlobalLocalCritic(16, image_size=64, patch_size=32)
    for variable, name in official_v1_critic_variables(critic):
        variable.assign(arrays("official_v1")[f"var/{name}"])
    return critic


def official_v1_critic_variables(critic):
    """Pairs of a variable and its published name."""
    for side, network in (("local", critic.local_critic), ("global", critic.global_critic)):
        for layer in network.layers:
            if not layer.weights:
                continue
            scope = f"discriminator/discriminator_{side}/{layer.name}"
            if isinstance(layer, keras.layers.Dense):
                scope = f"discriminator/dout_{side}_fc"
            yield layer.kernel, f"{scope}/kernel"
            yield layer.bias, f"{scope}/bias"


def official_v2_critic():
    critic = PatchCritic(16)
    for variable, name in official_v2_critic_variables(critic):
        variable.assign(arrays("official_v2")[f"var/{name}"])
    for layer in critic.convolutions:
        layer.u.assign(arrays("official_v2")[f"var/{official_v2_vector(layer)}"])
    return critic


def official_v2_critic_variables(critic):
    for layer in critic.convolutions:
        scope = f"discriminator/sn_patch_gan/{layer.name}"
        yield layer.kernel, f"{scope}/kernel"
        yield layer.bias, f"{scope}/bias"


def official_v2_vector(layer):
    return f"discriminator/sn_patch_gan/{layer.name}/kernel_sn/u"


def port_generator():
    """The PyTorch port's generator: width 4."""
    generator = Generator.deepfill_v1(width=4, dialect="pytorch")
    for variable, name in port_generator_variables(generator):
        variable.assign(port_array(name))
    return generator


def port_generator_variables(generator):
    for layer, convolution in convolutions(generator).items():
        scope = f"netG.{_port_layer(layer)}.conv"
        yield convolution.kernel, f"{scope}.weight"
        yield convolution.bias, f"{scope}.bias"


def _port_layer(layer):
    coarse = layer.startswith("conv")
    layer = layer.removeprefix("x").removesuffix("_upsample")
    return f"{'coarse' if coarse else 'fine'}_generator.{layer}"


def port_critic():
    critic = GlobalLocalCritic(
        4, image_size=256, patch_size=128, padding="centred", local_multiples=(1, 2, 4, 4)
    )
    for variable, name in port_critic_variables(critic):
        variable.assign(port_array(name))
    return critic


def port_critic_variables(critic):
    for side, network in (("localD", critic.local_critic), ("globalD", critic.global_critic)):
        for layer in network.layers:
            if not layer.weights:
                continue
            scope = f"{side}.dis_conv_module.{layer.name}.conv"
            if isinstance(layer, keras.layers.Dense):
                scope = f"{side}.linear"
            yield layer.kernel, f"{scope}.weight"
            yield layer.bias, f"{scope}.bias"


def port_array(name):
    array = arrays("pytorch_port")[f"state/{name}"]
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2:  # A dense kernel over features flattened channel by channel.
        channels = 16
        side = int((array.size // channels) ** 0.5)
        return array.reshape(channels, side, side).transpose(1, 2, 0).reshape(-1, 1)
    return array
