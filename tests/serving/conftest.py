import pytest
from serving.fake_server import Served


@pytest.fixture
def serve():
    """Makes servers, and ends them."""
    started = []

    def start(**options):
        served = Served(**options)
        served.client.__enter__()
        started.append(served)
        return served

    yield start
    for served in started:
        served.generator.may_go.set()
        served.client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def served():
    served = Served()
    with served.client:
        yield served


@pytest.fixture(scope="module")
def client(served):
    return served.client
