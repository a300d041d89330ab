"""The terms of the generator's loss, of both objectives."""

from keras import ops

from keras_inpaint.ops.compositing import composite

_TERM_NAMES = ("generator_loss", "hole_loss", "known_loss", "adversarial_loss")


def generator_term_names(perceptual):
    """The names, in their order, of what `generator_terms` returns."""
    return _TERM_NAMES if perceptual is None else (*_TERM_NAMES, "perceptual_loss")


def generator_terms(
    weights, images, outputs, masks, hole_loss, known_loss, adversarial_loss, perceptual=None
):
    """The generator's loss, from the losses of its guesses.

    Args:
        weights: `LossWeights`.
        images: Tensor of shape `(batch, height, width, channels)`, the true pictures.
        outputs: dict of `"coarse"` and `"refined"`, the guesses.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        hole_loss: function of a guess to a tensor of shape `(batch,)`.
        known_loss: The same for the known part.
        adversarial_loss: function of the completed picture to a tensor of shape `(batch,)`.
        perceptual: function of images, completed pictures and masks to a tensor of shape
            `(batch,)`, or `None`.

    Returns:
        dict of tensors of shape `(batch,)`, one value per picture, named and in the order
        of `generator_term_names`: their weighted sum, and the terms before their weights.
    """
    refined = outputs["refined"]
    completed = composite(images, refined, masks)
    hole, known = (
        weights.coarse * loss(outputs["coarse"]) + loss(refined)
        for loss in (hole_loss, known_loss)
    )
    # Without a weight nothing is learned from a network: its cost is saved.
    nothing = ops.zeros_like(hole)
    adversarial = adversarial_loss(completed) if weights.adversarial else nothing
    total = weights.hole * hole + weights.known * known + weights.adversarial * adversarial
    terms = (hole, known, adversarial)
    if perceptual is not None:
        seen = perceptual(images, completed, masks) if weights.perceptual else nothing
        seen = ops.cast(seen, total.dtype)
        total, terms = total + weights.perceptual * seen, (*terms, seen)
    return dict(zip(generator_term_names(perceptual), (total, *terms), strict=True))
