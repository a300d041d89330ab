import keras
import pytest


@pytest.fixture
def quick():
    """Makes a function of tensors quick: JAX compiles every operation it meets one by one."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit
    return lambda function: function


@pytest.fixture
def compilers():
    """All the ways in which the backend runs a function of tensors."""
    if keras.backend.backend() == "jax":
        import jax

        return [jax.jit]
    import tensorflow as tf

    return [lambda f: f, tf.function, lambda f: tf.function(f, jit_compile=True)]
