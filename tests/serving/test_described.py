"""What the server answers to requests that are made up from its own description."""

import threading
from contextlib import suppress

import httpx2
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from serving.fake_server import Served, check_answers_rightly

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.checks import positive_data_acceptance  # noqa: E402

# Requests of each route, always the same ones.
AS_EVER = settings(
    max_examples=20,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def address():
    """Where a server with small limits listens."""
    served = Served(max_body=2**20, max_json=2**20, max_pixels=2**16)
    server = uvicorn.Server(uvicorn.Config(served.app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.05)
    (port,) = [each.getsockname()[1] for it in server.servers for each in it.sockets]
    url = f"http://127.0.0.1:{port}"
    yield url
    # Whatever was asked before.
    check_answers_rightly(httpx2.Client(base_url=url))
    server.should_exit = True
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=str)
def test_every_answer_is_as_described(address, mode):
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 15
    # Of routes that take nothing, there is no wrong request.
    for operation in operations:

        @AS_EVER
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            # No description says which bytes are a photo.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        with suppress(Unsatisfiable):
            check()
