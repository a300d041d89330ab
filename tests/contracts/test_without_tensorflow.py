"""Where TensorFlow, Keras Tuner and TensorBoard are not installed, what needs none works."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = sorted(path.parent.name for path in (ROOT / "keras_inpaint").glob("*/__init__.py"))
# The packages that cannot do without one, and what they say.
NEEDS = {"tuning": "needs keras-tuner, which is not installed. Run `pip install keras-tuner`."}
MISSING = ("tensorflow", "keras_tuner", "tensorboard")

# Each runs in a process of its own: a process has one backend, and this one may have loaded
# TensorFlow.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
IMPORTS = """
import importlib, json
import keras_inpaint

report = {"loaded at first": sorted({name.split(".")[0] for name in sys.modules})}
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
        report[name] = "fine"
    except Exception as error:
        report[name] = f"{type(error).__name__}: {error}"
print(json.dumps(report))
"""
TRAINING = """
import keras, numpy as np
import keras_inpaint as ki

keras.utils.set_random_seed(0)
gan = ki.InpaintingGAN.deepfill_v1(
    generator=ki.models.Generator.deepfill_v2(width=4), image_size=32, critic_width=4
)
gan.compile()
images = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 3)).astype("float32")
# A bias may stay: the critics' last ones move true and filled pictures alike.
kernels = [weight for weight in gan.trainable_weights if weight.name == "kernel"]
before = [keras.ops.convert_to_numpy(kernel) for kernel in kernels]
history = gan.fit(images, batch_size=4, verbose=0).history
assert np.isfinite([*history.values()]).all(), history
for kernel, old in zip(kernels, before, strict=True):
    assert np.any(keras.ops.convert_to_numpy(kernel) != old), kernel.path
gan.inpainter.save_to_preset(sys.argv[2], {"image_size": 32})
photo = np.zeros((40, 48, 3), "uint8")
filled = ki.Inpainter.from_preset(sys.argv[2]).inpaint(photo, np.eye(40, 48))
assert filled[np.eye(40, 48) == 0].max() == 0 and "tensorflow" not in sys.modules
print("trained")
"""
COMMAND = """
from keras_inpaint.cli.main import main

sys.exit(main(sys.argv[2:]))
"""


def run(program, *arguments, missing=MISSING, backend="jax"):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + program, ",".join(missing), *arguments],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )


needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX takes TensorFlow's place"
)


@pytest.fixture(scope="module")
def report():
    """What each import came to in a process that cannot import what is missing."""
    names = [f"keras_inpaint.{package}" for package in PACKAGES]
    answer = run(IMPORTS, *names, *MISSING)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


@needs_jax
@pytest.mark.parametrize("library", MISSING)
def test_the_process_really_lacks_it(report, library):
    assert report[library] == f"ModuleNotFoundError: No module named '{library}'"


@needs_jax
def test_import_of_the_package_loads_neither_keras_nor_a_backend(report):
    assert not {"keras", "jax", "tensorflow", "numpy"} & set(report["loaded at first"])


@needs_jax
@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_or_names_what_to_install(report, package):
    assert report[f"keras_inpaint.{package}"].endswith(NEEDS.get(package, "fine"))
    assert "\n" not in report[f"keras_inpaint.{package}"]


@needs_jax
@pytest.mark.slow
def test_gated_networks_train_against_both_critics_and_fill_a_photo(tmp_path):
    answer = run(TRAINING, str(tmp_path / "preset"))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "trained"


@pytest.mark.parametrize(
    ("missing", "backend", "package"),
    [("keras_tuner", "jax", "keras-tuner"), ("tensorflow", "tensorflow", "tensorflow")],
)
def test_a_command_that_lacks_a_library_says_so_in_one_line(
    tmp_path, missing, backend, package
):
    words = ["tune", "--data", str(tmp_path), "--output", str(tmp_path / "search")]
    answer = run(COMMAND, *words, missing=[missing], backend=backend)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert answer.stderr.startswith("keras-inpaint: ")
    assert f"`pip install {package}`" in answer.stderr


def test_tuning_on_tensorflow_without_tensorboard_is_refused_before_the_first_trial():
    pytest.importorskip("tensorflow")
    answer = run("import keras_inpaint.tuning", missing=["tensorboard"], backend="tensorflow")
    assert answer.stderr.splitlines()[-1].endswith("Run `pip install tensorboard`.")
