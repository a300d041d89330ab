"""Networks that no export can be made of."""

import keras


class Fickle(keras.Model):
    """Is another function each time a graph is made of it."""

    channels, size_multiple = 3, 8
    num_graphs = 0

    def call(self, inputs):
        self.num_graphs += 1
        return {"refined": inputs["corrupted"] + 0.1 * self.num_graphs}


class Untranslatable(keras.Model):
    """Uses an operation that only TensorFlow has."""

    channels, size_multiple = 3, 8

    def call(self, inputs):
        import tensorflow as tf

        return {"refined": tf.math.igamma(1.5, inputs["corrupted"] + 2.0)}
