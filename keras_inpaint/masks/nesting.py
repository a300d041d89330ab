"""Functions of samplers that are made of other samplers: files, and areas of holes."""

import math

import keras


def check_samplers(samplers):
    """Gives the samplers as a list, once it is certain that they are samplers."""
    samplers = list(samplers)
    if not samplers:
        raise ValueError("`samplers` must hold at least one sampler. Received: samplers=[]")
    for sampler in samplers:
        if isinstance(sampler, type) or not callable(sampler):
            raise ValueError(
                "`samplers` must hold objects that are called with seeds, height and width, "
                f"such as `Boxes()`. Received: samplers={samplers}"
            )
    return samplers


def serialize(samplers):
    """Gives the configurations of samplers, which `deserialize` turns back."""
    return [keras.saving.serialize_keras_object(sampler) for sampler in samplers]


def deserialize(configs):
    """Makes samplers of what `serialize` gave."""
    return [keras.saving.deserialize_keras_object(config) for config in configs]


def areas_of(sampler, height, width):
    """Gives the areas that a sampler's holes can have, pairs of least and greatest.

    A sampler of the user's own, without a method `areas`, may have any.
    """
    if not hasattr(sampler, "areas"):
        return [(0, height * width)]
    return sampler.areas(height, width)


def within(areas, bounds):
    """Gives what of areas, pairs of ints, lies within bounds, another pair."""
    clipped = [(max(least, bounds[0]), min(most, bounds[1])) for least, most in areas]
    return [(least, most) for least, most in clipped if least <= most]


def bounds_in_pixels(min_area, max_area, height, width):
    """Gives the whole numbers of pixels within bounds that are fractions of the picture."""
    pixels = height * width
    # A product may be off by its last bit, and must not lose a number for it.
    slack = 1e-6 * pixels
    return math.ceil(min_area * pixels - slack), math.floor(max_area * pixels + slack)


def check_areas(samplers, min_area, max_area, height, width):
    """Raises a ValueError if the holes of a sampler cannot lie within bounds of their area.

    Args:
        samplers: List of samplers.
        min_area: float. Least fraction of the picture that a hole covers.
        max_area: float. Greatest fraction of the picture that a hole covers.
        height: int. Height of the pictures, in pixels.
        width: int. Width of the pictures, in pixels.
    """
    bounds = bounds_in_pixels(min_area, max_area, height, width)
    for sampler in samplers:
        areas = areas_of(sampler, height, width)
        if within(areas, bounds):
            continue
        drawn = "none"
        if areas:
            drawn = f"{min(areas)[0]} to {max(most for _, most in areas)} pixels"
        raise ValueError(
            "The bounds of the holes' area must leave holes that each sampler can draw. Pass "
            "others, other samplers, or another size of pictures. "
            f"Received: min_area={min_area}, max_area={max_area}, that is {bounds[0]} to "
            f"{bounds[1]} of the {height * width} pixels of {height} x {width}, where the "
            f"holes of {_description(sampler)} have {drawn}"
        )


def _description(sampler):
    """A sampler as it could be made again; the samplers within it by their class alone."""
    config = sampler.get_config() if hasattr(sampler, "get_config") else {}
    arguments = ", ".join(
        f"{name}={value}" for name, value in config.items() if name != "samplers"
    )
    return f"{type(sampler).__name__}({arguments})"
