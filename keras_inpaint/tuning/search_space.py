"""The search space: which settings are searched for, and between which values."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.training.settings import Settings

_OBJECTIVES: dict[str, Any] = {
    "deepfill_v1": WassersteinObjective,
    "deepfill_v2": HingeObjective,
}
# Of everything that has a range of a decade either way.
_DECADE = 10.0
_WEIGHT_REASONS = {
    "hole": "beyond a decade, one term is all that is learned",
    "known": "known pixels are pasted back: their term only guides, and may be light",
    "adversarial": "the floor: pixel metrics reward 0, below a tenth the critic has no say",
    "coarse": "too light, the second network refines noise; too heavy, it is not trained",
    "global_critic": "beyond a decade, one of the two critics is all that counts",
    "gradient_penalty": "below 1 critics run away, above 100 they learn nothing else",
}


@dataclasses.dataclass(frozen=True)
class SearchRange:
    """The values between which a search draws one setting, and why these.

    Args:
        name: str. A loss weight, or a setting of `keras_inpaint.training.Settings`.
        low: float. The least value.
        high: float. The greatest value.
        default: float. The value of the settings; the first trial's.
        reason: str. Why the range ends there.
        sampling: `"log"`: every factor is equally likely, `"linear"`: every value, or
            `"choice"`: one of `choices`.
        choices: tuple of ints, for `"choice"`.

    Example:
    >>> import keras_tuner
    >>> settings = keras_inpaint.training.Settings("photos", "search")
    >>> (hole,) = keras_inpaint.tuning.search_ranges(settings, ["hole"])
    >>> hole.draw(keras_tuner.HyperParameters())
    1.0
    """

    name: str
    low: float
    high: float
    default: float
    reason: str
    sampling: str = "log"
    choices: tuple[int, ...] = ()

    def draw(self, hp: Any) -> Any:
        """Asks for the value of a trial.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Returns:
            float, or int for one of `choices`.
        """
        if self.sampling == "choice":
            nearest = min(self.choices, key=lambda choice: abs(choice - self.default))
            return hp.Choice(self.name, list(self.choices), default=nearest)
        default = min(max(self.default, self.low), self.high)
        return hp.Float(self.name, self.low, self.high, sampling=self.sampling, default=default)


def search_ranges(
    settings: Settings,
    names: Sequence[str] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    floor_adversarial: bool = True,
) -> list[SearchRange]:
    """Returns the range of each setting that is searched for.

    A weight's range is a decade either way of its value in the settings, on a logarithmic
    scale: weights count by their ratios. A weight that the objective does not use, or that
    the settings turn off with 0, is not searched for.

    Args:
        settings: `Settings`. The centre of the search.
        names: Sequence of str. What to search for; the loss weights unless given. Besides
            these, `"learning_rate"`, `"critic_learning_rate"`, `"critic_steps"`, for v1
            `"gamma"` and for v2 `"box_share"`.
        bounds: dict of names and pairs of the least and the greatest value, instead of
            the usual ones.
        floor_adversarial: bool. Whether the weight of the critic may not be searched for
            below a tenth of its value in the settings.

    Returns:
        List of `SearchRange`, in the order of `names`.

    Raises:
        ValueError: If a name is unknown or makes no sense with these settings, or bounds
            are none.

    Example:
    >>> settings = keras_inpaint.training.Settings("photos", "search")
    >>> for each in keras_inpaint.tuning.search_ranges(settings, ["adversarial"]):
    ...     each.low, each.high
    (0.1, 10.0)
    """
    offered = {**_weight_ranges(settings), **_OTHERS}
    if names is None:
        names = list(_weight_ranges(settings))
    unknown = sorted(set(names) - set(offered))
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"With these settings, one can search for {', '.join(offered)}, each once. "
            f"Received: {', '.join(unknown or names) or 'nothing'}"
        )
    strangers = sorted(set(bounds or {}) - set(names))
    if strangers:
        raise ValueError(
            f"Bounds are for what is searched for: {', '.join(names)}. "
            f"Received: bounds of {', '.join(strangers)}"
        )
    ranges = []
    for name in names:
        low, high = _checked(name, (bounds or {}).get(name))
        each = offered[name](settings, low, high)
        if name == "adversarial" and floor_adversarial:
            _check_floor(each)
        ranges.append(each)
    return ranges


_Make = Callable[[Settings, float | None, float | None], SearchRange]


def _weight_ranges(settings: Settings) -> dict[str, _Make]:
    def maker(name: str, weight: float) -> _Make:
        return lambda settings, low, high: _around(name, weight, low, high)

    objective = _OBJECTIVES[settings.architecture]()
    weights = objective.default_weights.replaced(settings.loss_weights).get_config()
    return {
        name: maker(name, weights[name]) for name in objective.weight_names if weights[name]
    }


def _around(
    name: str, value: float, low: float | None, high: float | None, reason: str | None = None
) -> SearchRange:
    return SearchRange(
        name,
        value / _DECADE if low is None else low,
        value * _DECADE if high is None else high,
        default=value,
        reason=reason or _WEIGHT_REASONS[name],
    )


def _learning_rate(settings: Settings, low: float | None, high: float | None) -> SearchRange:
    reason = (
        "above, Adam's steps make adversarial training diverge; below, trials are too short"
    )
    return _around("learning_rate", settings.learning_rate, low, high, reason)


def _critic_rate(settings: Settings, low: float | None, high: float | None) -> SearchRange:
    rate = settings.critic_learning_rate or settings.learning_rate
    reason = "a decade slower or faster than the generator, either side wins outright"
    return _around("critic_learning_rate", rate, low, high, reason)


def _critic_steps(settings: Settings, low: float | None, high: float | None) -> SearchRange:
    low, high = 1 if low is None else low, 5 if high is None else high
    choices = tuple(
        number
        for number in range(max(1, math.ceil(low)), math.floor(high) + 1)
        if settings.batch_size % number == 0
    )
    if not choices or not settings.critic_steps:
        raise ValueError(
            "`critic_steps` is searched for among the divisors of the batch's size, where the "
            "settings have a critic. Choose other bounds or another batch size. Received: "
            f"bounds from {low} to {high}, batch_size={settings.batch_size}, "
            f"critic_steps={settings.critic_steps}"
        )
    reason = "the paper of v1 has five, that of v2 one; they must divide the batch"
    return SearchRange(
        "critic_steps", low, high, settings.critic_steps, reason, "choice", choices
    )


def _gamma(settings: Settings, low: float | None, high: float | None) -> SearchRange:
    if settings.architecture != "deepfill_v1":
        raise ValueError(
            "`gamma` discounts the hole's loss of v1; v2 has none. Leave it out, or search "
            f"with deepfill_v1. Received: architecture={settings.architecture!r}"
        )
    objective: Any = WassersteinObjective(gamma=settings.gamma)
    low, high = 0.9 if low is None else low, 0.999 if high is None else high
    if high > 1:
        raise ValueError(f"`gamma` is at most 1. Received: bounds up to {high}")
    reason = "the published code has 0.9, the paper 0.99; above 0.999 nothing is discounted"
    return SearchRange("gamma", low, high, objective.gamma, reason, "linear")


def _box_share(settings: Settings, low: float | None, high: float | None) -> SearchRange:
    if settings.architecture != "deepfill_v2" or settings.masks is not None:
        raise ValueError(
            "`box_share` is of the holes that v2 draws. Leave it out where masks are files, "
            f"and for v1. Received: architecture={settings.architecture!r}, "
            f"masks={settings.masks!r}"
        )
    low, high = 0.0 if low is None else low, 1.0 if high is None else high
    if high > 1:
        raise ValueError(f"`box_share` is at most 1. Received: bounds up to {high}")
    share = 0.5 if settings.box_share is None else settings.box_share
    reason = "all strokes to all boxes; the holes of validation stay as they are"
    return SearchRange("box_share", low, high, share, reason, "linear")


_OTHERS: dict[str, _Make] = {
    "learning_rate": _learning_rate,
    "critic_learning_rate": _critic_rate,
    "critic_steps": _critic_steps,
    "gamma": _gamma,
    "box_share": _box_share,
}


def _checked(
    name: str, bounds: tuple[float, float] | None
) -> tuple[float | None, float | None]:
    if bounds is None:
        return None, None
    low, high = bounds
    # A logarithmic scale has no 0; a comparison with NaN is false.
    if not 0 < low < high < math.inf:
        raise ValueError(
            "Bounds must be two numbers above 0, the lower one first. To turn a weight off, "
            f"set it to 0 in the settings. Received: {name}={low:g}:{high:g}"
        )
    return low, high


def _check_floor(adversarial: SearchRange) -> None:
    floor = adversarial.default / _DECADE
    # The floor is a quotient, and its last bit no reason to complain.
    if adversarial.low < floor * (1 - 1e-9):
        raise ValueError(
            "A metric of pixels rewards a critic without a say. Search for `adversarial` "
            f"from {floor:g} up, or for the best `val_perceptual`. "
            f"Received: adversarial={adversarial.low:g}:{adversarial.high:g}"
        )
