"""Where TensorFlow is not installed, everything that needs none still imports."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

# A package of rank 4 that has learned to do without TensorFlow is added here.
INDEPENDENT = [
    "ops",
    "masks",
    "layers",
    "losses",
    "metrics",
    "pictures",
    "models",
    "data",
    "export",
    "presets",
    "inpainting",
    "gan",
    "training",
    "conversion",
    "evaluation",
]

# Runs in a process of its own: a process has one backend, and TensorFlow may be loaded here.
PROGRAM = """
import importlib, json, sys

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

sys.meta_path.insert(0, NoTensorFlow())
import keras_inpaint

report = {"loaded at first": sorted({name.split(".")[0] for name in sys.modules})}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        report[name] = "fine"
    except Exception as error:
        report[name] = f"{type(error).__name__}: {error}"
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report():
    """What each import came to in a process that cannot import TensorFlow."""
    names = [f"keras_inpaint.{package}" for package in INDEPENDENT]
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names, "tensorflow"],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_the_process_really_has_no_tensorflow(report):
    assert report["tensorflow"] == "ModuleNotFoundError: No module named 'tensorflow'"


def test_import_of_the_package_loads_neither_keras_nor_a_backend(report):
    assert not {"keras", "jax", "tensorflow", "numpy"} & set(report["loaded at first"])


@pytest.mark.parametrize("package", INDEPENDENT)
def test_package_imports_without_tensorflow(report, package):
    assert report[f"keras_inpaint.{package}"] == "fine"
