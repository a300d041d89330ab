"""The folders are the architecture: a package imports only from packages of lower rank."""

import ast
import pathlib

import pytest

PACKAGE = "keras_inpaint"
ROOT = pathlib.Path(__file__).parents[2] / PACKAGE
RANKS = {
    "ops": 0,
    "files": 0,
    "masks": 1,
    "layers": 1,
    "losses": 1,
    "metrics": 1,
    "pictures": 1,
    "models": 2,
    "data": 2,
    "presets": 3,
    "inpainting": 4,
    "gan": 5,
    "export": 5,
    "conversion": 5,
    "evaluation": 5,
    "training": 6,
    "serving": 6,
    "tuning": 7,
    "cli": 8,
}
# Where names of the top level live: `from keras_inpaint import Inpainter` is an import too.
HOMES = {
    "Inpainter": "inpainting",
    "InpaintingGAN": "gan",
    "convert": "conversion",
    "evaluate": "evaluation",
    "export_litert": "export",
    "export_onnx": "export",
    "export_saved_model": "export",
    "inpaint_folder": "inpainting",
    "upload_preset": "presets",
}
# Methods that are another name for a function of higher rank, imported as they are called.
SHORTHANDS = {("keras_inpaint.inpainting.inpainter", "keras_inpaint.export_saved_model")}
EXEMPT = {"__init__", "__main__", "version", "moved_names", "arguments", "signals"}
BACKENDS = {"tensorflow", "jax", "torch"}
BACKEND_RANK = 4
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "misc"}


def imported_modules(source, module, is_package=False):
    """Full names of everything a source imports, wherever in the file it does so."""
    home = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = home[: len(home) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            if origin == PACKAGE:
                yield from (f"{PACKAGE}.{alias.name}" for alias in node.names)
            else:
                yield origin
        elif isinstance(node, ast.Call) and _is_dynamic_import(node):
            yield node.args[0].value


def _is_dynamic_import(call):
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    return (
        name in ("import_module", "__import__")
        and bool(call.args)
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    )


def complaints(source, module, is_package=False):
    """What is wrong with the imports of one module, a sentence each."""
    package = module.split(".")[1]
    if package in EXEMPT:
        return []
    if package not in RANKS:
        return [f"{module}: `{package}` has no rank. Give it one in RANKS of {__name__}."]
    found = []
    for name in imported_modules(source, module, is_package):
        head, *rest = name.split(".")
        if head in BACKENDS and RANKS[package] < BACKEND_RANK:
            if (package, head) != ("data", "tensorflow"):
                found.append(f"{module} imports {head}: write it on keras.ops, or in rank 4.")
        elif head == PACKAGE and not rest:
            found.append(f"{module} imports {PACKAGE} as a whole: import the names you need.")
        elif head == PACKAGE:
            found.extend(_sideways_or_upwards(module, package, name))
    return found


def _sideways_or_upwards(module, package, name):
    other = name.split(".")[1]
    other = HOMES.get(other, other)
    if (module, name) in SHORTHANDS:
        return []
    if other in EXEMPT or other == "__version__" or other == package:
        return []
    if name == f"{PACKAGE}.ops":
        return [f"{module} imports {name}: import its functions, `ops` means keras.ops."]
    if other not in RANKS:
        return [f"{module} imports {name}, which has no rank."]
    if RANKS[other] >= RANKS[package]:
        return [
            f"{module} (rank {RANKS[package]}) imports {name} (rank {RANKS[other]}): "
            "take the thing as an argument instead."
        ]
    return []


def sources():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        yield path, ".".join(parts[:-1] if is_package and len(parts) > 2 else parts), is_package


def test_packages_import_only_from_lower_ranks():
    found = [
        complaint
        for path, module, is_package in sources()
        for complaint in complaints(path.read_text(encoding="utf-8"), module, is_package)
    ]
    assert not found, "\n".join(found)


def test_nothing_is_called_utils():
    nameless = [
        str(path.relative_to(ROOT.parent))
        for path in ROOT.rglob("*")
        if path.stem in NAMELESS and (path.is_dir() or path.suffix == ".py")
    ]
    assert not nameless, f"A function lives where its noun lives. Received: {nameless}"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("keras_inpaint.layers.attention", "from keras_inpaint.masks.boxes import Boxes"),
        ("keras_inpaint.layers.attention", "from keras_inpaint.models import Generator"),
        ("keras_inpaint.layers.attention", "from keras_inpaint import models"),
        ("keras_inpaint.layers.attention", "from keras_inpaint import Inpainter"),
        ("keras_inpaint.layers.attention", "from keras_inpaint import ops"),
        ("keras_inpaint.layers.attention", "import keras_inpaint.training.steps as steps"),
        ("keras_inpaint.layers.attention", "import keras_inpaint"),
        ("keras_inpaint.layers.attention", "from ..masks import boxes"),
        ("keras_inpaint.layers.attention", "from .. import masks"),
        ("keras_inpaint.layers.attention", "def late():\n    from ..masks import boxes"),
        ("keras_inpaint.layers.attention", "import_module('keras_inpaint.cli')"),
        ("keras_inpaint.layers.attention", "importlib.import_module('keras_inpaint.cli')"),
        ("keras_inpaint.layers.attention", "import tensorflow as tf"),
        ("keras_inpaint.layers.attention", "from tensorflow.math import top_k"),
        ("keras_inpaint.layers.attention", "def late():\n    import tensorflow"),
        ("keras_inpaint.presets.reading", "import tensorflow"),
        ("keras_inpaint.presets.reading", "from keras_inpaint import Inpainter"),
        ("keras_inpaint.gan.inpainting_gan", "from keras_inpaint.training import train"),
        ("keras_inpaint.data.photos", "import jax"),
        ("keras_inpaint.cli.main", "from keras_inpaint.app import page"),
        ("keras_inpaint.inpainting.inpainter", "from keras_inpaint.export import versions"),
        ("keras_inpaint.inpainting.window", "from keras_inpaint import export_saved_model"),
        ("keras_inpaint.novelty.thing", "import numpy"),
    ],
)
def test_forbidden_import_is_seen(module, source):
    assert complaints(source, module)


def test_relative_import_in_a_package_is_resolved_from_the_package():
    package = ("keras_inpaint.layers", True)
    assert complaints("from ..masks import boxes", *package)
    assert not complaints("from .attention import attend", *package)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("keras_inpaint.layers.attention", "from keras import ops"),
        (
            "keras_inpaint.layers.attention",
            "from keras_inpaint.ops.compositing import composite",
        ),
        ("keras_inpaint.layers.attention", "from ..ops.compositing import composite"),
        ("keras_inpaint.layers.attention", "from .gates import gate"),
        ("keras_inpaint.layers.attention", "from keras_inpaint.version import __version__"),
        ("keras_inpaint.layers.attention", "from keras_inpaint import __version__"),
        ("keras_inpaint.layers.attention", "'''>>> import tensorflow'''"),
        ("keras_inpaint.data.photos", "import tensorflow as tf"),
        ("keras_inpaint.gan.backends.jax", "import jax"),
        ("keras_inpaint.cli.main", "from keras_inpaint import Inpainter"),
    ],
)
def test_allowed_import_passes(module, source):
    assert not complaints(source, module)
