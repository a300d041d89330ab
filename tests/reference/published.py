"""The published networks with the published arrays in them, matched as conversion does."""

from functools import cache
from pathlib import Path

import numpy as np

from keras_inpaint.conversion.layouts import OfficialLayout, PortLayout
from keras_inpaint.conversion.networks import critic_weights, generator_weights
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic

FOLDER = Path(__file__).parent
OFFICIAL, PORT = OfficialLayout(), PortLayout()


@cache
def arrays(name):
    """The reference arrays of `official_v1`, `official_v2` or `pytorch_port`."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def official_batch(name):
    """Pictures, still blue first, and masks."""
    reference = arrays(name)
    images = reference["image_uint_range"] / 127.5 - 1
    masks = np.broadcast_to(reference["mask"], (*images.shape[:3], 1)).astype("float32")
    return images, masks


def port_batch():
    reference = arrays("pytorch_port")
    images = reference["ground_truth"].transpose(0, 2, 3, 1)
    return images, reference["mask"].transpose(0, 2, 3, 1)


def official_arrays(name):
    """All variables of a checkpoint of the authors' program, as it names and stores them."""
    return _without("var/", arrays(name))


def port_state(*networks):
    """State dict of the port's networks (`netG`, `localD`, `globalD`), as it stores them."""
    state = _without("state/", arrays("pytorch_port"))
    return {name: array for name, array in state.items() if name.split(".")[0] in networks}


def _without(prefix, entries):
    found = [name for name in entries if name.startswith(prefix)]
    return {name.removeprefix(prefix): entries[name] for name in found}


def official_generator(name):
    """The authors' generator: width 8."""
    architecture = {"official_v1": Generator.deepfill_v1, "official_v2": Generator.deepfill_v2}
    generator = architecture[name](width=8)
    for variable, theirs in official_variables(generator_weights(generator)):
        variable.assign(official_arrays(name)[theirs])
    return generator


def official_v1_critic():
    critic = GlobalLocalCritic(16, image_size=64, patch_size=32)
    for variable, theirs in official_variables(critic_weights(critic)):
        variable.assign(official_arrays("official_v1")[theirs])
    return critic


def official_v2_critic():
    critic = PatchCritic(16)
    for variable, theirs in official_variables(critic_weights(critic)):
        variable.assign(official_arrays("official_v2")[theirs])
    return critic


def official_variables(weights):
    """Pairs of a variable and its published name."""
    return [(variable, OFFICIAL.spell(name)) for name, variable in weights.items()]


def official_v2_vector(layer):
    return OFFICIAL.spell(f"patch/{layer.name}/u")


def port_generator():
    """The PyTorch port's generator: width 4."""
    generator = Generator.deepfill_v1(width=4, dialect="pytorch")
    _assign_port(generator_weights(generator), port_state("netG"))
    return generator


def port_critic():
    critic = GlobalLocalCritic(
        4, image_size=256, patch_size=128, padding="centred", local_multiples=(1, 2, 4, 4)
    )
    _assign_port(critic_weights(critic), port_state("localD", "globalD"))
    return critic


def _assign_port(weights, state):
    found = {name: state[theirs] for name, theirs in port_names(weights).items()}
    for name, variable in weights.items():
        variable.assign(PORT.to_ours(name, found))


def port_names(weights):
    """The port's name of each weight, by ours."""
    networks = {"local": "", "global": ""}
    return {
        name: networks.get(name.split("/")[0], "netG.") + PORT.spell(name) for name in weights
    }


def port_variables(weights):
    """Pairs of a variable and its name in the port."""
    return [(weights[name], theirs) for name, theirs in port_names(weights).items()]
