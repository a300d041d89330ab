"""Between which values a search draws one number."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class SearchRange:
    """Between which values a search draws one number, how, and why there.

    Args:
        name: str. A loss weight, or a setting of `keras_inpaint.training.Settings`.
        low: float. The least value.
        high: float. The greatest value.
        default: float. What the settings say; the first trial's value.
        reason: str. Why the range ends where it does.
        sampling: `"log"`: every factor is as likely as any other, `"linear"`: every value,
            or `"choice"`: one of `choices`.
        choices: tuple of ints, for `"choice"`.

    Example:
    >>> import keras_tuner
    >>> from keras_inpaint.tuning.search_range import SearchRange
    >>> hole = SearchRange("hole", 0.12, 12.0, default=1.2, reason="a decade either way")
    >>> hole.draw(keras_tuner.HyperParameters())
    1.2
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
