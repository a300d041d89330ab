"""Whether a process is chief, worker or alone: what the environment says."""

import os


def is_worker() -> bool:
    """Whether the environment makes this process a worker of another one's search.

    Raises:
        ValueError: If it says so in part only.
    """
    names = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
    missing = [name for name in names if not os.environ.get(name)]
    if "KERASTUNER_ORACLE_IP" in missing:
        return False
    if missing:
        raise ValueError(
            f"A chief and its workers are told {', '.join(names)}. Set all three, or none to "
            f"search in one process. Received: no {', '.join(missing)}"
        )
    return "chief" not in os.environ["KERASTUNER_TUNER_ID"]


def is_chief() -> bool:
    """Whether the environment makes this process one that hands out trials to others.

    Raises:
        ValueError: If it says so in part only.
    """
    return bool(os.environ.get("KERASTUNER_ORACLE_IP")) and not is_worker()


def chief_address() -> str:
    """Where the environment says that the chief listens."""
    names = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
    return ":".join(os.environ[name] for name in names)
