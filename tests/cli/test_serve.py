import io

import pytest

from keras_inpaint.cli.main import main
from keras_inpaint.cli.serve import KEY_VARIABLE
from keras_inpaint.serving import listening, server


@pytest.fixture
def asked(monkeypatch):
    """What the server is asked for, in place of a server."""
    calls = []
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setattr(server, "serve", lambda *arguments: calls.append(arguments))
    # Another server may run on this machine.
    monkeypatch.setattr(listening, "bound", lambda host, port: io.BytesIO())
    return calls


def test_without_options_the_bundled_preset_is_served_on_the_loopback_interface(asked):
    assert main(["serve"]) == 0
    preset, model, name, limits, key, host, port = asked[0]
    assert (preset, model, name, key) == ("photos-128", None, None, None)
    assert (host, port) == ("127.0.0.1", 8501)
    assert limits == server.Limits()


def test_limits_are_read_in_the_units_that_the_help_names(asked):
    options = "--max-body 10M --memory-limit 2G --batch-wait 20 --timeout 7.5 --max-requests 3"
    assert main(["serve", *options.split()]) == 0
    limits = asked[0][3]
    assert (limits.max_body, limits.memory) == (10 * 2**20, 2 * 2**30)
    assert (limits.batch_wait, limits.timeout, limits.max_requests) == (0.02, 7.5, 3)


def test_the_key_comes_from_the_environment_or_a_file(asked, monkeypatch, tmp_path):
    file = tmp_path / "key"
    file.write_text("secret\n")
    assert main(["serve", "--api-key-file", str(file)]) == 0
    monkeypatch.setenv(KEY_VARIABLE, "other")
    assert main(["serve"]) == 0
    assert [call[4] for call in asked] == ["secret", "other"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "tpu"], "`--device` must be cpu, gpu.*'tpu'"),
        (["--device", "gpu:99"], "There is no such device.*gpu:99"),
        (["--max-requests", "0"], "--max-requests must be at least 1.*=0"),
        (["--timeout", "inf"], "--timeout must be .*inf"),
        (["--batch-wait", "-1"], "--batch-wait must be at least 0"),
        (["--api-key-file", "missing"], "missing"),
        (["--port", "many"], "--port"),
        (["--max-body", "much"], "number of bytes.*'much'"),
        (["--address", "auto"], "--address is for the engine ray.*auto"),
        (["--max-networks", "2"], "--max-networks is for the engine ray.*2"),
        (["--engine", "ray", "--port", "0"], "--port must be one from 1 to 65535.*0"),
        (["--engine", "ray", "--device", "gpu:1"], "--device must be cpu or gpu:.*'gpu:1'"),
        (["--engine", "ray", "--max-networks", "0"], "--max-networks must be at least 1.*0"),
        (["--engine", "ray", "--preset", "none-of-this-name"], "none-of-this-name"),
    ],
)
def test_wrong_options_are_refused_before_the_model_is_loaded(asked, capsys, options, message):
    assert main(["serve", *options]) == 2
    with pytest.raises(ValueError, match=message):
        raise ValueError(capsys.readouterr().err)
    assert not asked


@pytest.mark.parametrize("key", ["", "two words", "ключ", "line\nline"])
def test_a_key_that_no_header_carries_is_refused_without_being_shown(key):
    with pytest.raises(ValueError, match="letters, digits and signs") as refusal:
        listening.read_key(key, None)
    assert not key or key not in str(refusal.value)


def test_two_keys_are_one_too_many(tmp_path):
    with pytest.raises(ValueError, match="not from both"):
        listening.read_key("one", tmp_path / "key")


@pytest.mark.parametrize("address", [("127.0.0.1", 99999), ("no.such.host.invalid", 8501)])
def test_an_address_that_cannot_be_listened_on_is_named(address):
    host, port = address
    with pytest.raises(OSError, match=f"cannot listen.*{host}:{port}"):
        server.serve(host=host, port=port)


def test_a_folder_without_versions_is_no_model(tmp_path):
    with pytest.raises(ValueError, match=r"versions such as 1.*keras-inpaint export"):
        server.create_app(model=tmp_path)
