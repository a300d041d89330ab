"""The public names: changed on purpose, documented, and found in a file of their name."""

import ast
import importlib
import inspect
import pathlib
import re
import textwrap

import keras
import pytest

import keras_inpaint

ROOT = pathlib.Path(keras_inpaint.__file__).parent

# What users may rely on. The key "" is the package itself.
PUBLIC_NAMES = {
    "": [
        "Inpainter",
        "InpaintingGAN",
        "__version__",
        "conversion",
        "convert",
        "data",
        "evaluate",
        "evaluation",
        "export",
        "export_litert",
        "export_onnx",
        "export_saved_model",
        "files",
        "gan",
        "inpaint_folder",
        "inpainting",
        "layers",
        "losses",
        "masks",
        "metrics",
        "models",
        "ops",
        "pictures",
        "presets",
        "serving",
        "training",
        "tuning",
        "upload_preset",
    ],
    "conversion": [
        "convert",
    ],
    "data": [
        "Pairs",
        "PictureDataset",
        "Shards",
        "SkipLog",
        "find_pairs",
        "find_photos",
        "photos",
        "write_shards",
    ],
    "evaluation": [
        "Evaluation",
        "HOLE_KINDS",
        "baselines",
        "evaluate",
        "hole_sampler",
        "load_features",
        "measure",
    ],
    "export": [
        "export_litert",
        "export_onnx",
        "export_saved_model",
    ],
    "files": [
        "FilePart",
        "FolderLock",
        "atomic_write",
        "check_source",
        "check_target",
        "keras_draft",
        "open_source",
        "read_source",
        "reserve_room",
        "sha256",
        "shown",
        "sweep",
        "weights_size",
        "write_json",
        "write_table",
        "write_text",
    ],
    "gan": [
        "InpaintingGAN",
        "PairedOptimizer",
        "PictureSheets",
        "ProgressLine",
        "TensorBoard",
        "TerminateOnNonFinite",
    ],
    "inpainting": [
        "FolderReport",
        "Inpainter",
        "inpaint_folder",
    ],
    "layers": [
        "ContextualAttention",
        "GatedConv2D",
        "PaddedConv2D",
        "SpectralConv2D",
    ],
    "losses": [
        "HingeObjective",
        "LossWeights",
        "WassersteinObjective",
        "box_discounts",
        "discounted_l1",
        "distance_discounts",
        "known_l1",
    ],
    "masks": [
        "Boxes",
        "EdgeSketch",
        "Mixture",
        "Mosaic",
        "Strokes",
        "Union",
    ],
    "metrics": [
        "PerceptualDistance",
        "frechet_distance",
        "l1",
        "l2",
        "psnr",
        "ssim",
        "total_variation",
    ],
    "models": [
        "CoarseNetwork",
        "EfficientNetLite",
        "Generator",
        "GlobalLocalCritic",
        "PatchCritic",
        "RefineNetwork",
    ],
    "ops": [
        "as_seeds",
        "attend",
        "attend_by_lines",
        "attention_memory",
        "boxes_around_holes",
        "boxes_hold_holes",
        "composite",
        "corrupt",
        "crop_patches",
        "derived_seeds",
        "distance_to_known",
        "fits_at_once",
        "fuse_scores",
        "hole_sizes",
        "integers",
        "lines_within",
        "mosaic",
        "nearest_corners",
        "nearest_strided",
        "normal",
        "offset_colors",
        "paste_patches",
        "patch_norms",
        "patch_scores",
        "picture_seeds",
        "uniform",
        "upsample_nearest",
        "valid_keys",
    ],
    "pictures": [
        "MAX_PIXELS",
        "Picture",
        "SUFFIXES",
        "check_writable",
        "is_lossy",
        "is_picture_file",
        "is_picture_name",
        "is_plain",
        "list_pictures",
        "read_frames",
        "read_header",
        "read_mask",
        "read_picture",
        "sheet",
        "to_images",
        "to_photos",
        "what_is_lost",
        "write_frames",
        "write_picture",
    ],
    "presets": [
        "FORMAT_VERSION",
        "bundled_presets",
        "find_preset",
        "read_metadata",
        "read_network",
        "read_object",
        "upload_preset",
        "write_preset",
    ],
    "serving": [
        "Limits",
        "create_app",
        "export_page",
        "serve",
    ],
    "training": [
        "Settings",
        "train",
    ],
    "tuning": [
        "InpaintingHyperModel",
        "measure_objective",
        "search",
        "search_ranges",
    ],
}


# Keras Tuner's word, in a package of one such class.
OTHER_FILES = {"InpaintingHyperModel": "hypermodel"}


def packages():
    return ["", *sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))]


def imported(package):
    return importlib.import_module(f"keras_inpaint.{package}" if package else "keras_inpaint")


def public_names(package):
    return sorted(getattr(imported(package), "__all__", []))


def public_objects(package):
    """Every public class and function of a package; the top level only passes them on."""
    for name in public_names(package) if package else []:
        thing = getattr(imported(package), name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            yield name, thing


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


@pytest.mark.parametrize("package", packages())
def test_dir_shows_public_names_alone(package):
    names = public_names(package)
    assert not names or dir(imported(package)) == sorted(names)


def test_no_listed_package_is_gone():
    assert set(PUBLIC_NAMES) <= set(packages())


@pytest.mark.parametrize("package", packages())
def test_every_public_name_is_documented(package):
    # `__doc__` is not inherited, as what `inspect.getdoc` finds would be.
    bare = [name for name, thing in public_objects(package) if not thing.__doc__]
    assert not bare, f"Public names need a docstring. Received: {bare}"


# Each field says what it means in its metadata, of which the docs' table is made.
SAY_IT_ELSEWHERE = {"Settings"}


def unsaid(name, thing):
    """What the docstring of a class or function lacks: an argument, a section, a full stop."""
    text = inspect.cleandoc(thing.__doc__ or "")
    lines = re.findall(r"^    (\*{0,2}\w+(?:, \*{0,2}\w+)*): ", text, re.M)
    said = {word for line in lines for word in line.split(", ")}
    lacks = [] if text.partition("\n")[0].endswith(".") else ["a first sentence"]
    function = thing.__init__ if inspect.isclass(thing) else thing
    # `As all others, see ...` names where they stand.
    if name not in SAY_IT_ELSEWHERE and "As all others" not in text:
        code = getattr(inspect.unwrap(function), "__code__", None)
        count = code.co_argcount + code.co_kwonlyargcount if code else 0
        names = code.co_varnames[:count] if code else ()
        lacks += [each for each in names if each not in {"self", "cls", *said}]
    if not inspect.isclass(thing):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
        nodes = list(ast.walk(tree))
        returns = any(isinstance(node, ast.Return) and node.value for node in nodes)
        lacks += ["Returns"] * (returns and not re.search(r"^(Returns|Yields):", text, re.M))
        raises = any(isinstance(node, ast.Raise) for node in nodes)
        lacks += ["Raises"] * (raises and "\nRaises:\n" not in text)
    return [f"{name}: {each}" for each in lacks]


@pytest.mark.parametrize("package", packages())
def test_docstrings_say_what_is_taken_returned_and_raised(package):
    assert not [each for pair in public_objects(package) for each in unsaid(*pair)]


def test_what_a_docstring_leaves_unsaid_is_seen():
    def double(number, *, times=2):
        """Doubles a number

        Args:
            number: int.
        """
        if not times:
            raise ValueError
        return times * number

    lacks = ["a first sentence", "times", "Returns", "Raises"]
    assert unsaid("double", double) == [f"double: {each}" for each in lacks]


@pytest.mark.parametrize("package", packages())
def test_package_with_names_says_what_it_holds(package):
    assert imported(package).__doc__ or not public_names(package), (
        f"Give `__init__.py` a one-line docstring. Received: package={package}"
    )


@pytest.mark.parametrize("package", packages())
def test_every_public_class_has_a_file_of_its_name(package):
    astray = [
        f"{name} stands in {thing.__module__}, not in {snake_case(name)}.py"
        for name, thing in public_objects(package)
        if inspect.isclass(thing)
        and thing.__module__.split(".")[-1] != OTHER_FILES.get(name, snake_case(name))
        # As in Keras, a package's callbacks stand together.
        and not (
            issubclass(thing, keras.callbacks.Callback)
            and thing.__module__.endswith(".callbacks")
        )
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
