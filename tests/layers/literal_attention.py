"""Contextual attention as published, step by step and a picture at a time, in NumPy."""

import numpy as np


def literal_attention(
    features,
    masks,
    rate=2,
    scale=10.0,
    fuse=True,
    resampling="corners",
    key_norm="floor",
    paste="soft",
):
    """The features and offsets of `keras_inpaint.layers.ContextualAttention`, in float64."""
    pictures = [
        _one_picture(*pair, rate, scale, fuse, resampling, key_norm, paste)
        for pair in zip(np.float64(features), np.float64(masks), strict=True)
    ]
    return tuple(np.stack(outputs) for outputs in zip(*pictures, strict=True))


def _one_picture(features, mask, rate, scale, fuse, resampling, key_norm, paste):
    height, width, _ = features.shape
    grid = height // rate, width // rate
    coarse = resample(features, grid, resampling)
    if resampling == "corners":
        mask = resample(mask, (height, width), resampling)
    mask = resample(mask, grid, resampling)

    kernels = extract_patches(coarse, 3, 1)
    scores = convolve_with_patches(coarse, kernels / norms(kernels, key_norm))
    if fuse:
        scores = fuse_by_convolutions(scores, grid)
    valid = (extract_patches(mask, 3, 1).max(axis=(1, 2, 3)) == 0).astype("float64")
    attention = softmax(scores * valid * scale) * valid

    best = attention.argmax(axis=1)
    if paste == "best":
        attention = np.eye(attention.shape[1])[best] * valid
    pasted = convolve_transposed(
        attention, extract_patches(features, 2 * rate, rate), grid, rate
    )
    places = np.stack(np.unravel_index(best, grid), axis=-1)
    here = np.stack(np.unravel_index(np.arange(best.size), grid), axis=-1)
    return pasted / 4, (places - here).reshape(*grid, 2)


def resample(picture, size, resampling):
    rows, columns = (
        [source_index(i, n, m, resampling) for i in range(m)]
        for n, m in zip(picture.shape[:2], size, strict=True)
    )
    return picture[rows][:, columns]


def source_index(i, n, m, resampling):
    if resampling == "strided":
        return i * (n // m)
    return int(np.floor(i * (n - 1) / (m - 1) + 0.5)) if m > 1 else 0


def extract_patches(picture, size, stride):
    """Patches row by row, `(patches, size, size, channels)`, under SAME padding."""
    before = (size - stride) // 2
    after = size - stride - before
    padded = np.pad(picture, ((before, after), (before, after), (0, 0)))
    return np.stack(
        [
            padded[top : top + size, left : left + size]
            for top in range(0, picture.shape[0], stride)
            for left in range(0, picture.shape[1], stride)
        ]
    )


def norms(kernels, key_norm):
    if key_norm == "sum":
        return np.sqrt(np.sum(kernels**2 + 1e-4, axis=(1, 2, 3), keepdims=True))
    return np.maximum(np.sqrt(np.sum(kernels**2, axis=(1, 2, 3), keepdims=True)), 1e-4)


def convolve_with_patches(picture, kernels):
    """What a convolution with each patch as a kernel gives: `(positions, patches)`."""
    windows = extract_patches(picture, 3, 1)
    return np.einsum("ihwc,jhwc->ij", windows, kernels)


def fuse_by_convolutions(scores, grid):
    height, width = grid
    scores = convolve_with_identity(scores)
    # Numbered column by column instead of row by row, and back.
    order = np.arange(height * width).reshape(height, width).T.ravel()
    by_columns = convolve_with_identity(scores[order][:, order])
    fused = np.empty_like(scores)
    fused[np.ix_(order, order)] = by_columns
    return fused


def convolve_with_identity(scores):
    padded, size = np.pad(scores, 1), len(scores)
    return sum(
        tap * padded[down : down + size, right : right + size]
        for (down, right), tap in np.ndenumerate(np.eye(3))
    )


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def convolve_transposed(attention, patches, grid, stride):
    """Every position pastes the patches, weighted, at its place."""
    size, channels = patches.shape[1], patches.shape[-1]
    before = (size - stride) // 2
    canvas = np.zeros([side * stride + size - stride for side in grid] + [channels])
    for place, weights in zip(np.ndindex(*grid), attention, strict=True):
        top, left = place[0] * stride, place[1] * stride
        pasted = np.tensordot(weights, patches, axes=1)
        canvas[top : top + size, left : left + size] += pasted
    return canvas[before : before + grid[0] * stride, before : before + grid[1] * stride]
