"""What a batch is: who sees which picture, and where the local patch lies."""

from typing import Any

from keras import ops

from keras_inpaint.ops.local_patches import boxes_around_holes, boxes_hold_holes, hole_sizes


def unpack(data: Any) -> Any:
    """Reads `images`, `(images, masks)` or `(images, masks, boxes)`.

    Args:
        data: What `fit` hands to a step: one of those, possibly padded with `None`.

    Returns:
        tuple: images, masks or `None`, boxes or `None`.

    Raises:
        ValueError: If there are more than three parts, or boxes without masks.
    """
    parts = list(data) if isinstance(data, (tuple, list)) else [data]
    while parts and parts[-1] is None:
        parts.pop()
    if not 1 <= len(parts) <= 3 or (len(parts) == 3 and parts[1] is None):
        raise ValueError(
            "A batch must be images, (images, masks) or (images, masks, boxes). "
            f"Received: {len(parts)} parts, of which "
            f"{sum(part is None for part in parts)} are None"
        )
    return tuple(parts + [None] * (3 - len(parts)))


def deal(batch: Any, num_shares: int) -> Any:
    """Splits a batch into shares: picture `p` goes to share `p mod num_shares`.

    Args:
        batch: dict of tensors of shape `(batch, ...)`, or `None`.
        num_shares: int, at least 1.

    Returns:
        list of dicts like `batch`.

    Raises:
        ValueError: If the batch does not divide, where its size is known.
    """
    size = batch["images"].shape[0]
    if size is not None and size % num_shares:
        needed = num_shares * -(-size // num_shares)
        raise ValueError(
            f"A batch must hold a share for each of the {num_shares} critic updates: a "
            f"multiple of {num_shares} pictures a device, say {needed}, the last batch too "
            f"(`drop_remainder=True`). Received: a batch of {size}"
        )
    return [
        {
            name: None if values is None else values[first::num_shares]
            for name, values in batch.items()
        }
        for first in range(num_shares)
    ]


def local_boxes(masks: Any, boxes: Any, critic: Any, require: Any) -> Any:
    """The boxes of the local patches, for a critic that looks at some.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        boxes: int tensor of shape `(batch, 4)`, or `None` where the masks bring none.
        critic: The critic; one with a `patch_size` needs boxes.
        require: function of a bool tensor, a message and a tensor that completes it,
            which stops where the former is false.

    Returns:
        int tensor of shape `(batch, 4)`, or `None` where none are needed.
    """
    size = getattr(critic, "patch_size", None)
    if size is None:
        return None
    if boxes is None:
        boxes = boxes_around_holes(masks, size)
    require(
        ops.all(boxes_hold_holes(boxes, masks, size)),
        f"A local patch of {size[0]} x {size[1]} pixels must lie in the picture and hold its "
        "whole hole. Draw smaller holes, enlarge the critic's `patch_size`, or use a "
        "PatchCritic. Received: a largest hole, height and width, of ",
        ops.max(hole_sizes(masks), axis=0),
    )
    return boxes
