"""What both objectives return of the generator's loss."""

from keras import ops

GENERATOR_TERM_NAMES = ("generator_loss", "hole_loss", "known_loss", "adversarial_loss")


def generator_terms(weights, outputs, hole_loss, known_loss, adversarial_loss):
    """The generator's loss, of the losses of its guesses.

    Args:
        weights: `LossWeights`.
        outputs: dict of `"coarse"` and `"refined"`, the guesses.
        hole_loss: function of a guess to a tensor of shape `(batch,)`.
        known_loss: The same for the known part.
        adversarial_loss: function of the refined guess to a tensor of shape `(batch,)`.

    Returns:
        dict of tensors of shape `(batch,)`, a value a picture, named and in the order of
        `GENERATOR_TERM_NAMES`: their weighted sum, and the terms before their weights.
    """
    refined = outputs["refined"]
    hole, known = (
        weights.coarse * loss(outputs["coarse"]) + loss(refined)
        for loss in (hole_loss, known_loss)
    )
    # Without a weight nothing is learned from the critics: their price is saved.
    adversarial = adversarial_loss(refined) if weights.adversarial else ops.zeros_like(hole)
    total = weights.hole * hole + weights.known * known + weights.adversarial * adversarial
    return dict(zip(GENERATOR_TERM_NAMES, (total, hole, known, adversarial), strict=True))
