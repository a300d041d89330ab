import pytest


@pytest.fixture(scope="session")
def quick():
    """Makes a function of tensors quick: JAX compiles every operation it meets one by one."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit
    return lambda function: function


@pytest.fixture(scope="session")
def compilers(quick):
    """All the ways in which the backend runs a function of tensors."""
    import keras

    if keras.backend.backend() == "jax":
        return [quick]
    import tensorflow as tf

    return [quick, tf.function, tf.function(jit_compile=True, autograph=False)]
