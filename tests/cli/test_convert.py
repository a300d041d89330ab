import pytest
from conversion.sources import stripped, write_pytorch
from reference.published import port_state

from keras_inpaint import Inpainter
from keras_inpaint.cli.main import main

pytest.importorskip("torch")


@pytest.fixture
def source(tmp_path):
    """The port's generator."""
    return write_pytorch(tmp_path / "gen_1.pt", stripped(port_state("netG"), "netG."))


def test_weights_become_a_preset(source, tmp_path, capfd):
    preset = tmp_path / "preset"
    words = ["convert", str(source), str(preset), "--channel-order", "rgb"]
    assert main(words) == 0
    told = capfd.readouterr()
    assert told.out == f"{preset}\n"
    assert "gen_1.pt is a state dict of the PyTorch port of v1: v1, width 4." in told.err
    assert Inpainter.from_preset(preset).generator.width == 4
    assert main(words) == 2
    assert "--replace" in capfd.readouterr().err
    assert main([*words, "--replace"]) == 0


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("none.pt", None, "does not exist"),
        ("photo.jpg", b"jpeg", "another file"),
        ("gen_1.pt", b"PK\x03\x04", "damaged"),
    ],
)
def test_what_cannot_be_converted_is_told_in_one_line(tmp_path, capfd, name, content, advice):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["convert", str(tmp_path / name), str(tmp_path / "preset")]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.startswith("keras-inpaint: ")
    assert told.err.count("\n") == 1
    assert advice in told.err
    assert not (tmp_path / "preset").exists()


def test_channel_order_is_one_of_two(source, tmp_path, capfd):
    words = ["convert", str(source), str(tmp_path / "preset"), "--channel-order", "grb"]
    assert main(words) == 2
    assert "--channel-order" in capfd.readouterr().err
