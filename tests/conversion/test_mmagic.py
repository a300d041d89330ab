"""MMagic's state dicts land where MMagic uses them, whatever the order of their layers."""

import numpy as np
import pytest
from conversion.sources import write_pytorch

import keras_inpaint as ki
from keras_inpaint.conversion.networks import generator_weights, make_generator
from keras_inpaint.conversion.reading import read_source
from keras_inpaint.presets import read_metadata, read_network

torch = pytest.importorskip("torch")
functional = torch.nn.functional

# Of MMagic's configurations: filters in units of a quarter of the widest, kernel sizes.
STAGE1 = [(1, 5), (2, 3), (2, 3), (4, 3), (4, 3), (4, 3)]
ATTENTION = [(1, 5), (1, 3), (2, 3), (4, 3), (4, 3), (4, 3)]
DILATED = [(1, 5), (1, 3), (2, 3), (2, 3), (4, 3), (4, 3)]
NECK, AFTER = [(4, 3)] * 4, [(4, 3)] * 2
DECODER = [(4, 3), (4, 3), (2, 3), (2, 3), (1, 3), (0.5, 3), (None, 3)]
# In the order of the file, which is not that in which pictures pass the layers.
BLOCKS = [
    ("stage1.encoder.enc{}", STAGE1, 1),
    ("stage1.dilation_neck.dilation_convs.{}", NECK, 0),
    ("stage1.decoder.dec{}", DECODER, 1),
    ("stage2.encoder_attention.enc{}", ATTENTION, 1),
    ("stage2.encoder_conv.enc{}", DILATED, 1),
    ("stage2.contextual_attention_neck.conv{}", AFTER, 1),
    ("stage2.dilation_neck.dilation_convs.{}", NECK, 0),
    ("stage2.decoder.dec{}", DECODER, 1),
]
# Ours, block by block as above.
OURS = [
    *("conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6"),
    *(f"conv{index}_atrous" for index in range(7, 11)),
    *("conv11", "conv12", "conv13_upsample", "conv14", "conv15_upsample", "conv16", "conv17"),
    *("pmconv1", "pmconv2_downsample", "pmconv3", "pmconv4_downsample", "pmconv5", "pmconv6"),
    *("xconv1", "xconv2_downsample", "xconv3", "xconv4_downsample", "xconv5", "xconv6"),
    *("pmconv9", "pmconv10"),
    *(f"xconv{index}_atrous" for index in range(7, 11)),
    *("allconv11", "allconv12", "allconv13_upsample", "allconv14", "allconv15_upsample"),
    *("allconv16", "allconv17"),
]


def mmagic_state(rng, gated, width=8, gated_output=True):
    """A state dict as MMagic's networks have it: widths of channels, not of filters."""
    state = {}
    copies, decoder_width = (2, width * 4 // 3) if gated else (1, width)
    channels = 5
    for block, layers, first in BLOCKS:
        if "enc" in block and "decoder" not in block:
            channels = 5
        elif "stage2.decoder" in block:
            channels = 8 * width
        else:
            channels = 4 * width
        base = decoder_width if "stage2.decoder" in block else width
        for index, (multiple, size) in enumerate(layers, start=first):
            outputs = 3 if multiple is None else int(multiple * base)
            filters = outputs * (copies if multiple or gated_output else 1)
            name = f"generator.{block.format(index)}.conv"
            name = f"{name}.conv" if gated and filters != outputs else name
            kernel = rng.normal(size=(filters, channels, size, size))
            state[f"{name}.weight"] = (kernel / np.sqrt(channels) / size).astype("float32")
            state[f"{name}.bias"] = rng.normal(size=filters).astype("float32")
            channels = outputs
    state["disc.conv1.conv.weight_orig"] = np.zeros((8, 4, 5, 5), "float32")
    return state


def write_state(folder, state):
    content = {"meta": {"iter": 7}, "state_dict": state}
    return write_pytorch(folder / "iter_500000.pth", content)


@pytest.fixture(scope="module", params=[False, True], ids=["v1", "v2"])
def converted(request, tmp_path_factory):
    """Whether it is gated, a state dict, the preset made of it, and what was reported."""
    folder, told = tmp_path_factory.mktemp("mmagic"), []
    state = mmagic_state(np.random.default_rng(5), request.param)
    source = write_state(folder, state)
    preset = ki.convert(source, folder / "preset", "rgb", report=told.append)
    return request.param, state, preset, told


def test_each_layer_lands_where_it_is_used(converted):
    gated, state, preset, told = converted
    generator, _ = read_network(preset)
    theirs = [name for name in state if name.endswith(".weight")]
    assert len(theirs) == len(OURS)
    weights = generator_weights(generator)
    for ours, name in zip(OURS, theirs, strict=True):
        expected = state[name].transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(weights[f"{ours}/kernel"], expected, err_msg=name)
        bias = state[name.replace("weight", "bias")]
        np.testing.assert_array_equal(weights[f"{ours}/bias"], bias, err_msg=name)
    assert told[0].startswith("iter_500000.pth is a state dict of MMagic (MMEditing): ")
    assert "Left out: meta, state_dict.disc." in told
    assert "(state_dict.generator)" in read_metadata(preset)["converted_from"]
    assert generator.padding == "reflect"
    assert generator.decoder_width == (20 if gated else None)
    assert generator.gated_output == gated


def test_order_in_the_file_does_not_matter(rng, tmp_path):
    state = mmagic_state(rng, gated=False)
    shuffled = {str(name): state[name] for name in rng.permutation(list(state))}
    first = read_source(write_state(tmp_path / "first", state)).weights
    second = read_source(write_state(tmp_path / "second", shuffled)).weights
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_colours_are_taken_for_blue_first(rng, tmp_path):
    state, told = mmagic_state(rng, gated=True), []
    ki.convert(write_state(tmp_path, state), tmp_path / "preset", report=told.append)
    assert any("is taken for BGR" in line for line in told)
    weights = generator_weights(read_network(tmp_path / "preset")[0])
    kernel = state["generator.stage1.encoder.enc1.conv.conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(weights["conv1/kernel"], kernel[:, :, [2, 1, 0, 3, 4]])
    # Features and gates, each of three colours.
    bias = state["generator.stage2.decoder.dec7.conv.conv.bias"]
    np.testing.assert_array_equal(weights["allconv17/bias"], bias[[2, 1, 0, 5, 4, 3]])


class Naive:
    """MMagic's networks layer by layer, with PyTorch's own operations."""

    def __init__(self, state, gated):
        self.state, self.gated = state, gated

    def conv(self, name, inputs, stride=1, dilation=1, is_last=False):
        start = f"generator.{name}."
        stem = next(each for each in self.state if each.startswith(start))
        stem = stem.rpartition(".")[0]
        kernel, bias = (torch.tensor(self.state[f"{stem}.{w}"]) for w in ("weight", "bias"))
        margin = dilation * (kernel.shape[-1] // 2)
        padded = functional.pad(inputs, (margin,) * 4, mode="reflect")
        outputs = functional.conv2d(padded, kernel, bias, stride, dilation=dilation)
        activation = (lambda features: features) if is_last else functional.elu
        if not self.gated:
            return activation(outputs)
        features, gates = outputs.chunk(2, dim=1)
        return activation(features) * torch.sigmoid(gates)

    def encoder(self, name, inputs):
        for index, stride in enumerate((1, 2, 1, 2, 1, 1), start=1):
            inputs = self.conv(f"{name}.enc{index}", inputs, stride)
        return inputs

    def neck(self, stage, inputs):
        for index in range(4):
            name = f"{stage}.dilation_neck.dilation_convs.{index}"
            inputs = self.conv(name, inputs, dilation=2 ** (index + 1))
        return inputs

    def decoder(self, stage, inputs):
        for index in range(1, 8):
            if index in (3, 5):
                inputs = functional.interpolate(inputs, scale_factor=2)
            inputs = self.conv(f"{stage}.decoder.dec{index}", inputs, is_last=index == 7)
        return torch.tanh(inputs) if self.gated else inputs.clip(-1, 1)

    def __call__(self, corrupted, masks, attention):
        ones = torch.ones_like(masks)
        inputs = torch.cat([corrupted, ones, masks], dim=1)
        coarse = self.neck("stage1", self.encoder("stage1.encoder", inputs))
        coarse = self.decoder("stage1", coarse)
        inputs = torch.cat([torch.where(masks > 0, coarse, corrupted), ones, masks], dim=1)
        dilated = self.neck("stage2", self.encoder("stage2.encoder_conv", inputs))
        copied = attention(self.encoder("stage2.encoder_attention", inputs))
        for index in (1, 2):
            copied = self.conv(f"stage2.contextual_attention_neck.conv{index}", copied)
        return coarse, self.decoder("stage2", torch.cat([dilated, copied], dim=1))


def test_outputs_are_those_of_the_layers_one_by_one(rng, converted):
    gated, state, preset, _ = converted
    generator, _ = read_network(preset)
    images = rng.uniform(-1, 1, (1, 72, 80, 3)).astype("float32")
    masks = np.zeros((1, 72, 80, 1), "float32")
    masks[:, 16:40, 24:56] = 1
    corrupted = images * (1 - masks)
    outputs = generator({"corrupted": corrupted, "masks": masks})

    def attention(features):
        # What is compared here is the convolutions around it.
        layer = generator.refine_network.attention
        copied = layer(features.numpy().transpose(0, 2, 3, 1), masks)["features"]
        return torch.tensor(np.array(copied).transpose(0, 3, 1, 2))

    inputs = (torch.tensor(each.transpose(0, 3, 1, 2)) for each in (corrupted, masks))
    theirs = Naive(state, gated)(*inputs, attention)
    for name, expected in zip(("coarse", "refined"), theirs, strict=True):
        expected = expected.numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(outputs[name], expected, atol=2e-4, err_msg=name)
    assert np.abs(np.array(outputs["refined"])).mean() > 0.05


def test_plain_output_of_v2_is_seen_from_its_size(rng, tmp_path):
    state = mmagic_state(rng, gated=True, gated_output=False)
    source = read_source(write_state(tmp_path, state))
    generator = make_generator(source.weights, "mmagic", source.layout.spell)
    assert (generator.gated, generator.gated_output) == (True, False)


def test_one_of_two_averages_is_selected(rng, tmp_path):
    state = mmagic_state(rng, gated=False)
    other = {name.replace("generator.", "generator_ema."): 2 * state[name] for name in state}
    path = write_state(tmp_path, {**state, **other})
    with pytest.raises(ValueError, match=r"--select NAME.*state_dict\.generator, .*_ema"):
        read_source(path)
    source = read_source(path, "generator_ema")
    bias = state["generator.stage2.decoder.dec6.conv.bias"]
    np.testing.assert_array_equal(source.weights["allconv16/bias"], 2 * bias)
    assert source.left_out == ["meta", "state_dict.disc", "state_dict.generator"]
