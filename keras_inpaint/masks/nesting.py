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


def overlap(one, other):
    """Gives what two ranges, pairs of ints, have in common; `None` if nothing."""
    least, most = max(one[0], other[0]), min(one[1], other[1])
    return (least, most) if least <= most else None


def areas_within(sampler, bounds, height, width):
    """Gives what areas a sampler's holes may have within bounds; `None` if no hole's is.

    A sampler of the user's own, without a method `areas_within`, may have any.
    """
    if not hasattr(sampler, "areas_within"):
        return overlap((0, height * width), bounds)
    return sampler.areas_within(*bounds, height, width)


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
        if bounds[0] <= bounds[1] and areas_within(sampler, bounds, height, width) is not None:
            continue
        own = areas_within(sampler, (0, height * width), height, width)
        drawn = "none" if own is None else f"{own[0]} to {own[1]} pixels"
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
