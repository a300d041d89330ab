import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import huggingface_hub
import keras
import numpy as np
import pytest
import yaml
from huggingface_hub import constants
from PIL import Image
from presets.fake_hub import FakeHub

from keras_inpaint import Inpainter, InpaintingGAN, upload_preset
from keras_inpaint.cli.main import main
from keras_inpaint.models import Generator
from keras_inpaint.presets import find_preset, read_network
from keras_inpaint.presets.model_card import hub_card
from keras_inpaint.training.building import build
from keras_inpaint.training.settings import Settings

PRESET = "hf://ada/tiny"


@pytest.fixture(scope="module")
def gan():
    return InpaintingGAN.deepfill_v2(width=4, critic_width=4, image_size=32)


@pytest.fixture(scope="module")
def whole(gan, tmp_path_factory):
    """A preset of a generator and its critic, with the files of authors."""
    folder = tmp_path_factory.mktemp("presets") / "whole"
    gan.save_to_preset(folder, {"licence": "CC0-1.0", "image_size": 32})
    (folder / "CREDITS.tsv").write_text("photo\tphotographer\n")
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """A copy to be changed, under another name than the repository's."""
    return Path(shutil.copytree(whole, tmp_path / "upload"))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub without repositories, in place of the one on the net."""
    fake = FakeHub()
    address = fake.url + "/{repo_id}/resolve/{revision}/{filename}"
    settings = {
        "ENDPOINT": fake.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": address,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": True,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_DISABLE_XET": True,
    }
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    huggingface_hub.close_session()
    yield fake
    huggingface_hub.close_session()
    fake.shut_down()


@pytest.fixture
def quick_retries(monkeypatch):
    """The library waits longer and longer before it asks a silent hub again."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def tiny(hub, folder):
    """The hub with one preset on it."""
    hub.upload("ada/tiny", folder)
    return hub


def assert_same_weights(network, other):
    for one, two in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_loaded_weights_are_the_uploaded_ones_bit_for_bit(tiny, gan):
    loaded = Inpainter.from_preset(PRESET)
    assert loaded.name == "tiny"
    assert loaded.image_size == 32
    assert_same_weights(loaded.generator, gan.generator)


def test_preset_with_a_critic_can_be_trained_further(tiny, gan):
    loaded = InpaintingGAN.from_preset(PRESET)
    assert_same_weights(loaded.generator, gan.generator)
    assert_same_weights(loaded.critic, gan.critic)


def test_run_starts_from_a_preset_of_the_hub(tiny, gan):
    settings = Settings("photos", "run", image_size=32, critic_width=4, preset=PRESET)
    told = []
    built = build(settings, told.append)
    assert_same_weights(built.generator, gan.generator)
    assert_same_weights(built.critic, gan.critic)
    assert not told


def test_files_that_are_none_of_a_preset_stay_where_they_are(tiny, folder, whole):
    (folder / "photos.zip").write_bytes(b"large")
    (folder / "old").mkdir()
    (folder / "old" / "model.weights.h5").write_bytes(b"large")
    tiny.upload("ada/tiny", folder)
    assert sorted(os.listdir(find_preset(PRESET))) == sorted(os.listdir(whole))


def test_first_load_asks_for_each_file_once(tiny, whole):
    find_preset(PRESET)
    expected = [(method, file) for method in ("HEAD", "GET") for file in os.listdir(whole)]
    assert Counter(tiny.requests) == Counter([*expected, ("GET", "tree")])


@pytest.mark.parametrize(
    "load",
    [
        Inpainter.from_preset,
        InpaintingGAN.from_preset,
        lambda preset: build(
            Settings("photos", "run", image_size=32, critic_width=4, preset=preset)
        ),
    ],
    ids=["Inpainter", "InpaintingGAN", "build"],
)
def test_second_load_asks_for_news_and_nothing_else(tiny, load):
    find_preset(PRESET)
    tiny.requests.clear()
    load(PRESET)
    assert tiny.requests == [("HEAD", "metadata.json")]


def test_news_are_fetched(tiny, folder):
    assert json.loads((find_preset(PRESET) / "metadata.json").read_text())["image_size"] == 32
    change_json(folder / "metadata.json", image_size=64)
    tiny.upload("ada/tiny", folder)
    assert json.loads((find_preset(PRESET) / "metadata.json").read_text())["image_size"] == 64


def test_one_load_is_of_one_commit_while_the_branch_moves(tiny, gan, folder, tmp_path):
    other = InpaintingGAN.deepfill_v2(width=4, critic_width=4, image_size=32)
    other.save_to_preset(tmp_path / "other")
    uploads = [tmp_path / "other", folder] * 10
    tiny.before_answer = lambda *request: tiny.upload("ada/tiny", uploads.pop())
    loaded = InpaintingGAN.from_preset(PRESET)
    is_first = np.array_equal(loaded.generator.get_weights()[0], gan.generator.get_weights()[0])
    expected = gan if is_first else other
    assert_same_weights(loaded.generator, expected.generator)
    assert_same_weights(loaded.critic, expected.critic)


@pytest.mark.parametrize("revision", ["v1", "refs/pr/1", "a-branch.of+mine"])
def test_revision_is_loaded(tiny, folder, revision):
    change_json(folder / "metadata.json", image_size=64)
    tiny.upload("ada/tiny", folder, revision)
    loaded = Inpainter.from_preset(f"{PRESET}@{revision}")
    assert (loaded.name, loaded.image_size) == ("tiny", 64)


def test_commit_in_the_cache_needs_no_request(tiny, folder):
    commit = tiny.refs["ada/tiny"]["main"]
    change_json(folder / "metadata.json", image_size=64)
    tiny.upload("ada/tiny", folder)
    first = find_preset(f"{PRESET}@{commit}")
    assert json.loads((first / "metadata.json").read_text())["image_size"] == 32
    tiny.requests.clear()
    assert find_preset(f"{PRESET}@{commit}") == first
    assert not tiny.requests


@pytest.mark.parametrize("is_told", [True, False], ids=["offline", "unreachable"])
def test_cached_preset_serves_without_the_hub(tiny, gan, monkeypatch, is_told):
    find_preset(PRESET)
    tiny.shut_down()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", is_told)
    assert_same_weights(Inpainter.from_preset(PRESET).generator, gan.generator)


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("is_told", [True, False], ids=["offline", "unreachable"])
def test_hub_out_of_reach_is_told(tiny, monkeypatch, is_told):
    tiny.shut_down()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", is_told)
    with pytest.raises(ConnectionError, match=rf"HF_HUB_OFFLINE.*preset='{PRESET}'"):
        find_preset(PRESET)


@pytest.mark.usefixtures("quick_retries")
def test_hub_that_fails_midway_is_told_and_asked_again_later(tiny, gan):
    tiny.broken.add("model.weights.h5")
    with pytest.raises(ConnectionError, match=rf"500.*preset='{PRESET}'"):
        find_preset(PRESET)
    tiny.broken.clear()
    assert_same_weights(Inpainter.from_preset(PRESET).generator, gan.generator)


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("last", ["metadata.json", "tree"])
def test_hub_that_is_lost_midway_is_told(tiny, last):
    def leave(method, file):
        # After this answer.
        tiny.is_lost = tiny.is_lost or (method, file) == ("GET", last)

    tiny.before_answer = leave
    with pytest.raises(ConnectionError, match=rf"preset='{PRESET}'"):
        find_preset(PRESET)


def test_damaged_weights_are_refused(tiny, folder):
    weights = folder / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    tiny.upload("ada/tiny", folder)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 is not the file"):
        Inpainter.from_preset(PRESET)


def test_newer_format_is_refused_before_weights_are_asked_for(tiny, folder):
    change_json(folder / "metadata.json", format_version=9, keras_inpaint_version="7.8")
    tiny.upload("ada/tiny", folder)
    with pytest.raises(ValueError, match=r"keras_inpaint 7\.8.*--upgrade.*format_version=9"):
        Inpainter.from_preset(PRESET)
    assert {file for _, file in tiny.requests} == {"metadata.json"}


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(
    ("refusal", "error", "advice"),
    [
        ((404, "RepoNotFound"), FileNotFoundError, r"Check the name.*hf auth login"),
        ((401, "RepoNotFound"), FileNotFoundError, r"Check the name.*hf auth login"),
        ((401, "GatedRepo"), PermissionError, r"/ada/tiny.*hf auth login"),
        ((403, "GatedRepo"), PermissionError, r"/ada/tiny.*hf auth login"),
        ((403, None), PermissionError, r"/ada/tiny.*hf auth login"),
        ((500, None), ConnectionError, r"500"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_refusal_is_told_with_the_way_out(tiny, refusal, error, advice):
    tiny.refusals["ada/tiny"] = refusal
    with pytest.raises(error, match=rf"{advice}.*Received: preset='{PRESET}'"):
        find_preset(PRESET)


def test_missing_repository_is_told(hub):
    with pytest.raises(FileNotFoundError, match=rf"Check the name.*preset='{PRESET}'"):
        find_preset(PRESET)


@pytest.mark.parametrize("revision", ["v9", "0" * 40], ids=["tag", "commit"])
def test_missing_revision_is_told(tiny, revision):
    with pytest.raises(FileNotFoundError, match=rf"commit.*preset='{PRESET}@{revision}'"):
        find_preset(f"{PRESET}@{revision}")


@pytest.mark.parametrize("file", ["metadata.json", "config.json"])
def test_repository_of_something_else_is_told(tiny, folder, file):
    (folder / file).unlink()
    tiny.upload("ada/tiny", folder)
    with pytest.raises(FileNotFoundError, match=rf"it has no {file}.*preset='{PRESET}'"):
        find_preset(PRESET)
    if file == "metadata.json":
        assert {asked for _, asked in tiny.requests} == {"metadata.json"}


@pytest.mark.parametrize(
    "name",
    [
        "hf://",
        "hf://ada",
        "hf://ada/",
        "hf:///tiny",
        "hf://ada/tiny/model.weights.h5",
        "hf://ada/ti ny",
        "hf://ada/../tiny",
        "hf://ada/..",
        "hf://ada/ti--ny",
        "hf://ada/ti..ny",
        "hf://ada/-tiny",
        "hf://ada/tiny.git",
        "hf://ada/größe",
        "hf://ada/" + "y" * 97,
        "hf://ada/tiny@",
        "hf://ada/tiny@../../x",
        "hf://ada/tiny@/main",
        "hf://ada/tiny@main/",
        "hf://ada/tiny@a b",
        "hf://ada/tiny@main\n",
        "hf://ada/tiny?revision=main",
    ],
)
def test_malformed_name_is_refused_before_anything_is_asked(hub, name):
    with pytest.raises(ValueError, match="hf://owner/name@revision") as refusal:
        Inpainter.from_preset(name)
    assert str(refusal.value).endswith(f"Received: preset={name!r}")
    assert not hub.requests


def test_missing_library_is_named_by_who_needs_it(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=rf"pip install 'keras-inpaint\[hub\]'.*'{PRESET}'"):
        Inpainter.from_preset(PRESET)
    assert read_network(whole)[1] == whole


@pytest.fixture
def words(tmp_path, rng):
    """The words of a command that fills a photo, but for the preset."""
    Image.fromarray(rng.integers(0, 256, (32, 32, 3)).astype("uint8")).save(
        tmp_path / "photo.png"
    )
    mask = np.zeros((32, 32), "uint8")
    mask[8:16, 8:16] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    photo, mask, output = (str(tmp_path / f"{name}.png") for name in ("photo", "mask", "out"))
    return ["inpaint", photo, "--mask", mask, "--output", output, "--preset"]


def test_command_fills_with_a_preset_of_the_hub(tiny, words, tmp_path, capfd):
    assert main([*words, PRESET]) == 0
    told = capfd.readouterr()
    assert told.out == f"{tmp_path / 'out.png'}\n"
    assert told.err == ""


@pytest.mark.parametrize(
    ("preset", "advice"), [("hf://ada/none", "Check the name"), ("hf://ada", "hf://owner/name")]
)
def test_command_tells_in_one_line_what_is_wrong(tiny, words, tmp_path, capfd, preset, advice):
    assert main([*words, preset]) == 2
    told = capfd.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert advice in told.err
    assert f"preset={preset!r}" in told.err
    assert not (tmp_path / "out.png").exists()


def test_generator_alone_is_a_preset_too(hub, tmp_path):
    generator = Generator.deepfill_v1(width=4)
    Inpainter(generator).save_to_preset(tmp_path / "alone")
    hub.upload("ada/tiny", tmp_path / "alone")
    assert_same_weights(Inpainter.from_preset(PRESET).generator, generator)


NEW = "hf://ada/new"


@pytest.fixture(scope="module")
def alone(gan, tmp_path_factory):
    """A preset of the generator alone."""
    folder = tmp_path_factory.mktemp("presets") / "alone"
    Inpainter(gan.generator).save_to_preset(folder)
    return folder


@pytest.fixture
def writer(hub, monkeypatch):
    """The hub, where whoever is logged in may write to what is ada's."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.owners["secret"] = {"ada"}
    return hub


def header(card):
    return yaml.safe_load(card.removeprefix("---\n").partition("\n---\n")[0])


def latest(hub, repository="ada/new"):
    return hub.commits[hub.refs[repository]["main"]]


def sent(hub):
    """What was asked that makes a repository, or brings a byte of the preset to it."""
    return [each for each in hub.requests if each[0] == "PUT" or each[1] == "commit"]


def test_published_preset_is_loaded_by_the_address_of_its_commit(writer, gan, folder):
    (folder / "photos.zip").write_bytes(b"large")
    address = upload_preset(NEW, folder)
    assert upload_preset(NEW, folder) == address
    assert address == f"{NEW}@{writer.refs['ada/new']['main']}"
    assert_same_weights(Inpainter.from_preset(NEW).generator, gan.generator)
    assert_same_weights(InpaintingGAN.from_preset(address).critic, gan.critic)
    # Keras's own way to read a model from the hub.
    assert_same_weights(keras.saving.load_model(NEW), gan.generator)
    files = latest(writer)
    assert set(files) == {".gitattributes", *os.listdir(folder)} - {"photos.zip"}
    assert files["CREDITS.tsv"] == (folder / "CREDITS.tsv").read_bytes()
    assert writer.private == set()


def test_card_has_the_header_of_the_hub_and_says_how_to_load_it(writer, alone):
    before = (alone / "README.md").read_bytes()
    upload_preset(NEW, alone)
    card = latest(writer)["README.md"].decode()
    assert header(card) == {
        "library_name": "keras-inpaint",
        "pipeline_tag": "image-to-image",
        "tags": ["image-inpainting", "inpainting", "keras"],
    }
    assert card.count(f'Inpainter.from_preset("{NEW}")') == 1
    assert "the path of this folder" not in card
    assert (alone / "README.md").read_bytes() == before


def test_card_of_an_author_stays_as_it_was_written():
    text = "# Mine\n\nWith *care*.\n"
    own = "---\nlicense: mit\ntags:\n- bricks\nlanguage: en\n---\n" + text
    card = hub_card(own, {"licence": "CC0-1.0"}, NEW)
    assert {"license": "mit", "tags": ["bricks"], "language": "en"}.items() <= header(
        card
    ).items()
    assert header(card)["library_name"] == "keras-inpaint"
    assert text in card
    assert card.count(f'Inpainter.from_preset("{NEW}")') == 1
    # What was downloaded may be published again.
    assert hub_card(card, {}, NEW) == card


@pytest.mark.parametrize(
    ("stated", "license"),
    [
        ("CC-BY-SA-4.0; credits in CREDITS.tsv", "cc-by-sa-4.0"),
        ("MIT", "mit"),
        ("the weights keep the licence of their source", "other"),
        (None, None),
    ],
)
def test_licence_is_called_as_the_hub_calls_it(stated, license):
    assert header(hub_card("# Mine\n", {"licence": stated}, NEW)).get("license") == license


def test_second_upload_replaces_the_first_whole(writer, folder, alone):
    upload_preset(NEW, folder)
    writer.requests.clear()
    upload_preset(NEW, alone, message="Without the critic")
    assert writer.messages == ["Upload a preset of keras_inpaint", "Without the critic"]
    assert set(latest(writer)) == {".gitattributes", *os.listdir(alone)}
    # The hub has the weights already.
    assert not [each for each in writer.requests if each[0] == "PUT"]


def test_private_preset_is_not_sent_where_everybody_sees_it(writer, alone):
    writer.upload("ada/new", alone)
    with pytest.raises(PermissionError, match=rf"is public.*private=True.*uri='{NEW}'"):
        upload_preset(NEW, alone, private=True)
    assert not sent(writer)


def test_missing_token_is_told_before_anything_is_asked(hub, alone, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(PermissionError, match=rf"hf auth login.*HF_TOKEN.*uri='{NEW}'"):
        upload_preset(NEW, alone)
    assert not hub.requests


@pytest.mark.parametrize(
    ("uri", "token", "advice"),
    [
        (NEW, "wrong", r"does not know this token.*hf auth login"),
        ("hf://bob/new", "secret", r"may not write.*no rights in the namespace bob"),
    ],
)
def test_missing_right_is_told_before_an_upload(writer, alone, monkeypatch, uri, token, advice):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(PermissionError, match=rf"{advice}.*uri='{uri}'"):
        upload_preset(uri, alone)
    assert not sent(writer)


def test_right_to_read_alone_is_told_before_an_upload(writer, alone):
    writer.upload("bob/theirs", alone)
    with pytest.raises(PermissionError, match=r"may not write.*uri='hf://bob/theirs'"):
        upload_preset("hf://bob/theirs", alone)
    assert not sent(writer)


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("is_told", [True, False], ids=["offline", "unreachable"])
def test_publishing_out_of_reach_is_told(writer, alone, monkeypatch, is_told):
    writer.shut_down()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", is_told)
    with pytest.raises(ConnectionError, match=rf"HF_HUB_OFFLINE.*uri='{NEW}'"):
        upload_preset(NEW, alone)


@pytest.mark.usefixtures("quick_retries")
def test_upload_that_fails_midway_leaves_what_was_there(writer, alone):
    writer.upload("ada/new", alone)
    before = latest(writer)
    writer.broken.add("weights")
    with pytest.raises(ConnectionError, match=rf"no commit.*500.*uri='{NEW}'"):
        upload_preset(NEW, alone)
    assert latest(writer) == before


def test_what_the_hub_says_of_the_header_is_told(writer, alone):
    writer.complaints.append('"license" must be one of [mit]')
    with pytest.raises(ValueError, match=rf'README\.md.*"license" must.*uri=\'{NEW}\''):
        upload_preset(NEW, alone)
    assert not sent(writer)


def test_header_that_is_none_is_told(writer, folder):
    (folder / "README.md").write_text("---\nlicense: [\n---\n# Mine\n")
    with pytest.raises(ValueError, match=r"README\.md.*YAML"):
        upload_preset(NEW, folder)
    assert not writer.requests


def damage(folder):
    weights = folder / "critic.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (lambda folder: (folder / "metadata.json").unlink(), r"needs the file metadata\.json"),
        (lambda folder: (folder / "config.json").unlink(), r"needs the file config\.json"),
        (lambda folder: (folder / "model.weights.h5").unlink(), r"needs the file model\.w"),
        (damage, r"critic\.weights\.h5 is not the file"),
        (shutil.rmtree, r"hf://owner/name or the name of a bundled preset"),
    ],
    ids=["metadata", "config", "weights", "damaged", "nothing"],
)
def test_what_is_no_preset_is_not_published(writer, folder, spoil, advice):
    spoil(folder)
    with pytest.raises((FileNotFoundError, ValueError), match=advice):
        upload_preset(NEW, folder)
    assert not writer.requests


@pytest.mark.parametrize("uri", ["new", "ada/new", "hf://ada", f"{NEW}@v1", "s3://ada/new"])
def test_malformed_destination_is_refused_before_anything_is_asked(writer, alone, uri):
    with pytest.raises(ValueError, match=rf"hf://owner/name.*uri='{uri}'"):
        upload_preset(uri, alone)
    assert not writer.requests


def test_command_publishes_and_prints_the_address(writer, folder, capfd):
    words = ["publish", str(folder), NEW, "--private", "--message", "The first"]
    assert main(words) == 0
    told = capfd.readouterr()
    assert told.out == f"{NEW}@{writer.refs['ada/new']['main']}\n"
    assert told.err == ""
    assert (writer.messages, writer.private) == (["The first"], {"ada/new"})


@pytest.mark.parametrize(
    ("preset", "uri", "advice"),
    [
        ("nowhere", NEW, "PRESET must be a folder, hf://owner/name or the name of a bundled"),
        (None, "new", "Received: hf://OWNER/NAME='new'"),
        (None, "hf://bob/new", "may not write"),
    ],
)
def test_publish_tells_in_one_line_what_is_wrong(writer, alone, capfd, preset, uri, advice):
    assert main(["publish", preset or str(alone), uri]) == 2
    told = capfd.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert advice in told.err
    assert not sent(writer)
