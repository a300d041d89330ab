"""The smallest `InpaintingGAN`, of networks that a user could have written."""

import keras
import numpy as np
from keras import ops

from keras_inpaint import InpaintingGAN
from keras_inpaint.losses import HingeObjective
from keras_inpaint.masks import Boxes

SIZE = 16
# Where compiling is not what is tested: TensorFlow's takes longer than a few steps, and of
# JAX these do.
QUICKLY = {"run_eagerly": keras.backend.backend() == "tensorflow"}


@keras.saving.register_keras_serializable(package="tests")
class TinyGenerator(keras.Model):
    """One convolution for the first guess, one for the second."""

    channels = 3
    size_multiple = 1
    padding = "same"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Conv2D(3, 3, padding="same", activation="tanh")
        self.second = keras.layers.Conv2D(3, 3, padding="same", activation="tanh")
        self.first.build((None, None, None, 4))
        self.second.build((None, None, None, 3))
        self.built = True

    def call(self, inputs):
        coarse = self.first(ops.concatenate([inputs["corrupted"], inputs["masks"]], axis=-1))
        return {"coarse": coarse, "refined": self.second(coarse)}


@keras.saving.register_keras_serializable(package="tests")
class TinyCritic(keras.Model):
    """One convolution, whose outputs are the scores."""

    image_size = None
    patch_size = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scores = keras.layers.Conv2D(2, 4, strides=4)
        self.scores.build((None, None, None, 4))
        self.built = True

    def call(self, inputs):
        scores = self.scores(ops.concatenate([inputs["images"], inputs["masks"]], axis=-1))
        return ops.reshape(scores, (ops.shape(scores)[0], -1))


def make_gan(like=None, **options):
    """An uncompiled model, with the weights of another one if one is given."""
    gan = InpaintingGAN(
        TinyGenerator(), TinyCritic(), HingeObjective(), Boxes(8, 8, jitter=2), **options
    )
    if like is not None:
        gan.set_weights(like.get_weights())
    return gan


def make_images(num, seed=0):
    shape = (num, SIZE, SIZE, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def make_masks(num):
    masks = np.zeros((num, SIZE, SIZE, 1), "float32")
    masks[:, 4:12, 4:12] = 1
    return masks
