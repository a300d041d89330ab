"""What a training run is told."""

import dataclasses
import math
from pathlib import Path
from typing import Any, Self

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "architecture": ("deepfill_v1", "deepfill_v2"),
    "mask_choice": ("random", "paired"),
    "distribution": ("none", "mirrored", None),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16", None),
}
_COUNTS = ("image_size", "batch_size", "steps", "save_every")
_OPTIONAL_COUNTS = ("width", "critic_width", "mosaic")
_OPTIONAL_PATHS = ("masks", "validation", "validation_masks", "preset")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a training run is told, as it stands in its `settings.json`.

    Args:
        data: str. Photos to learn from: a folder, a pattern, or a text file that lists
            them, see `keras_inpaint.data.photos`.
        output: str. The run's folder: new, empty, or that of a run to go on with.
        architecture: `"deepfill_v1"` or `"deepfill_v2"`.
        width: int or `None`. Filters of the generator's first convolutions; `None` for
            those of `preset`, or else the published ones.
        image_size: int. Height and width of the images, in pixels.
        batch_size: int. Images a step, a multiple of `critic_steps`.
        steps: int. Training steps in all, those before an interruption included.
        critic_width: int or `None`. Filters of the critic's first convolutions; `None`
            for those of `preset`, or else the published ones.
        critic_steps: int. Updates of the critic for one of the generator; 0 for
            reconstruction alone, with `loss_weights={"adversarial": 0}`.
        loss_weights: dict or `None`. Some of the arguments of
            `keras_inpaint.losses.LossWeights`, where they are not the published ones.
        learning_rate: float. Of both optimizers, at the start.
        final_learning_rate: float or `None`. What it falls to at the last step, along half
            a cosine, a little at each checkpoint; `None` for a rate that stays.
        critic_learning_rate: float or `None`. Of the critic's optimizer at the start, where
            it is not `learning_rate`; it falls in proportion.
        gamma: float or `None`. For v1: the discount of the hole's loss a pixel of distance;
            `None` for the paper's.
        box_share: float or `None`. For v2: the share of holes that are boxes, where the
            others are brush strokes; `None` for both in each hole, as published.
        min_scale: float or `None`. The smallest squares cut out of photos, as a share of
            their short side; `None` for squares of `image_size` pixels and more.
        masks: str or `None`. Mask files, given as `data` is; `None` for masks that are
            drawn.
        mask_choice: `"random"`: any of `masks` for any photo, another one each time.
            `"paired"`: a photo's mask has its name but for folder and suffix.
        mosaic: int or `None`. To learn to restore mosaics: the height and width of the
            tiles that the hole is shown in, in pixels of the images; `None` for holes
            that are blank, or shown as `preset` has learned it.
        validation: str or `None`. Photos to measure on, given as `data` is.
        validation_masks: str or `None`. Mask files of the photos of `validation`, named
            like them; `None` for masks that are drawn, always the same.
        preset: str or `None`. What to start from: a preset as
            `keras_inpaint.Inpainter.from_preset` takes it. What its networks are, but for
            `architecture`, it tells itself.
        seed: int, below 2**32. Seed of weights, masks, and the order of photos.
        save_every: int. Steps from one checkpoint, measurement and line of the log to
            the next.
        sheets_every: int. Steps from one sheet of filled pictures to the next; 0 for
            none.
        precision: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`: what layers compute
            in, see `keras.mixed_precision`; weights, losses and presets are float32 in each.
            `None` for the policy that Keras has.
        distribution: `"mirrored"`: all accelerators share each batch, see
            `tf.distribute.MirroredStrategy`; `"none"`: one device; `None` for the former
            where there are several accelerators.

    Raises:
        ValueError: If a value is of another type or out of its bounds.

    Example:
    >>> from keras_inpaint.training.settings import Settings
    >>> settings = Settings("photos", "runs/1", steps=10)
    >>> settings.steps, settings.batch_size
    (10, 16)
    """

    data: str
    output: str
    architecture: str = "deepfill_v2"
    width: int | None = None
    image_size: int = 256
    batch_size: int = 16
    steps: int = 100_000
    critic_width: int | None = None
    critic_steps: int = 1
    loss_weights: dict[str, float] | None = None
    learning_rate: float = 1e-4
    final_learning_rate: float | None = None
    critic_learning_rate: float | None = None
    gamma: float | None = None
    box_share: float | None = None
    min_scale: float | None = None
    masks: str | None = None
    mask_choice: str = "random"
    mosaic: int | None = None
    validation: str | None = None
    validation_masks: str | None = None
    preset: str | None = None
    seed: int = 0
    save_every: int = 1000
    sheets_every: int = 1000
    precision: str | None = None
    distribution: str | None = None

    def __post_init__(self) -> None:
        self._check_paths()
        self._check_counts()
        self._check_numbers()
        for name, choices in _CHOICES.items():
            is_choice = getattr(self, name) in choices
            _check(self, name, f"one of {', '.join(filter(None, choices))}", is_choice)
        has_photos = self.validation is not None or self.validation_masks is None
        _check(self, "validation_masks", "None without photos in `validation`", has_photos)
        divides = self.batch_size % max(1, self.critic_steps) == 0
        _check(self, "batch_size", f"a multiple of critic_steps={self.critic_steps}", divides)

    def _check_paths(self) -> None:
        """Refuses what are no paths, and keeps the others as text, as JSON has them."""
        for name in ("data", "output", *_OPTIONAL_PATHS):
            value = getattr(self, name)
            is_left_out = value is None and name in _OPTIONAL_PATHS
            _check(self, name, "a path", is_left_out or isinstance(value, str | Path))
            object.__setattr__(self, name, None if value is None else str(value))

    def _check_counts(self) -> None:
        for name in (*_COUNTS, *_OPTIONAL_COUNTS):
            value = getattr(self, name)
            is_left_out = value is None and name in _OPTIONAL_COUNTS
            is_count = is_left_out or (_is_int(value) and value >= 1)
            _check(self, name, "an int of at least 1", is_count)
        for name in ("critic_steps", "sheets_every"):
            is_count = _is_int(getattr(self, name)) and getattr(self, name) >= 0
            _check(self, name, "an int of at least 0", is_count)
        is_seed = _is_int(self.seed) and 0 <= self.seed < 2**32
        _check(self, "seed", "an int of at least 0 and below 2**32", is_seed)

    def _check_numbers(self) -> None:
        is_object = self.loss_weights is None or isinstance(self.loss_weights, dict)
        _check(self, "loss_weights", "an object of names and numbers", is_object)
        is_rate = _is_number(self.learning_rate) and self.learning_rate > 0
        _check(self, "learning_rate", "a finite number above 0", is_rate)
        final = self.final_learning_rate
        is_rate = final is None or (_is_number(final) and 0 < final <= self.learning_rate)
        _check(self, "final_learning_rate", "a number above 0, up to learning_rate", is_rate)
        rate = self.critic_learning_rate
        is_rate = rate is None or (_is_number(rate) and rate > 0)
        _check(self, "critic_learning_rate", "a finite number above 0", is_rate)
        gamma, is_v1 = self.gamma, self.architecture == "deepfill_v1"
        fits = gamma is None or (_is_number(gamma) and 0 < gamma <= 1 and is_v1)
        _check(self, "gamma", "a number above 0, up to 1, and for deepfill_v1 alone", fits)
        share, is_v2 = self.box_share, self.architecture == "deepfill_v2"
        fits = share is None or (_is_number(share) and 0 <= share <= 1 and is_v2)
        _check(self, "box_share", "a number from 0 to 1, and for deepfill_v2 alone", fits)
        draws = self.masks is None or self.box_share is None
        _check(self, "box_share", "None where `masks` are files", draws)
        scale = self.min_scale
        fits = scale is None or (_is_number(scale) and 0 < scale <= 1)
        _check(self, "min_scale", "a number above 0, up to 1", fits)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """Makes settings of what a JSON file holds.

        Raises:
            ValueError: If one is unknown, or `data` or `output` is missing.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(settings) - set(names))
        if unknown:
            raise ValueError(
                f"Settings are named {', '.join(names)}. Received: {', '.join(unknown)}"
            )
        missing = [name for name in ("data", "output") if settings.get(name) is None]
        if missing:
            raise ValueError(
                f"Training needs `data`, photos to learn from, and `output`, a folder for the "
                f"run. Received: no {' and no '.join(missing)}"
            )
        return cls(**settings)

    def learning_rate_at(self, step: int) -> float:
        """Returns the learning rate after `step` steps."""
        first, last = self.learning_rate, self.final_learning_rate
        if last is None:
            return first
        return last + (first - last) * (1 + math.cos(math.pi * min(1.0, step / self.steps))) / 2

    def to_dict(self) -> dict[str, Any]:
        """Returns what `from_dict` takes."""
        return dataclasses.asdict(self)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(settings: Settings, name: str, kind: str, is_right: bool) -> None:
    if not is_right:
        raise ValueError(
            f"`{name}` must be {kind}. Received: {name}={getattr(settings, name)!r}"
        )
