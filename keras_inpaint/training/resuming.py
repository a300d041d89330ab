"""What a run that goes on may change of its settings."""

from collections.abc import Callable
from typing import NamedTuple

import keras

from keras_inpaint.training.settings import Settings


class Change(NamedTuple):
    """What becomes of a run that goes on with other values of some settings.

    Attributes:
        names: tuple of str. Fields of `Settings`.
        is_allowed: str. Whether they may change, for the docs.
        effect: str. What the change does, or why it is refused.
        is_refused: Function of the settings of before and of now, where either has another
            value; `None` where they may always change.
        goes_on_as_preset: bool. Of a change that is refused: whether another run may begin
            from the preset of this one.
    """

    names: tuple[str, ...]
    is_allowed: str
    effect: str
    is_refused: Callable[[Settings, Settings], bool] | None = None
    goes_on_as_preset: bool = True


def _always(before: Settings, now: Settings) -> bool:
    return True


def _is_v1(before: Settings, now: Settings) -> bool:
    return before.architecture == "deepfill_v1"


def _begins_or_ends(before: Settings, now: Settings) -> bool:
    return (before.ema_momentum is None) != (now.ema_momentum is None)


def _scales_otherwise(before: Settings, now: Settings) -> bool:
    return _scales_losses(before) != _scales_losses(now)


def _scales_losses(settings: Settings) -> bool:
    policy = settings.precision or keras.config.dtype_policy().name
    return bool(keras.DTypePolicy(policy).compute_dtype == "float16")


def _moves_critics_rate(before: Settings, now: Settings) -> bool:
    has_schedule = now.final_learning_rate is not None or now.warmup_steps > 0
    return has_schedule and before.critic_steps > 0 and now.critic_steps > 0


# Each setting once, in the order of the docs.
CHANGES = (
    Change(
        ("steps",),
        "yes",
        "with more, the run goes on; with as many as were made, or fewer, it trains nothing",
    ),
    Change(("output",), "yes", "the folder may be moved"),
    Change(
        ("batch_size",),
        "yes",
        "photos and masks are those of a run that had this size from its first step on",
    ),
    Change(
        ("data", "seed", "min_scale", "max_pixels", "memory_limit", "max_skipped"),
        "yes",
        "the next steps draw from the new photos, by the new seed",
    ),
    Change(
        (
            "masks",
            "mask_choice",
            "mask_pattern",
            "invert_mask",
            "mask_from_alpha",
            "grow",
            "turn_mask",
            "box_share",
            "mosaic",
        ),
        "yes",
        "the next steps have the new holes, or mosaics, and so has the preset",
    ),
    Change(
        ("validation", "validation_masks", "keep_best"),
        "yes",
        "earlier rows of the log stay; the best is compared with the checkpoints that are kept",
    ),
    Change(
        (
            "learning_rate",
            "final_learning_rate",
            "critic_learning_rate",
            "warmup_steps",
            "reconstruction_steps",
            "critic_only_steps",
        ),
        "yes",
        "rates and phases of the next steps are those of a run that had them from its first "
        "step on; `steps` count here too, where a rate falls",
    ),
    Change(
        (
            "loss_weights",
            "perceptual_network",
            "perceptual_layers",
            "gamma",
            "global_clipnorm",
            "on_nonfinite",
        ),
        "yes",
        "they hold for the next steps",
    ),
    Change(
        ("critic_steps",),
        "where the rate stays, and from or to 0",
        "a rate that rises or falls counts the critic's updates",
        _moves_critics_rate,
    ),
    Change(
        ("save_every", "keep_last", "sheets_every", "tensorboard"),
        "yes",
        "of earlier checkpoints too, as many are kept as are asked for now",
    ),
    Change(
        ("steps_per_execution", "distribution"),
        "yes",
        "weights are the same on any number of devices",
    ),
    Change(
        ("precision",),
        "but not from or to mixed_float16",
        "weights are float32 in each, but in float16 the optimizers hold the scale of the "
        "losses too",
        _scales_otherwise,
    ),
    Change(
        ("ema_momentum",),
        "from one number to another",
        "a run has an average of its generator from the first step on, or none",
        _begins_or_ends,
    ),
    Change(
        ("image_size",),
        "of v2",
        "the critic of v1 is made for one size",
        _is_v1,
    ),
    Change(
        ("preset",),
        "if its networks are the same",
        "weights are those of the checkpoint",
    ),
    Change(
        ("freeze",),
        "no",
        "the optimizers hold state of the weights alone that are trained",
        _always,
    ),
    Change(
        ("critic_width",),
        "no",
        "the weights fit no other critic",
        _always,
    ),
    Change(
        ("architecture", "width", "channels", "guided"),
        "no",
        "the weights fit no other network",
        _always,
        goes_on_as_preset=False,
    ),
)


def check_changes(before: Settings, now: Settings, preset: str) -> None:
    """Refuses settings with which a run cannot go on.

    Args:
        before: `Settings` of the run.
        now: `Settings` that it is to go on with.
        preset: str. The run's preset, from which another run may begin.

    Raises:
        ValueError: If one has changed that must not.

    Example:
    >>> import dataclasses
    >>> from keras_inpaint.training.resuming import check_changes
    >>> run = keras_inpaint.training.Settings("photos", "run", steps=10, width=8)
    >>> check_changes(run, dataclasses.replace(run, steps=20, batch_size=4), "run/preset")
    >>> check_changes(run, dataclasses.replace(run, width=16), "run/preset")
    Traceback (most recent call last):
        ...
    ValueError: A run cannot change its `width`: the weights fit no other network. ...
    """
    for change in CHANGES:
        for name in change.names:
            old, new = getattr(before, name), getattr(now, name)
            if old == new or change.is_refused is None or not change.is_refused(before, now):
                continue
            begin = f", and begin with preset={preset!r}" if change.goes_on_as_preset else ""
            advice = f"without `{name}`" if old is None else f"with {name}={old!r}"
            raise ValueError(
                f"A run cannot change its `{name}`: {change.effect}. Choose another "
                f"`output`{begin}, or go on {advice}. "
                f"Received: {name}={new!r} for {now.output!r}"
            )


def changes_table() -> str:
    """Makes the Markdown table of docs/training.md.

    Example:
    >>> from keras_inpaint.training.resuming import changes_table
    >>> changes_table().splitlines()[3]
    '| `output` | yes | the folder may be moved |'
    """
    rows = ["| setting | may change | what it means |", "|---|---|---|"]
    rows += [
        f"| {', '.join(f'`{name}`' for name in change.names)} | {change.is_allowed} "
        f"| {change.effect} |"
        for change in CHANGES
    ]
    return "\n".join(rows) + "\n"
