"""Photos and masks find each other as a person would pair them."""

import os
import unicodedata

import pytest
from PIL import Image

from keras_inpaint.data import find_pairs


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Puts pictures below an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def put(*names):
        for name in names:
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            # By content: not all of the names tell what they are.
            Image.new("L", (4, 3)).save(name, "PNG")

    return put


def paired(*args, **options):
    """The pairs, masks by photos, and the names of those without a partner."""
    found = find_pairs(*args, **options)
    return (
        {photo: mask for photo, mask, _ in found.pairs},
        sorted([*found.without_mask, *found.without_photo]),
    )


NAMES = {
    "same name": ("a.jpg", "a.png"),
    "same name and suffix": ("a.png", "a.png"),
    "other case of the suffix": ("a.JPG", "a.PNG"),
    "other case": ("IMG_1.JPG", "img_1.png"),
    "photo's suffix kept": ("a.jpg", "a.jpg.png"),
    "_mask": ("a.jpg", "a_mask.png"),
    "_MASK": ("a.jpg", "a_MASK.png"),
    "-mask": ("a.jpg", "a-mask.png"),
    "_mask001": ("a.jpg", "a_mask001.png"),
    "_mask_01": ("a.jpg", "a_mask_01.png"),
    "space": ("a b.jpg", "a b mask.png"),
    "space and number": ("a.jpg", "a mask (2).png"),
    ".mask": ("a.jpg", "a.mask.png"),
    "after the suffix": ("a.jpg", "a.jpg_mask.png"),
    "accents": (
        unicodedata.normalize("NFC", "caf\u00e9.jpg"),
        unicodedata.normalize("NFD", "caf\u00e9_mask.png"),
    ),
    "accents, other way round": (
        unicodedata.normalize("NFD", "caf\u00e9.jpg"),
        unicodedata.normalize("NFC", "caf\u00e9.png"),
    ),
    "brackets": ("a[1].jpg", "a[1]_mask.png"),
    "bytes that are no text": (os.fsdecode(b"\xff.jpg"), os.fsdecode(b"\xff_mask.png")),
    "another kind of file": ("a.jfif", "a.gif"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_mask_in_a_folder_of_masks_is_found_by_its_name(put, kind):
    photo, mask = NAMES[kind]
    put(f"photos/{photo}", f"masks/{mask}", "photos/other.png", "masks/other.png")
    pairs, alone = paired("photos", "masks")
    assert pairs[f"photos/{photo}"] == f"masks/{mask}"
    assert len(pairs) == 2
    assert alone == []


@pytest.mark.parametrize("kind", [kind for kind in NAMES if "mask" in NAMES[kind][1].lower()])
def test_a_mask_beside_its_photo_is_found_by_its_ending(put, kind):
    photo, mask = NAMES[kind]
    put(f"both/{photo}", f"both/{mask}")
    for args in (("both",), ("both", "both"), ("both/", "./both"), (f"both/{photo}",)):
        assert list(paired(*args)[0].values()) in ([f"both/{mask}"], [f"both//{mask}"])


def test_a_photo_is_never_its_own_mask(put):
    put("both/a.png", "both/b.png", "both/b_mask.png")
    assert paired("both", "both") == ({"both/b.png": "both/b_mask.png"}, ["both/a.png"])
    # As a list, and however its paths are written.
    photos = ["both/a.png", "both/b.png"]
    for masks in (
        "both",
        "./both",
        os.path.abspath("both"),
        ["./both/a.png", "both/b_mask.png"],
    ):
        assert list(paired(photos, masks)[0]) == ["both/b.png"]
    os.symlink("both", "link")
    assert list(paired(photos, "link")[0]) == ["both/b.png"]
    assert paired("both", "link")[0] == {"both/b.png": "both/b_mask.png"}
    for mask in ("both/a.png", "link/a.png"):
        with pytest.raises(ValueError, match=r"never its own mask.*`mask_from_alpha`"):
            find_pairs("both/a.png", mask)
    with pytest.raises(ValueError, match="No photo has a mask"):
        find_pairs("both/a.png")


def test_a_mask_in_the_folder_of_photos_is_no_photo(put):
    put("photos/a.png", "photos/a_mask.png", "masks/a.png", "mask.png")
    found = find_pairs("photos", "masks")
    assert [pair.name for pair in found.pairs] == ["a.png"]
    assert list(found.left_out.values()) == [["photos/a_mask.png"]]
    found = find_pairs("photos", "mask.png")
    assert [tuple(pair) for pair in found.pairs] == [("photos/a.png", "mask.png", "a.png")]


def test_one_mask_goes_with_all_photos_but_itself(put):
    put("photos/a.png", "photos/deep/b.jpg", "photos/mask.png")
    pairs, alone = paired("photos", "photos/mask.png")
    assert pairs == dict.fromkeys(["photos/a.png", "photos/deep/b.jpg"], "photos/mask.png")
    assert alone == []
    assert len(find_pairs(["photos/a.png", "photos/deep/b.jpg"], "photos/mask.png").pairs) == 2


def test_folders_below_are_paired_and_named_by_their_paths(put):
    put("photos/x/1.png", "photos/y/1.png", "masks/x/1.png", "masks/y/1.png")
    found = find_pairs("photos", "masks")
    assert [pair.name for pair in found.pairs] == ["x/1.png", "y/1.png"]
    assert [pair.mask for pair in found.pairs] == ["masks/x/1.png", "masks/y/1.png"]


def test_masks_in_one_folder_serve_photos_in_several(put):
    put("photos/x/1.png", "photos/y/2.png", "masks/1.png", "masks/2_mask.png")
    assert len(paired("photos", "masks")[0]) == 2


def test_a_mask_that_could_be_of_photos_in_several_folders_is_of_none(put):
    put("photos/x/1.png", "photos/y/1.png", "photos/2.png", "masks/1.png", "masks/2.png")
    found = find_pairs("photos", "masks")
    assert [pair.name for pair in found.pairs] == ["2.png"]
    reasons = set(found.without_mask.values())
    assert reasons == {"photos of several folders have its name, and one mask (1.png)"}


def test_one_photo_in_two_formats_has_one_mask(put):
    put("photos/a.jpg", "photos/a.png", "masks/a.png")
    assert paired("photos", "masks")[0] == dict.fromkeys(
        ["photos/a.jpg", "photos/a.png"], "masks/a.png"
    )


def test_of_masks_of_one_name_the_one_of_the_photos_suffix_is_taken_or_none(put):
    put("photos/a.png", "masks/a.png", "masks/a.bmp")
    assert paired("photos", "masks")[0] == {"photos/a.png": "masks/a.png"}
    put("photos/b.png", "masks/b_mask.png", "masks/b_mask.bmp")
    put("photos/c.png", "masks/x/c.png", "masks/y/c.png")
    found = find_pairs("photos", "masks")
    assert found.without_mask == {
        "photos/b.png": "it has several masks of one name (b_mask.bmp, b_mask.png)",
        "photos/c.png": "masks of several folders have its name (c.png, c.png)",
    }


@pytest.mark.parametrize("folder", ["photos", "masks"])
def test_each_of_several_masks_makes_a_pair(put, folder):
    names = ("a_mask001.png", "a_mask002.jpg", "a-mask.png")
    put(
        "photos/a.png", "photos/b.png", *(f"{folder}/{name}" for name in (*names, "b_mask.png"))
    )
    for photos in ("photos", "photos/a.png"):
        found = find_pairs(photos, folder)
        own = [pair for pair in found.pairs if pair.photo == "photos/a.png"]
        assert sorted(pair.mask for pair in own) == sorted(f"{folder}/{name}" for name in names)
        assert {pair.name for pair in own} == {"a.png"}
        assert not found.without_mask
        assert not found.without_photo


def test_names_in_small_letters_give_way_to_exact_ones(put):
    put("photos/A.png", "photos/a.png", "masks/a.png")
    assert paired("photos", "masks") == ({"photos/a.png": "masks/a.png"}, ["photos/A.png"])


def test_masks_within_the_folder_of_photos_are_no_photos(put):
    put("photos/a.png", "photos/masks/a.png")
    assert paired("photos", "photos/masks") == ({"photos/a.png": "photos/masks/a.png"}, [])
    put("all/photos/a.png", "all/a_mask.png")
    assert paired("all/photos", "all") == ({"all/photos/a.png": "all/a_mask.png"}, [])


def test_a_photo_among_the_masks_is_none(put):
    put("photos/a.png", "lama/a.png", "lama/a_mask001.png")
    assert paired("photos", "lama") == ({"photos/a.png": "lama/a_mask001.png"}, [])


@pytest.mark.parametrize(
    ("pattern", "mask"),
    [
        ("{name}_m", "a_m.png"),
        ("mask_{name}", "mask_a.png"),
        ("{name}*hole?", "a_the hole1.png"),
        ("{name}.m.PNG", "a.m.png"),
        ("{name}", "a.bmp"),
    ],
)
def test_any_pattern_names_masks(put, pattern, mask):
    put("photos/a.png", f"masks/{mask}", "both/a.png", f"both/{mask}")
    assert paired("photos", "masks", pattern)[0] == {"photos/a.png": f"masks/{mask}"}
    if pattern != "{name}":
        assert paired("both", None, pattern)[0] == {"both/a.png": f"both/{mask}"}


def test_a_pattern_without_a_name_is_refused(put):
    put("photos/a.png")
    with pytest.raises(ValueError, match=r"must hold `{name}` once.*pattern='mask'"):
        find_pairs("photos", "photos", "mask")


def test_what_has_no_partner_is_named_with_the_reason(put):
    put("photos/a.png", "photos/b.png", "masks/a.png", "masks/c.png", "masks/d.png")
    found = find_pairs("photos", "masks")
    assert found.without_mask == {"photos/b.png": "there is no mask of its name"}
    assert sorted(found.without_photo) == ["masks/c.png", "masks/d.png"]
    # Of chosen photos, nobody expects all masks to be used.
    for photos in ("photos/a*.png", ["photos/a.png"], "photos/a.png"):
        assert paired(photos, "masks") == ({"photos/a.png": "masks/a.png"}, [])


def test_no_pair_at_all_is_an_error_that_says_what_to_do(put):
    put("photos/a.png", "masks/z.png")
    with pytest.raises(ValueError, match=r"`masks`.*`mask_pattern`.*a\.png"):
        find_pairs("photos", "masks")
    with pytest.raises(ValueError, match="No photo has a mask"):
        find_pairs("photos")
    with pytest.raises(FileNotFoundError, match=r"`masks` must be.*masks='gone'"):
        find_pairs("photos", "gone")
    with pytest.raises(FileNotFoundError, match=r"`photos` must be.*photos='gone'"):
        find_pairs("gone", "photos")


def test_ten_thousand_photos_are_paired_in_a_second():
    photos = [f"photos/{index}.jpg" for index in range(10_000)]
    masks = [f"masks/{index}_mask.png" for index in range(10_000)]
    assert len(find_pairs(photos, masks).pairs) == 10_000
