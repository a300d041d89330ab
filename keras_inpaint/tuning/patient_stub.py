"""Calls to a chief that may be killed and started again."""

import time
from collections.abc import Callable
from typing import Any

from keras_tuner.errors import FatalError

# Seconds, before a chief that has just gone is looked for.
_PAUSE = 1.0


class LostChiefError(FatalError, OSError):
    """The chief does not answer any more; no failure of the trial under way."""


class PatientStub:
    """Makes a worker's calls again where the chief was killed before it answered.

    For a chief that is not there yet Keras Tuner waits by itself, an hour at most.

    Args:
        stub: What gRPC makes of an address. Its methods are those of this.
    """

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # Here, as only a worker needs it.
        import grpc

        call = getattr(self._stub, name)

        def call_again(*args: Any, **kwargs: Any) -> Any:
            while True:
                try:
                    return call(*args, **kwargs)
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE:
                        raise LostChiefError(
                            "The chief does not answer. Start it again with the same words, "
                            "and then this worker, under its own name. "
                            f"Received: {error.code().name}, {error.details()}"
                        ) from error
                    time.sleep(_PAUSE)

        return call_again
