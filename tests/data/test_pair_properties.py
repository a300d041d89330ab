"""What holds of pairs whatever photos and masks are called: found by names that are made up."""

import pathlib

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_inpaint.data import find_pairs

# A folder per example: none is seen twice.
few = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# Not those that file systems or masks' names make special.
names = st.text("abcÄé漢 0123456789()+", min_size=1, max_size=8).filter(
    lambda name: name == name.strip()
)
ENDINGS = ("", "_mask", "-mask")


def pixels():
    return Image.fromarray(np.zeros((4, 4), "uint8"))


def write(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        pixels().save(folder / f"{name}.png")


@few
@given(named=st.lists(names, min_size=1, max_size=5, unique_by=str.casefold), data=st.data())
def test_each_photo_has_the_mask_of_its_name_and_others_are_named(tmp_path, named, data):
    root = tmp_path / str(len(list(tmp_path.iterdir())))
    masked = data.draw(st.lists(st.sampled_from(named), min_size=1, unique=True))
    endings = {name: data.draw(st.sampled_from(ENDINGS)) for name in masked}
    write(root / "photos", named)
    write(root / "masks", [name + ending for name, ending in endings.items()])
    pairs = find_pairs(root / "photos", root / "masks")
    found = {
        pathlib.Path(pair.photo).stem: pathlib.Path(pair.mask).stem for pair in pairs.pairs
    }
    assert found == {name: name + ending for name, ending in endings.items()}
    without = {pathlib.Path(path).stem for path in pairs.without_mask}
    assert without == set(named) - set(masked)
    assert not pairs.without_photo
