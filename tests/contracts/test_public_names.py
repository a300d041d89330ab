"""The public names: changed on purpose, documented, and found in a file of their name."""

import importlib
import inspect
import pathlib
import re

import pytest

import keras_inpaint

ROOT = pathlib.Path(keras_inpaint.__file__).parent

# What users may rely on. The key "" is the package itself.
PUBLIC_NAMES = {
    "": [
        "Inpainter",
        "InpaintingGAN",
        "__version__",
        "data",
        "inpainting",
        "layers",
        "losses",
        "masks",
        "metrics",
        "models",
        "ops",
        "pictures",
        "training",
    ],
}


def packages():
    return ["", *sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))]


def imported(package):
    return importlib.import_module(f"keras_inpaint.{package}" if package else "keras_inpaint")


def public_names(package):
    return sorted(getattr(imported(package), "__all__", []))


def public_objects():
    """Every public class and function, with the package that offers it."""
    for package in packages()[1:]:
        for name in public_names(package):
            yield package, name, getattr(imported(package), name)


def snake_case(name):
    """The file a class belongs into: `GatedConv2D` -> `gated_conv2d`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


@pytest.mark.parametrize("package", packages())
def test_public_names_change_only_on_purpose(package):
    assert public_names(package) == PUBLIC_NAMES.get(package, []), (
        f"`__all__` of `{imported(package).__name__}` is not the list of this test. If the "
        f"change is meant, write into PUBLIC_NAMES of {pathlib.Path(__file__).name}:\n"
        f'    "{package}": {public_names(package)},'
    )


def test_no_listed_package_is_gone():
    assert set(PUBLIC_NAMES) <= set(packages())


def test_every_public_name_is_documented():
    bare = [
        f"{package}.{name}"
        for package, name, thing in public_objects()
        if (inspect.isclass(thing) or inspect.isroutine(thing))
        # Not inherited: `inspect.getdoc` would take the docstring of the base class.
        and not (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__)
    ]
    assert not bare, f"Public names need a docstring. Received: {bare}"


def test_every_package_with_names_says_what_it_holds():
    silent = [name for name in packages() if public_names(name) and not imported(name).__doc__]
    assert not silent, f"Give `__init__.py` a one-line docstring. Received: {silent}"


def test_every_public_class_has_a_file_of_its_name():
    astray = [
        f"{name} stands in {thing.__module__}, not in {snake_case(name)}.py"
        for _, name, thing in public_objects()
        if inspect.isclass(thing) and thing.__module__.split(".")[-1] != snake_case(name)
    ]
    assert not astray, "\n".join(astray)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("GatedConv2D", "gated_conv2d"),
        ("InpaintingGAN", "inpainting_gan"),
        ("GlobalLocalCritic", "global_local_critic"),
        ("PSNR", "psnr"),
        ("L1Error", "l1_error"),
    ],
)
def test_file_of_a_class(name, file):
    assert snake_case(name) == file
