"""Times of several candidates, measured in turn so that what else runs disturbs all alike."""

import statistics
import time


def interleaved(candidates, rounds=15):
    """Measures candidates one after the other, many times over.

    Args:
        candidates: dict of functions without arguments, each of which finishes its work
            before it returns.
        rounds: int. How often each of them runs.

    Returns:
        dict: for each candidate the list of its times in seconds, one a round.
    """
    for candidate in candidates.values():
        candidate()
    times = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            times[name].append(time.perf_counter() - start)
    return times


def ratio(times, slow, fast):
    """The median over the rounds of one candidate's time divided by another's."""
    pairs = zip(times[slow], times[fast], strict=True)
    return statistics.median(left / right for left, right in pairs)


def milliseconds(times, name):
    """The median time of a candidate."""
    return 1000 * statistics.median(times[name])
