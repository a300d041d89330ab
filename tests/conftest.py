"""What every test may ask for: `rng`, `check_layer`, and the same start for chance."""

import pathlib
import signal

import pytest

# Keras is imported by what uses it: the process that gives tests to others, which wait until it
# has begun, runs none.
pytest.register_assert_rewrite("contracts.layer_contract")


def pytest_addoption(parser):
    parser.addoption(
        "--official-weights",
        type=pathlib.Path,
        metavar="DIR",
        help="compare with the authors' own examples: DIR holds their checkpoint and pictures",
    )


def pytest_configure():
    # Shells have what they start in the background ignore Ctrl-C, and `nohup` a closed
    # terminal: so would its children, of which tests see how they end.
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
            signal.signal(getattr(signal, name), handler)


# Their tests take longest, and begin first: at the end of all, one of them would run alone.
LONGEST = (
    "test_replicas.py",
    "test_cluster.py",
    "test_on_ray.py",
    "test_real_searches.py",
    "test_killed_run.py",
    "test_notebooks.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def rng():
    """The one source of chance of a test."""
    import numpy as np

    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_start():
    """Each test starts from the same seed in float32, whatever ran before it."""
    import keras

    keras.utils.set_random_seed(0)
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def check_layer(tmp_path):
    """`check_layer(layer, inputs)`: the promises every layer makes, each checked once.

    See `tests/contracts/layer_contract.py`.
    """

    from contracts.layer_contract import check_layer as check_promises

    def check(layer, inputs, **options):
        return check_promises(layer, inputs, folder=tmp_path, **options)

    return check
