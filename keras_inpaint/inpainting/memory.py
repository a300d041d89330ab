"""Estimates of the memory that filling a photo takes, before it is begun."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from keras_inpaint.inpainting.pixels import padded_size
from keras_inpaint.inpainting.planning import choose_method, plan
from keras_inpaint.inpainting.window import Window
from keras_inpaint.pictures.opening import amount
from keras_inpaint.pictures.pixels import Holes

# Fitted to the peak memory of processes, see docs/large_pictures.md.
_BYTES_A_PIXEL_AND_FILTER = 16
_BYTES_A_PIXEL = 80
# Beside the network: the photo, its masks, the filling at the photo's size.
_BYTES_A_VIEW_PIXEL, _BYTES_A_PHOTO_PIXEL = 20, 8
# Of these, the filled photo, where it is not put in the place of the other.
_BYTES_OF_COPY = 3
_BYTES_OF_DETAIL = 24 * 10**6
# More are no faster on a CPU, and so large a share of the last batch is empty.
_LARGEST_BATCH = 8
# Of networks without an attribute `width`.
_PUBLISHED_WIDTH = 48


class MemoryLimitError(ValueError):
    """Filling would take more memory than it may."""


def estimate_memory(generator: Any, size: tuple[int, int], num: int = 1) -> int:
    """Estimates the memory that a generator takes beyond its weights.

    What its attention takes, which outweighs all else in large pictures, the attention
    itself estimates: `keras_inpaint.layers.ContextualAttention.estimate_memory`.

    Args:
        generator: `keras_inpaint.models.Generator`, or a `keras.Model` with its
            `size_multiple`.
        size: Height and width of the pictures.
        num: int. How many there are at once.

    Returns:
        int: bytes.
    """
    multiple = int(generator.size_multiple)
    height, width = padded_size(size, multiple)
    filters = int(getattr(generator, "width", _PUBLISHED_WIDTH))
    pixel = _BYTES_A_PIXEL + _BYTES_A_PIXEL_AND_FILTER * filters
    return num * pixel * height * width + _estimate_attention(generator, (height, width), num)


def _estimate_attention(generator: Any, size: tuple[int, int], num: int) -> int:
    height, width = size
    multiple = int(generator.size_multiple)
    attention = getattr(getattr(generator, "refine_network", None), "attention", None)
    if attention is None:
        # Keras, which it needs, is there where a network is: not before.
        from keras_inpaint.ops.attention_blocks import attention_memory

        # A network of the user's own is taken for one with attention and no budget.
        return int(attention_memory((height // multiple, width // multiple), num))
    stride = multiple // attention.rate
    return int(attention.estimate_memory((height // stride, width // stride), num))


def estimate_plan(
    generator: Any,
    holes: Holes,
    windows: Sequence[Window],
    batch_size: int = 1,
    is_copied: bool = True,
    detail: str = "copy",
) -> int:
    """Estimates the memory of filling a photo: the largest batch, and the photo's copies.

    Args:
        generator: As `estimate_memory` takes.
        holes: bool array of shape `(height, width)`.
        windows: Sequence of `Window`, at least one.
        batch_size: int. Windows of one size that are filled at once, where there are as many.
        is_copied: bool. Whether the filled photo is another array than the photo.
        detail: str. As `Inpainter.inpaint` takes.

    Returns:
        int: bytes.
    """
    copies = detail != "none" and any(window.needs_detail for window in windows)
    views: dict[tuple[int, int], list[int]] = defaultdict(list)
    for window in windows:
        views[window.size].append(window.view.height * window.view.width)
    largest = 0
    for size, pixels in views.items():
        num = min(len(pixels), batch_size)
        # The patches of `detail`, of a number that is bounded, follow after the network.
        network = estimate_memory(generator, size, num)
        network = max(network, _BYTES_OF_DETAIL) if copies else network
        need = network + num * _BYTES_A_VIEW_PIXEL * max(pixels)
        largest = max(largest, need)
    photo = _BYTES_A_PHOTO_PIXEL - (0 if is_copied else _BYTES_OF_COPY)
    return largest + photo * holes.size


def affordable_batch(
    generator: Any,
    holes: Holes,
    windows: Sequence[Window],
    limit: int,
    is_copied: bool = True,
    detail: str = "copy",
) -> int:
    """Returns how many windows of one size can be filled at once within the memory.

    Args:
        generator: As `estimate_memory` takes.
        holes: bool array of shape `(height, width)`.
        windows: Sequence of `Window`, of which each one alone is within the memory.
        limit: int. Bytes.
        is_copied: bool. See `estimate_plan`, and so `detail`.
        detail: str.

    Returns:
        int: a power of two, at most 8.
    """
    num = _LARGEST_BATCH
    while num > 1 and estimate_plan(generator, holes, windows, num, is_copied, detail) > limit:
        num //= 2
    return num


def affordable_windows(
    generator: Any,
    holes: Holes,
    image_size: int,
    method: str | None,
    feather: int,
    limit: int,
    is_copied: bool = True,
    detail: str = "copy",
) -> list[Window]:
    """Plans how to fill a photo within the memory.

    Args:
        generator: As `estimate_memory` takes.
        holes: bool array of shape `(height, width)`: True somewhere.
        image_size: int. Height and width of the images that the network was trained on.
        method: One of `METHODS`, or `None` for the one that suits photo and hole best
            of those that the memory suffices for.
        feather: int. Known pixels around the hole that change.
        limit: int. Bytes.
        is_copied: bool. See `estimate_plan`, and so `detail`.
        detail: str.

    Returns:
        List of `Window`.

    Raises:
        ValueError: If all methods, or the one asked for, need more than `limit`.
    """
    wanted = [method or choose_method(holes, image_size)]
    others = [other for other in ("crop", "resize") if other not in wanted]
    needs = {}
    for name in [*wanted, *others]:
        windows = plan(name, holes, image_size, feather)
        needs[name] = estimate_plan(generator, holes, windows, 1, is_copied, detail)
        if needs[name] <= limit and (method is None or name == method):
            return windows
    raise MemoryLimitError(_refusal(holes, wanted[0], needs, limit))


def check_batch(generator: Any, size: tuple[int, int], num: int, limit: int) -> None:
    """Refuses a batch of photos, seen as a whole, that needs more than `limit` bytes."""
    height, width = size
    need = estimate_memory(generator, size, num)
    if need > limit:
        raise MemoryLimitError(
            f"Filling these photos at once needs about {amount(need)} of memory, more than the "
            f"limit of {amount(limit)}. Fill fewer at once, fill them one by one with "
            f"`inpaint`, or raise the limit. Received: {num} photos of {width} x {height} "
            f"pixels, memory_limit={limit}"
        )


def _refusal(holes: Holes, method: str, needs: dict[str, int], limit: int) -> str:
    height, width = holes.shape
    affordable = [f"{name!r} ({amount(need)})" for name, need in needs.items() if need <= limit]
    advice = f"Use the method {' or '.join(affordable)}" if affordable else "Cut the photo"
    return (
        f"Filling this photo by the method {method!r} needs about {amount(needs[method])} of "
        f"memory, more than the limit of {amount(limit)}. {advice}, or raise the limit. "
        f"Received: a photo of {width} x {height} pixels, method={method!r}, "
        f"memory_limit={limit}"
    )
