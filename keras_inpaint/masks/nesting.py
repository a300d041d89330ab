"""What samplers made of other samplers share."""

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
