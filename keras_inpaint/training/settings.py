"""The settings of a training run."""

import dataclasses
import math
import operator
import typing
from pathlib import Path
from typing import Any, Self

from keras_inpaint.arguments import check_names
from keras_inpaint.pictures import MAX_PIXELS


def _setting(
    help: str,
    default: Any = dataclasses.MISSING,
    if_none: str | None = None,
    choices: tuple[str, ...] | None = None,
    metavar: str | None = None,
    unit: str | None = None,
    **bounds: float,
) -> Any:
    """A field of `Settings`: all that is known of one setting, once.

    Args:
        help: str. Its meaning, for the command line and the docs.
        default: Its default; without one, it must be given.
        if_none: str or `None`. Of a default that is `None`: what that stands for.
        choices: tuple of str or `None`. Its only values.
        metavar: str or `None`. Its value in the command line's help.
        unit: `"pixels"`, `"bytes"` or `None`. Of a number that the command line also takes
            as 300M or 2G.
        bounds: `at_least`, `above`, `up_to` or `below`. Bounds of a number.
    """
    metadata = {"help": help, "if_none": if_none, "choices": choices, "metavar": metavar}
    return dataclasses.field(
        default=default, metadata={**metadata, "unit": unit, "bounds": bounds}
    )


# Whether one value of a metric of validation is better than another.
BETTER = {
    "val_hole_l1": operator.lt,
    "val_l1": operator.lt,
    "val_psnr": operator.gt,
    "val_ssim": operator.gt,
    "val_loss": operator.lt,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a training run, as they stand in its `settings.json`.

    The command line's options, their defaults and their help, and the table in
    docs/training.md are made of these fields, see `settings_table`.

    Raises:
        ValueError: If a value is of another type or out of its bounds.

    Example:
    >>> from keras_inpaint.training.settings import Settings
    >>> settings = Settings("photos", "runs/1", steps=10)
    >>> settings.steps, settings.batch_size
    (10, 16)
    """

    data: str = _setting(
        "photos to train on: a folder, a pattern, or a text file of paths",
        metavar="DIR|LIST",
    )
    output: str = _setting(
        "folder of the run: new, empty, or that of a run to go on with", metavar="DIR"
    )
    architecture: str = _setting(
        "published architecture", "deepfill_v2", choices=("deepfill_v1", "deepfill_v2")
    )
    width: int | None = _setting(
        "filters of the generator's first convolutions",
        None,
        "the preset's, else 32 for v1, 48 for v2",
        at_least=1,
    )
    channels: int = _setting("of the images: 3, or 1 to train on grey ones", 3, at_least=1)
    guided: bool = _setting(
        "v2: show the networks sketches of the holes, the edges of the photos, so that users "
        "can draw what is to be filled in",
        False,
    )
    image_size: int = _setting("height and width of the images, in pixels", 256, at_least=1)
    batch_size: int = _setting(
        "images in each step, a multiple of critic_steps", 16, at_least=1
    )
    steps: int = _setting(
        "training steps in all, those before an interruption included", 100_000, at_least=1
    )
    critic_width: int | None = _setting(
        "filters of the critic's first convolutions", None, "the preset's, else 64", at_least=1
    )
    critic_steps: int = _setting(
        "updates of the critic for each one of the generator; 0 for reconstruction alone, "
        "with adversarial=0 in loss_weights",
        1,
        at_least=0,
    )
    loss_weights: dict[str, float] | None = _setting(  # noqa: RUF009
        "weights of the losses that differ from the published ones, such as "
        "hole=1.2,adversarial=0.01",
        None,
        "the published ones",
        metavar="WEIGHTS",
    )
    reconstruction_steps: int = _setting(
        "first steps, in which reconstruction alone is trained, without the critic",
        0,
        at_least=0,
    )
    critic_only_steps: int = _setting(
        "steps after these in which the critic alone is trained, such as a new one of a "
        "trained generator",
        0,
        at_least=0,
    )
    learning_rate: float = _setting("of both optimizers, at its highest", 1e-4, above=0)
    final_learning_rate: float | None = _setting(
        "what the learning rate falls to at the last step, along half a cosine",
        None,
        "it stays",
        above=0,
    )
    critic_learning_rate: float | None = _setting(
        "of the critic's optimizer, at its highest; it falls in proportion",
        None,
        "learning_rate",
        above=0,
    )
    global_clipnorm: float | None = _setting(
        "largest norm of all gradients of a network together, over which they are scaled down",
        None,
        "any",
        above=0,
    )
    on_nonfinite: str = _setting(
        "what becomes of a step in which a loss or a gradient is not finite: stop ends the "
        "run, skip leaves its batch out; either saves it first",
        "stop",
        choices=("stop", "skip"),
    )
    warmup_steps: int = _setting(
        "first steps of each network, in which its learning rate rises from 0", 0, at_least=0
    )
    ema_momentum: float | None = _setting(
        "momentum of an exponential moving average of the generator's weights, which "
        "validation, sheets and presets then use, such as 0.999",
        None,
        "none",
        at_least=0,
        below=1,
    )
    perceptual_network: str | None = _setting(
        "trained network of a perceptual loss, as evaluate's --features names it, such as "
        "efficientnet-lite2; the loss counts as perceptual in loss_weights says",
        None,
        "none",
        metavar="NAME|FILE",
    )
    perceptual_layers: list[float] | None = _setting(  # noqa: RUF009
        "how much each of its layers counts, in proportion, such as 3,2,1.5,1,0.4,0.25",
        None,
        "all alike",
        metavar="NUMBERS",
    )
    gamma: float | None = _setting(
        "v1: discount of the loss in the hole for each pixel of distance",
        None,
        "0.99",
        above=0,
        up_to=1,
    )
    box_share: float | None = _setting(
        "v2: fraction of holes that are boxes, where the others are brush strokes",
        None,
        "both in each hole",
        at_least=0,
        up_to=1,
    )
    min_scale: float | None = _setting(
        "smallest squares cut out of photos, as a fraction of their short side",
        None,
        "image_size pixels",
        above=0,
        up_to=1,
    )
    masks: str | None = _setting(
        "mask files, given as data is", None, "masks are drawn", metavar="DIR|LIST"
    )
    mask_choice: str = _setting(
        "random: any of the masks for any photo; paired: the one of its name",
        "random",
        choices=("random", "paired"),
    )
    mask_pattern: str | None = _setting(
        "what masks are called, such as '{name}_hole' or 'mask of {name} *'",
        None,
        "as photos, or that and _mask",
        metavar="PATTERN",
    )
    invert_mask: bool = _setting("masks mark what is known", False)
    mask_from_alpha: bool = _setting("what is transparent in a mask is the hole", False)
    grow: int = _setting(
        "pixels by which holes are widened, over the soft edge of what was masked",
        0,
        at_least=0,
    )
    turn_mask: bool = _setting(
        "turn masks as EXIF turns their photos: they were drawn on these as stored", False
    )
    mosaic: int | None = _setting(
        "height and width of the tiles of the mosaics to restore, in pixels",
        None,
        "the preset's, else blank holes",
        at_least=1,
    )
    validation: str | None = _setting(
        "photos for validation, given as data is", None, "none", metavar="DIR|LIST"
    )
    validation_masks: str | None = _setting(
        "mask files of the photos for validation, of their names",
        None,
        "drawn, always the same",
        metavar="DIR|LIST",
    )
    max_pixels: int = _setting(
        "pixels of the largest photo or mask to read",
        MAX_PIXELS,
        unit="pixels",
        at_least=1,
    )
    memory_limit: int | None = _setting(
        "memory that reading one photo or mask may take, such as 2G",
        None,
        "half of the machine's",
        metavar="SIZE",
        unit="bytes",
        at_least=1,
    )
    max_skipped: float = _setting(
        "fraction of the photos that may turn out to be damaged; more end the run",
        0.25,
        at_least=0,
        up_to=1,
    )
    preset: str | None = _setting(
        "preset to start from: a bundled one, a folder, or hf://owner/name",
        None,
        "random weights",
        metavar="NAME|FOLDER|hf://OWNER/NAME",
    )
    freeze: list[str] | None = _setting(  # noqa: RUF009
        "layers whose weights stay as they are, by names or patterns, such as coarse or "
        "critic/conv1",
        None,
        "none",
        metavar="NAME",
    )
    seed: int = _setting(
        "seed of the weights, the masks and the order of photos", 0, at_least=0, below=2**32
    )
    save_every: int = _setting(
        "steps between checkpoints, validations and rows of the log", 1000, at_least=1
    )
    keep_last: int = _setting(
        "last checkpoints that are kept; an earlier one is for where the last is damaged",
        2,
        at_least=1,
    )
    keep_best: str | None = _setting(
        "metric of validation: the best checkpoint by it is kept too, and the preset of it "
        "as best/ in the run's folder",
        None,
        "none",
        choices=tuple(BETTER),
    )
    sheets_every: int = _setting(
        "steps between sheets of filled pictures; 0 for none", 1000, at_least=0
    )
    tensorboard: bool = _setting(
        "write all metrics and the sheets for TensorBoard, into the run's folder", False
    )
    precision: str | None = _setting(
        "type that layers compute in, where weights, losses and presets stay float32",
        None,
        "Keras's policy",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    steps_per_execution: int = _setting(
        "steps that one device is given at once, a divisor of steps and save_every",
        1,
        at_least=1,
    )
    distribution: str | None = _setting(
        "mirrored: all accelerators share each batch; multiworker: those of several processes, "
        "which TF_CONFIG names; none: one device",
        None,
        "mirrored where there are several accelerators",
        choices=("none", "mirrored", "multiworker"),
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check_field(field)
        self._check_fit()

    def _check_field(self, field: "dataclasses.Field[Any]") -> None:
        """Refuses a value of another type, out of bounds, or that is no choice."""
        value, kind = getattr(self, field.name), value_type(field.name)
        if value is None and field.default is None:
            return
        choices, bounds = field.metadata["choices"], field.metadata["bounds"]
        if choices is not None:
            self._require(field.name, f"one of {', '.join(choices)}", value in choices)
        elif kind is str:
            self._require(field.name, "a path", isinstance(value, str | Path))
            # As JSON has them.
            object.__setattr__(self, field.name, str(value))
        elif kind is dict:
            what = "an object of names and numbers"
            self._require(field.name, what, isinstance(value, dict))
        elif kind is list and item_type(field.name) is str:
            is_list = isinstance(value, list | tuple)
            fits = is_list and all(isinstance(each, str) for each in value) and any(value)
            self._require(field.name, "a list of names", fits)
        elif kind is list:
            fits = isinstance(value, list | tuple) and all(
                _is_number(each, float) and each >= 0 for each in value
            )
            self._require(field.name, "numbers of at least 0", fits and any(value))
        elif kind is bool:
            self._require(field.name, "true or false", isinstance(value, bool))
        else:
            what = "an int" if kind is int else "a finite number"
            fits = _is_number(value, kind) and all(
                _KEEPS[name](value, bound) for name, bound in bounds.items()
            )
            limits = [f"{_WORDS[name]} {bound}" for name, bound in bounds.items()]
            self._require(field.name, " ".join([what, " and ".join(limits)]), fits)

    def _check_fit(self) -> None:
        """Refuses settings that do not fit each other."""
        final = self.final_learning_rate
        fits = final is None or final <= self.learning_rate
        self._require("final_learning_rate", "a number above 0, up to learning_rate", fits)
        for name in ("reconstruction_steps", "critic_only_steps"):
            fits = not getattr(self, name) or self.critic_steps > 0
            self._require(name, "0 without a critic, as critic_steps is 0", fits)
        # An execution is made to its end.
        for name in ("steps", "save_every", "reconstruction_steps", "critic_only_steps"):
            fits = getattr(self, name) % self.steps_per_execution == 0
            what = f"a multiple of steps_per_execution={self.steps_per_execution}"
            self._require(name, what, fits)
        for name, architecture in (("gamma", "deepfill_v1"), ("box_share", "deepfill_v2")):
            fits = getattr(self, name) is None or self.architecture == architecture
            self._require(name, f"left out: it is for {architecture} alone", fits)
        self._require("channels", "1 or 3", self.channels in (1, 3))
        fits = self.perceptual_network is None or self.channels == 3
        self._require("perceptual_network", "left out of grey images", fits)
        fits = not self.guided or self.architecture == "deepfill_v2"
        self._require("guided", "left out: it is for deepfill_v2 alone", fits)
        if self.preset is None:
            self._check_sizes()
        weight = (self.loss_weights or {}).get("perceptual", 0)
        fits = (self.perceptual_network is not None) == (weight != 0)
        what = f"given for a weight: loss_weights has perceptual={weight}"
        self._require("perceptual_network", what, fits)
        fits = self.perceptual_layers is None or self.perceptual_network is not None
        self._require("perceptual_layers", "left out without perceptual_network", fits)
        draws = self.masks is None or self.box_share is None
        self._require("box_share", "None where `masks` are files", draws)
        is_validated = self.validation is not None or self.keep_best is None
        self._require("keep_best", "left out, or photos named in `validation`", is_validated)
        has_photos = self.validation is not None or self.validation_masks is None
        self._require(
            "validation_masks", "left out, or photos named in `validation`", has_photos
        )
        if self.masks is None and self.validation_masks is None:
            for name in MASK_SETTINGS:
                fits = getattr(self, name) == self.__dataclass_fields__[name].default
                self._require(name, "left out where no masks are files", fits)
        is_paired = self.validation_masks is not None or self.mask_choice == "paired"
        for name in ("mask_pattern", "turn_mask"):
            fits = is_paired or not getattr(self, name)
            self._require(name, "left out where any mask goes with any photo", fits)
        divides = self.batch_size % max(1, self.critic_steps) == 0
        what = f"a multiple of critic_steps={self.critic_steps}"
        self._require("batch_size", what, divides)

    def _check_sizes(self) -> None:
        """Refuses sizes that the published networks do not have, before any is made."""
        for name in ("image_size", "width"):
            multiple, value = _MULTIPLES[self.architecture][name], getattr(self, name)
            what = f"a multiple of {multiple} for {self.architecture}"
            self._require(name, what, value is None or value % multiple == 0)

    def _require(self, name: str, what: str, is_right: bool) -> None:
        if not is_right:
            raise ValueError(
                f"`{name}` must be {what}. Received: {name}={getattr(self, name)!r}"
            )

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """Makes settings of the content of a JSON file.

        Raises:
            ValueError: If one is unknown, or `data` or `output` is missing.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        check_names("Settings", settings, names)
        missing = [name for name in ("data", "output") if settings.get(name) is None]
        if missing:
            raise ValueError(
                f"Training needs `data`, photos to train on, and `output`, a folder for the "
                f"run. Received: no {' and no '.join(missing)}"
            )
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """Returns what `from_dict` takes."""
        return dataclasses.asdict(self)


def mask_options(settings: Any) -> dict[str, Any]:
    """Returns what settings, or options of the command line of these names, say of mask files.

    Args:
        settings: `Settings`, or an object with the attributes `MASK_SETTINGS`.

    Returns:
        dict: the `mask_options` of `keras_inpaint.data.photos`.
    """
    return {key: getattr(settings, name) for name, key in MASK_SETTINGS.items()}


def value_type(name: str) -> type:
    """Returns the type of a setting's values: `str`, `int`, `float`, `bool`, `dict` or `list`.

    Args:
        name: str. A field of `Settings`.

    Example:
    >>> from keras_inpaint.training.settings import value_type
    >>> value_type("width"), value_type("loss_weights")
    (<class 'int'>, <class 'dict'>)
    """
    hint = _HINTS[name]
    kinds = [each for each in typing.get_args(hint) or (hint,) if each is not type(None)]
    kind: type = typing.get_origin(kinds[0]) or kinds[0]
    return kind


def item_type(name: str) -> type:
    """Returns the type of what a setting lists.

    Args:
        name: str. A field of `Settings` whose `value_type` is `list`.
    """
    lists = [each for each in typing.get_args(_HINTS[name]) if each is not type(None)]
    item: type = typing.get_args(lists[0])[0]
    return item


def settings_table() -> str:
    """Makes the Markdown table of docs/training.md, a row for each setting.

    Example:
    >>> from keras_inpaint.training.settings import settings_table
    >>> settings_table().splitlines()[4]
    '| `architecture` | deepfill_v2 | published architecture: deepfill_v1 or deepfill_v2 |'
    """
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(Settings):
        default = "" if field.default is dataclasses.MISSING else default_of(field.name)
        meaning = field.metadata["help"]
        choices = field.metadata["choices"]
        if choices and not all(choice in meaning for choice in choices):
            meaning += f": {', '.join(choices[:-1])} or {choices[-1]}"
        rows.append(f"| `{field.name}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def default_of(name: str) -> str:
    """Returns a setting's default in words, as the help and the docs have it.

    Args:
        name: str. A field of `Settings` that has a default.
    """
    field = Settings.__dataclass_fields__[name]
    if field.default is None:
        return str(field.metadata["if_none"])
    if isinstance(field.default, bool):
        return "yes" if field.default else "no"
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


# What masks mean: settings and options of the command line, by the names in `mask_options`.
# What sizes of a published architecture divide by. The networks say so too, once they are made.
_MULTIPLES = {
    "deepfill_v1": {"image_size": 32, "width": 2},
    "deepfill_v2": {"image_size": 8, "width": 4},
}
MASK_SETTINGS = {
    "invert_mask": "invert",
    "mask_from_alpha": "from_alpha",
    "grow": "grow",
    "turn_mask": "turn",
    "mask_pattern": "pattern",
}
_HINTS = typing.get_type_hints(Settings)
_WORDS = {"at_least": "of at least", "above": "above", "up_to": "up to", "below": "below"}
_KEEPS = {
    "at_least": lambda value, bound: value >= bound,
    "above": lambda value, bound: value > bound,
    "up_to": lambda value, bound: value <= bound,
    "below": lambda value, bound: value < bound,
}


def _is_number(value: Any, kind: type) -> bool:
    # A bool is an int for Python, and a slip here.
    kinds = int if kind is int else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
