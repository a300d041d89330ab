"""Which mask belongs to which photo: paired as a person would do it."""

import dataclasses
import fnmatch
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from keras_inpaint.arguments import check_choice
from keras_inpaint.data.shards import is_shards
from keras_inpaint.data.sources import Source, describe_left_out, find_files
from keras_inpaint.files import FilePart
from keras_inpaint.pictures import is_picture_file, is_picture_name

# What is paired with photos, and how its name ends after theirs: `_mask`, `-mask`, `_mask001`,
# ` mask (2)`, `.masks`.
_ENDINGS = {
    kind: re.compile(
        rf"(?P<name>.+?)[ ._-]+{word}[ ._-]*(\d+|\(\d+\))?", re.IGNORECASE | re.DOTALL
    )
    for kind, word in (("mask", "masks?"), ("sketch", "sketch(?:es)?"))
}
_PLURALS = {"mask": "masks", "sketch": "sketches"}
# What to do where a photo has none, and where it is given as its own.
_ADVICE = {
    "mask": "call a mask as its photo, or as that and `_mask`, or say how masks are called by "
    "`mask_pattern`",
    "sketch": "or call a sketch as its photo, or as that and `_sketch`",
}
_OTHER = {
    "mask": "Name another file, or take what is transparent for the hole by `mask_from_alpha`",
    "sketch": "Name another file",
}


class Pair(NamedTuple):
    """A photo, its mask, and the photo's path relative to where it was found."""

    photo: str
    mask: str
    name: str


@dataclass(frozen=True)
class Pairs:
    """Photos and their masks, and what is not among them.

    Args:
        pairs: List of named tuples `(photo, mask, name)` of str: two paths, and the photo's
            path relative to where it was found.
        without_mask: dict of str: the reason why a photo has none, by its path.
        without_photo: dict of str: as `without_mask`, for masks; empty where `photos` was no
            folder, as others' may well be among the masks then.
        left_out: dict of lists of str: paths of files that are no photos, by the reason.

    Example:
    >>> pairs = keras_inpaint.data.find_pairs(["a.jpg", "b.jpg"], ["a_mask.png"])
    >>> [tuple(pair) for pair in pairs.pairs], pairs.without_mask
    ([('a.jpg', 'a_mask.png', 'a.jpg')], {'b.jpg': 'there is no mask of its name'})
    """

    pairs: list[Pair]
    without_mask: dict[str, str] = field(default_factory=dict)
    without_photo: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)


class _File(NamedTuple):
    """A file, its path within the source, and its folder and names as `_spelt` writes them.

    `names` are its name without the suffix, and with it.
    """

    path: str
    within: str
    folder: str
    names: tuple[str, str]


def find_pairs(
    photos: Source,
    masks: Source | None = None,
    pattern: str | None = None,
    leave_out: Sequence[str | os.PathLike[str]] = (),
    names: tuple[str, str] = ("photos", "masks"),
    kind: str = "mask",
) -> Pairs:
    """Finds the mask of each photo, or its sketch.

    One mask file goes with all photos. Of several, a photo's mask has its name but for the
    suffix, or its name and then `_mask`, `-mask`, `_mask001` or the like; in folders with
    folders below them, that of the same folder comes first. Names may be written in any
    Unicode normal form, and in other case where no other photo has that name.

    A photo may have several masks, in one folder and of several names: `a_mask001.png` and
    `a_mask002.png` make two pairs. Masks that differ in their folder or suffix alone are
    refused, as nobody can tell which one is meant.

    A photo is never its own mask. In a folder that holds both, what is named like a mask is
    one, and all else a photo.

    Args:
        photos: A folder, a file, a pattern, or a list, see `keras_inpaint.data.find_photos`.
        masks: As `photos`, or None for masks beside the photos.
        pattern: str or None. What masks are called instead, without the suffix: `{name}`
            stands for the photo's name, `*` for anything, `?` for one character, as in
            `"mask of {name} *"`. With a dot in it, it is the whole name of the file.
        leave_out: Sequence of paths that are not searched, such as that of the output.
        names: Pair of str. What the caller calls `photos` and `masks`, for errors.
        kind: `"mask"`, or `"sketch"` for what is drawn into holes: `_sketch` then stands
            for `_mask` in all of this.

    Returns:
        `Pairs`.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If there are no photos or masks, no photo has a mask, `photos` and `masks`
            are the same file, or `pattern` is none.
    """
    check_choice("kind", kind, tuple(_ENDINGS))
    namer = _Namer(pattern, kind)
    if _is_file(masks) and is_same(photos, masks):
        raise ValueError(
            f"A photo is never its own {kind}. {_OTHER[kind]}. Received: {masks!r} for both"
        )
    found = find_files(photos, [*leave_out, *apart(masks, photos)], names[0])
    files, left_out = _named(found.paths, photos), dict(found.left_out)
    # Shards hold both, and know which is which.
    if is_shards(photos) and masks is None:
        masks = photos
    if masks is None or (is_same(photos, masks) and not is_shards(photos)):
        files, mask_files = _beside_each_other(photos, files, namer)
        result = _match(files, mask_files, namer, takes_equal=False)
    else:
        files, others = _split(files, namer)
        if others:
            left_out[f"named like the {kind} of another"] = [file.path for file in others]
        if isinstance(masks, str | os.PathLike) and _is_file(masks):
            pairs = [Pair(file.path, os.fspath(masks), file.within) for file in files]
            return Pairs(pairs, left_out=left_out)
        searched = find_files(masks, [*leave_out, *apart(photos, masks)], names[1], True)
        mask_files = _without_photos(_named(searched.paths, masks), namer)
        result = _match(files, mask_files, namer, takes_equal=namer.takes_equal)
    if not (isinstance(photos, str | os.PathLike) and os.path.isdir(photos)):
        result.without_photo.clear()
    result = dataclasses.replace(result, left_out=left_out)
    if not result.pairs:
        first = files[0].path if files else photos
        received = f"{first!r}{' and others' if len(files) > 1 else ''}"
        where = f"{'Name them in' if masks is None else 'Name others in'} `{names[1]}`"
        raise ValueError(_none_found(result, kind, where, received))
    return result


def _none_found(result: Pairs, kind: str, where: str, received: str) -> str:
    received += ": ".join(["", *list(result.without_mask.values())[:1]])
    received += describe_left_out(result.left_out, "; left out: ")
    return f"No photo has a {kind}. {where}, {_ADVICE[kind]}. Received: {received}"


def own_pairs(photos: Source, leave_out: Sequence[str | os.PathLike[str]] = ()) -> Pairs:
    """Pairs each photo with itself: what is transparent in it is its hole.

    Args:
        photos: As `leave_out`, see `find_pairs`.

    Returns:
        `Pairs`.
    """
    found = find_files(photos, leave_out, "photos")
    pairs = [Pair(file.path, file.path, file.within) for file in _named(found.paths, photos)]
    return Pairs(pairs, left_out=found.left_out)


class _Namer:
    """How masks are named after their photos."""

    def __init__(self, pattern: str | None, kind: str) -> None:
        self.kind, self.takes_equal = kind, pattern is None
        self._parts: tuple[re.Pattern[str], re.Pattern[str]] | None = None
        if pattern is None:
            return
        if pattern.count("{name}") != 1:
            raise ValueError(
                "`pattern` is the name of a mask and must hold `{name}` once, which stands for "
                f"that of its photo. Received: pattern={pattern!r}"
            )
        self._is_whole_name = "." in pattern
        before, after = (
            re.compile(fnmatch.translate(_spelt(part)), re.IGNORECASE)
            for part in pattern.split("{name}")
        )
        self._parts = before, after

    def names(self, mask: _File) -> list[str]:
        """The names of photos that a file may be called the mask of, the longest first."""
        if self._parts is None:
            match = _ENDINGS[self.kind].fullmatch(mask.names[0])
            return [match["name"]] if match else []
        text = mask.names[self._is_whole_name]
        before, after = self._parts
        starts = [start for start in range(len(text)) if before.fullmatch(text[:start])]
        ends = [end for end in range(len(text) + 1) if after.fullmatch(text[end:])]
        names = {text[start:end] for start in starts for end in ends if start < end}
        return sorted(names, key=lambda name: (-len(name), name))


def _match(photos: list[_File], masks: list[_File], namer: _Namer, takes_equal: bool) -> Pairs:
    """The pairs among photos and masks, and the files that have no partner."""
    # By folder, or any folder, and name; once more by names in small letters.
    index: dict[tuple[str | None, str], list[_File]] = defaultdict(list)
    photo_names = {name.casefold() for photo in photos for name in photo.names}
    for mask in masks:
        called = set(_longest(namer.names(mask), photo_names))
        if takes_equal:
            called.add(mask.names[0])
        for name in sorted({*called, *(f"/{each.casefold()}" for each in called)}):
            index[mask.folder, name].append(mask)
            index[None, name].append(mask)
    chosen: dict[str, tuple[int, list[_File]]] = {}
    for photo in photos:
        names = [*photo.names, *(f"/{name.casefold()}" for name in photo.names)]
        keys = [(folder, name) for name in names for folder in (photo.folder, None)]
        for rank, key in enumerate(keys):
            found = [mask for mask in index.get(key, ()) if not _is_itself(mask, photo)]
            if found:
                chosen[photo.path] = rank, _best(found, photo)
                break
    return _settle(photos, masks, chosen, namer.kind)


def _settle(
    photos: list[_File],
    masks: list[_File],
    chosen: dict[str, tuple[int, list[_File]]],
    kind: str,
) -> Pairs:
    """Leaves each mask to the photos that are named most like it."""
    claims: dict[str, list[tuple[int, _File]]] = defaultdict(list)
    for photo in photos:
        rank, own = chosen.get(photo.path, (0, []))
        for mask in own:
            claims[mask.path].append((rank, photo))
    result = Pairs([])
    alone = result.without_mask
    for photo in photos:
        rank, own = chosen.get(photo.path, (0, []))
        own = [mask for mask in own if rank == min(each for each, _ in claims[mask.path])]
        names = ", ".join(mask.names[1] for mask in own)
        rivals = [[other for each, other in claims[mask.path] if each == rank] for mask in own]
        if not own:
            alone[photo.path] = f"there is no {kind} of its name"
        elif len({mask.folder for mask in own}) > 1:
            alone[photo.path] = f"{_PLURALS[kind]} of several folders have its name ({names})"
        elif len({mask.names[0] for mask in own}) < len(own):
            alone[photo.path] = f"it has several {_PLURALS[kind]} of one name ({names})"
        elif any(map(_are_different, rivals)):
            alone[photo.path] = (
                f"photos of several folders have its name, and one {kind} ({names})"
            )
        else:
            result.pairs.extend(Pair(photo.path, mask.path, photo.within) for mask in own)
    for mask in masks:
        if mask.path not in claims:
            result.without_photo[mask.path] = "there is no photo of its name"
    return result


def _is_itself(mask: _File, photo: _File) -> bool:
    """Checks whether both are one file, however its path is written."""
    if mask.names[1] != photo.names[1]:
        return mask.path == photo.path
    try:
        return os.path.samefile(mask.path, photo.path)
    except OSError:
        return mask.path == photo.path


def _best(masks: list[_File], photo: _File) -> list[_File]:
    """Of masks for one photo, the one that has its suffix too; all, if there is none."""
    named = [mask for mask in masks if photo.names[1] in mask.names]
    return named if len(named) == 1 else masks


def _are_different(photos: list[_File]) -> bool:
    # One photo in two formats has one mask.
    return len({(photo.folder, photo.names[0]) for photo in photos}) > 1


def _longest(names: list[str], known: set[str]) -> list[str]:
    """The first of several names that is known in any case, as a list."""
    return [name for name in names if name.casefold() in known][:1]


def _split(files: list[_File], namer: _Namer) -> tuple[list[_File], list[_File]]:
    """Files apart from those that are called the mask of one of them."""
    known = {(file.folder, name) for file in files for name in file.names}
    ending = [
        file
        for file in files
        if any(
            (file.folder, name) in known for name in namer.names(file) if name not in file.names
        )
    ]
    paths = {file.path for file in ending}
    return [file for file in files if file.path not in paths], ending


def _beside_each_other(
    photos: Source, files: list[_File], namer: _Namer
) -> tuple[list[_File], list[_File]]:
    """Photos, and what may be their masks: of one folder, or those beside one photo."""
    if _is_file(photos):
        return files, _beside(files[0])
    masks = [file for file in files if namer.names(file)]
    return [file for file in files if not namer.names(file)], masks


def _without_photos(masks: list[_File], namer: _Namer) -> list[_File]:
    """Masks without the photos that lie beside theirs."""
    _, ending = _split(masks, namer)
    bases = {(file.folder, name) for file in ending for name in namer.names(file)}
    return [file for file in masks if (file.folder, file.names[0]) not in bases]


def _beside(photo: _File) -> list[_File]:
    """The pictures in the folder of a photo."""
    folder = os.path.dirname(photo.path)
    with os.scandir(folder or ".") as entries:
        paths = sorted(os.path.join(folder, entry.name) for entry in entries if entry.is_file())
    return [
        _file(path, os.path.basename(path))
        for path in paths
        if path != photo.path and (is_picture_name(path) or is_picture_file(path))
    ]


def names_within(paths: list[str], source: Source) -> list[str]:
    """Returns the paths of files relative to the source that they were found in."""
    return [file.within for file in _named(paths, source)]


def _named(paths: list[str], source: Source) -> list[_File]:
    """Files by their folder and name within a source."""
    if paths and all(parts := [FilePart.of(path) for path in paths]):
        return [_file(path, part.name) for path, part in zip(paths, parts, strict=True) if part]
    if isinstance(source, str | os.PathLike) and os.path.isdir(source):
        start = os.path.join(os.fspath(source), "")
        return [_file(path, path.removeprefix(start)) for path in paths]
    folders = {folder: os.path.abspath(folder) for folder in set(map(os.path.dirname, paths))}
    start = os.path.commonpath(folders.values())
    within = {each: os.path.relpath(full, start) for each, full in folders.items()}
    files = []
    for path in paths:
        folder, name = os.path.split(path)
        files.append(_file(path, os.path.normpath(os.path.join(within[folder], name))))
    return files


def _file(path: str, within: str) -> _File:
    folder, name = os.path.split(_spelt(within))
    return _File(path, within, folder, (os.path.splitext(name)[0], name))


def _spelt(name: str) -> str:
    """A name in one normal form: macOS writes an accent as a character of its own."""
    return unicodedata.normalize("NFC", name)


def _is_file(source: Source | None) -> bool:
    """Checks whether a source is one picture, not a list of them."""
    return (
        isinstance(source, str | os.PathLike)
        and os.path.isfile(source)
        and (is_picture_file(source) or is_picture_name(source))
    )


def is_same(one: Source, other: Source | None) -> bool:
    """Checks whether two sources are one file or folder."""
    if not (isinstance(one, str | os.PathLike) and isinstance(other, str | os.PathLike)):
        return False
    return os.path.realpath(one) == os.path.realpath(other)


def apart(source: Source | None, other: Source | None) -> list[str | os.PathLike[str]]:
    """What is not to be searched for the other: nothing if it is that, or holds it."""
    if not isinstance(source, str | os.PathLike) or not isinstance(other, str | os.PathLike):
        return []
    inner, outer = os.path.realpath(other), os.path.realpath(source)
    return [] if os.path.commonpath([inner, outer]) == outer else [source]
