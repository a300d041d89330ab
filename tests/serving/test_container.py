"""The Dockerfile and the compose file, held against the command, the server and setup.cfg."""

import configparser
import json
import pathlib
import re
from urllib.parse import urlsplit

import pytest
from serving.fake_server import Served

from keras_inpaint.cli.main import _parser
from keras_inpaint.serving import Limits

yaml = pytest.importorskip("yaml")

ROOT = pathlib.Path(__file__).parents[2]
DOCKER = ROOT / "docker"
KEY = "secret"


@pytest.fixture(scope="module")
def steps():
    """The Dockerfile's instructions, those of several lines as one: pairs of word and rest."""
    text = (DOCKER / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]


def of(steps, word):
    return [rest for name, rest in steps if name == word]


@pytest.fixture(scope="module")
def arguments(steps, services):
    """What the command line makes of the container's command."""
    (entry,) = of(steps, "ENTRYPOINT")
    command = [*json.loads(entry), *services["server"]["command"]]
    assert command[0] == "keras-inpaint"
    return _parser().parse_args(command[1:])


def test_the_container_runs_the_command(arguments):
    assert arguments.host == "0.0.0.0"
    assert arguments.memory_limit == 4 * 2**30


def test_what_is_copied_is_there_and_not_ignored(steps):
    kept = (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    sources = [source for rest in of(steps, "COPY") for source in rest.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in kept


def test_extras_exist_and_hold_the_server(steps):
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    (extras,) = re.findall(r'pip install .*"\.\[([\w,]+)\]"', " ".join(of(steps, "RUN")))
    assert set(extras.split(",")) <= set(settings["options.extras_require"])
    assert "serving" in extras.split(",")


def test_ports_are_those_of_the_server_and_published_on_loopback(steps, services, arguments):
    port = str(arguments.port)
    assert of(steps, "EXPOSE") == [port]
    assert services["server"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert [each["static_configs"] for each in scraped] == [[{"targets": [f"server:{port}"]}]]


def test_probe_and_prometheus_are_answered(steps, services, arguments):
    secret = services["server"]["secrets"][0]
    assert str(arguments.api_key_file) == f"/run/secrets/{secret}"
    (scraped,) = yaml.safe_load((DOCKER / "prometheus.yml").read_text("utf-8"))[
        "scrape_configs"
    ]
    assert scraped["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert secret in services["prometheus"]["secrets"]
    (probe,) = re.findall(r"urlopen\('([^']+)'\)", *of(steps, "HEALTHCHECK"))
    assert urlsplit(probe).port == arguments.port
    served = Served(key=KEY)
    with served.client as client:
        assert client.get(urlsplit(probe).path).status_code == 200
        path = scraped.get("metrics_path", "/metrics")
        assert client.get(path).status_code == 401
        answer = client.get(path, headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status_code == 200
        assert "keras_inpaint" in answer.text


def test_requests_under_way_have_time_to_end(services):
    (seconds,) = re.fullmatch(r"(\d+)s", services["server"]["stop_grace_period"]).groups()
    assert int(seconds) >= Limits().timeout + 30


def test_the_key_is_no_part_of_the_repository(services):
    secrets = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["secrets"]
    (path,) = [each["file"] for each in secrets.values()]
    assert f"docker/{path.removeprefix('./')}" in (ROOT / ".gitignore").read_text().split()
