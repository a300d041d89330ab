"""From a folder, a list or a pattern to the photos in it, and what of it was left out."""

import glob
import itertools
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keras_inpaint.data.shards import Shards, is_shards
from keras_inpaint.files import open_source
from keras_inpaint.files.remote import exists, is_file, is_remote, list_remote
from keras_inpaint.pictures import is_picture_file, is_picture_name

Source = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

# Why a file is no photo to be read; each is counted.
NO_PICTURE = "not a picture"
NO_FILE = "not a regular file"
HIDDEN = "hidden, or in a folder of helpers"
TWICE = "in a folder that was searched before"
APART = "of the output or the masks"
LOCKED = "in a folder that may not be read"
_NO_MATCH = "No picture file matches the pattern."
# Folders that file systems, cameras' programs and network disks keep beside what people put
# there, in small letters. Those whose name begins with a dot are hidden anyway.
_HELPERS = frozenset(
    (
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),
        *("$recycle.bin", "recycler", "recycled", "lost+found", "system volume information"),
        *("__macosx", "thumbnails", "thumbs", "_thumbs", "thumb", "__pycache__"),
    )
)


@dataclass(frozen=True)
class Found:
    """The photos of a source.

    Args:
        paths: List of str.
        left_out: dict of lists of str: the paths of files that are left out, by the reason.
    """

    paths: list[str]
    left_out: dict[str, list[str]] = field(default_factory=dict)


def find_photos(source: Source, leave_out: Sequence[str | os.PathLike[str]] = ()) -> list[str]:
    """Lists the photos of a source, always in the same order.

    Args:
        source: One of
            - a folder, searched with all folders below it for files that are pictures by
              their content, whatever they are called, or named like pictures; hidden files
              and folders, and those that thumbnails, recycle bins and the like are kept in,
              are passed over, and each folder is entered once, however many links lead there;
            - a folder that `write_shards` wrote: the photos in it;
            - a pattern such as `"photos/*/beach_*.jpg"` (`**` for any depth), of which files
              are taken as of a folder; a file of that very name comes first;
            - a picture file, or a text file that lists one path per line,
              relative to the text file; empty lines are passed over;
            - a folder, pattern, file or list of an object store, by a path of fsspec such as
              `s3://bucket/photos` (the extra `remote`): its files are known by their names;
            - an iterable of paths.
            Listed paths are taken as they are, in their order.
        leave_out: Sequence of paths. Folders and files that are not searched, such as that
            which is written to.

    Returns:
        List of str.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If the source holds no photos.

    Example:
    >>> keras_inpaint.data.find_photos(["b.jpg", "a.jpg"])
    ['b.jpg', 'a.jpg']
    """
    return find_files(source, leave_out).paths


def check_exists(source: Source, name: str = "source") -> None:
    """Raises an error where no photos can be found, without looking for more than one.

    Args:
        source: See `find_photos`.
        name: str. What the caller calls it, for the error.

    Raises:
        FileNotFoundError: If there is nothing of its name.
        ValueError: If it is a pattern that nothing matches.

    Example:
    >>> from keras_inpaint.data.sources import check_exists
    >>> check_exists("nowhere/", "masks")
    Traceback (most recent call last):
        ...
    FileNotFoundError: `masks` must be a folder, ... Received: masks='nowhere/'
    """
    if not isinstance(source, str | os.PathLike) or os.path.isdir(source):
        return
    if is_remote(source) and (glob.has_magic(os.fspath(source)) or exists(source)):
        return
    is_pattern = not is_remote(source) and (
        not os.path.lexists(source) and glob.has_magic(os.fspath(source))
    )
    if is_pattern and next(glob.iglob(os.fspath(source), recursive=True), None) is None:
        raise _no_photos(source, name, _NO_MATCH)
    if not (os.path.isfile(source) or is_pattern):
        raise FileNotFoundError(
            f"`{name}` must be a folder, a list of paths, a pattern, or a text file that "
            f"lists paths; there is nothing of this name. Received: {name}={str(source)!r}"
        )


def _no_photos(source: Source, name: str, advice: str, left_out: str = "") -> ValueError:
    return ValueError(
        f"`{name}` holds no photos. {advice} Received: {name}={source!r}{left_out}"
    )


def find_files(
    source: Source,
    leave_out: Sequence[str | os.PathLike[str]] = (),
    name: str = "source",
    are_masks: bool = False,
) -> Found:
    """Finds the photos of a source and tells what was left out, see `find_photos`.

    Args:
        source: As `leave_out`, see `find_photos`.
        name: str. What the caller calls it, for errors.
        are_masks: bool. Whether masks are looked for, which shards hold beside their photos.

    Returns:
        `Found`.
    """
    check_exists(source, name)
    if is_shards(source):
        shards = Shards.read(os.fspath(source))  # type: ignore[arg-type]
        return Found((shards.masks if are_masks else []) or shards.photos)
    search = _Search(leave_out)
    # A name that exists is meant literally, whatever brackets it holds.
    if not isinstance(source, str | os.PathLike):
        search.paths = [os.fspath(path) for path in source]
        advice = "The list is empty."
    elif is_remote(source):
        search.remote(os.fspath(source), name)
        advice = "Its files are known by names such as a.jpg."
    elif os.path.isdir(source):
        search.folder(os.fspath(source))
        advice = (
            "Put pictures, such as JPEG or PNG files, into the folder, or name another one."
        )
    elif os.path.isfile(source):
        is_one = is_picture_file(source) or is_picture_name(source)
        search.paths = [os.fspath(source)] if is_one else _in_list(os.fspath(source), name)
        advice = "The text file lists no paths; write one per line."
    else:
        search.pattern(os.fspath(source))
        advice = _NO_MATCH
    if not search.paths:
        left_out = describe_left_out(search.left_out, start=", where these were left out: ")
        raise _no_photos(source, name, advice, left_out)
    return Found(search.paths, search.left_out)


def describe_left_out(left_out: dict[str, list[str]], start: str = "") -> str:
    """Writes how many files were left out, and why, in one line; empty if there are none.

    Example:
    >>> from keras_inpaint.data.sources import describe_left_out
    >>> describe_left_out({"not a picture": ["a/notes.txt", "a/b.mov"], "hidden": ["a/.c"]})
    '2 not a picture (notes.txt, b.mov), 1 hidden (.c)'
    """
    parts = []
    for reason, paths in left_out.items():
        names = ", ".join(os.path.basename(path) for path in paths[:3])
        more = ", ..." if len(paths) > 3 else ""
        parts.append(f"{len(paths)} {reason} ({names}{more})")
    return start + ", ".join(parts) if parts else ""


class _Search:
    """Walks through folders and keeps what it finds."""

    def __init__(self, leave_out: Sequence[str | os.PathLike[str]]) -> None:
        self.paths: list[str] = []
        self.left_out: dict[str, list[str]] = {}
        self._apart = {_identity(os.stat(path)) for path in leave_out if os.path.exists(path)}
        self._entered: set[tuple[int, int]] = set()

    def folder(self, folder: str) -> None:
        """Finds the photos of a folder and all below it."""
        links = [folder]
        # Links come last: a folder that is there in person is known by that name.
        for link in links:
            links.extend(self._walk(link))
        self.paths.sort()

    def pattern(self, pattern: str) -> None:
        """Finds the photos that match a pattern."""
        fixed = list(
            itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
        )
        for path in sorted(glob.glob(pattern, recursive=True)):
            below = Path(path).parts[len(fixed) : -1]
            if any(map(_is_helper, below)):
                self._leave_out(HIDDEN, path)
            elif any(map(self._is_apart, map(str, Path(path).parents))):
                self._leave_out(APART, path)
            elif not os.path.isdir(path):
                self._take(path)

    def remote(self, source: str, name: str) -> None:
        """Finds the photos of an object store, of which no file is opened or asked for."""
        if is_file(source):
            self.paths = [source] if is_picture_name(source) else _in_list(source, name)
            return
        num_above = len(Path(source).parts)
        for path in list_remote(source):
            if any(map(_is_helper, Path(path).parts[num_above:-1])):
                self._leave_out(HIDDEN, path)
            elif is_picture_name(path):
                self.paths.append(path)
            else:
                self._leave_out(NO_PICTURE, path)

    def _walk(self, top: str) -> list[str]:
        """Takes the files of a folder and those below, and returns the links to folders."""
        links, waiting = [], [top]
        while waiting:
            folder = waiting.pop()
            if (identity := _identity(os.stat(folder))) in self._entered:
                self._leave_out_all(TWICE, folder)
                continue
            self._entered.add(identity)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except PermissionError:
                if folder == top:
                    raise
                self._leave_out(LOCKED, folder)
                continue
            below = []
            for entry in entries:
                if not _is_folder(entry):
                    self._take(entry.path)
                elif _is_helper(entry.name):
                    self._leave_out_all(HIDDEN, entry.path)
                elif self._is_apart(entry.path):
                    self._leave_out_all(APART, entry.path)
                elif entry.is_symlink():
                    links.append(entry.path)
                else:
                    below.append(entry.path)
            waiting += reversed(below)
        return links

    def _take(self, path: str) -> None:
        """Keeps a file that is a photo, or why it is none."""
        try:
            status = os.stat(path)
        except OSError:
            # A link that leads nowhere.
            self._leave_out(NO_FILE, path)
            return
        if os.path.basename(path).startswith("."):
            self._leave_out(HIDDEN, path)
        elif not stat.S_ISREG(status.st_mode):
            self._leave_out(NO_FILE, path)
        elif _identity(status) in self._apart:
            self._leave_out(APART, path)
        # What is named like a picture and is none fails when it is read, with a reason.
        elif is_picture_name(path) or is_picture_file(path):
            self.paths.append(path)
        else:
            self._leave_out(NO_PICTURE, path)

    def _is_apart(self, path: str) -> bool:
        return bool(self._apart) and _identity(os.stat(path)) in self._apart

    def _leave_out(self, reason: str, path: str) -> None:
        self.left_out.setdefault(reason, []).append(path)

    def _leave_out_all(self, reason: str, folder: str) -> None:
        """Counts the files of a folder that is not searched."""
        if os.path.islink(folder):
            # They are counted where they are.
            self._leave_out(reason, folder)
            return
        for parent, _, names in os.walk(folder):
            for name in names:
                self._leave_out(reason, os.path.join(parent, name))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself.
        return False


def _is_helper(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _HELPERS


def _in_list(path: str, name: str) -> list[str]:
    try:
        with open_source(path, what="text", name=name) as file:
            lines = file.read().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`{name}` must be a text file in UTF-8 that lists one path per line, or a "
            f"picture. Received: {name}={path!r}"
        ) from error
    listed = [line.strip() for line in lines if line.strip()]
    if is_remote(path):
        folder = path.rpartition("/")[0]
        return [each if is_remote(each) else f"{folder}/{each}" for each in listed]
    return [each if is_remote(each) else str(Path(path).parent / each) for each in listed]
