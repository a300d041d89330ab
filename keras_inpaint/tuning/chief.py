"""Handing out the trials of a search to its workers."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keras_inpaint.tuning.roles import chief_address

# Seconds, between two looks at whether the search has ended.
_PAUSE = 1.0
# Seconds that the last answer may take on its way.
_GRACE = 30.0


def hand_out_trials(oracle: Any) -> None:
    """Answers workers until all trials are done and each worker knows it.

    In place of Keras Tuner's own loop, which waits for ever where the oracle's files cannot be
    written: the error goes to the worker that asked, and the lock stays locked.

    Args:
        oracle: What `make_oracle` returns.

    Raises:
        OSError: If there is no place to listen at, or the state of the search cannot be
            written.
    """
    # Here, as only a chief needs them.
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    # One thread: what Keras Tuner locks is asked for one after the other anyway.
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(chief_address())
    except RuntimeError as error:
        raise OSError(
            "A chief must be able to listen at KERASTUNER_ORACLE_IP, an address of its own "
            f"machine, and KERASTUNER_ORACLE_PORT, a free port. Received: {error}"
        ) from error
    server.start()
    try:
        while not servicer.stop_triggered or oracle.ongoing_trials or oracle.tuner_ids:
            if oracle.failure is not None:
                raise oracle.failure
            time.sleep(_PAUSE)
    finally:
        server.stop(_GRACE).wait()
