"""The named architectures: sets of arguments, and nothing else."""

from typing import TYPE_CHECKING

from keras_inpaint.gan.parts import MaskSampler, Objective, Sketch
from keras_inpaint.inpainting.sketches import is_guided
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Boxes, EdgeSketch, Strokes, Union
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic

if TYPE_CHECKING:
    from keras_inpaint.gan.inpainting_gan import InpaintingGAN


def deepfill_v1(
    cls: type["InpaintingGAN"],
    width: int = 32,
    image_size: int = 256,
    patch_size: int | None = None,
    critic_width: int = 64,
    dialect: str = "tensorflow",
    objective: Objective | None = None,
    masks: MaskSampler | None = None,
    seed: int = 0,
    ema_momentum: float | None = None,
    generator: Generator | None = None,
    critic: GlobalLocalCritic | None = None,
    channels: int = 3,
) -> "InpaintingGAN":
    """The model of the CVPR 2018 paper, for square images.

    Args:
        width: int. Filters of the generator's first convolutions.
        image_size: int. Height and width of the images, a multiple of 16, or of 32
            unless `patch_size` is given.
        patch_size: int. Height and width of the local patch, a multiple of 16; half
            of the image's unless given.
        critic_width: int. Filters of the critic's first convolutions.
        dialect: `"tensorflow"` or `"pytorch"`, see `keras_inpaint.models.Generator`. The
            objective is the paper's in both: pass another one to train as a published
            program does.
        objective: `WassersteinObjective` unless given.
        masks: A box as large as the patch, shrunk on each side by up to an eighth,
            unless given.
        seed: int, see `InpaintingGAN`, and so `ema_momentum`.
        ema_momentum: float or `None`.
        generator: In place of a new one, of which `width`, `dialect` and `channels` are not
            looked at.
        critic: In place of a new one, of which `critic_width` and the sizes are not looked
            at; a new one pads as the generator does, and takes its channels.
        channels: int, at least 1. Channels of the images.
    """
    generator = generator or Generator.deepfill_v1(width, dialect=dialect, channels=channels)
    critic = critic or GlobalLocalCritic(
        critic_width,
        image_size,
        patch_size or image_size // 2,
        channels=generator.channels,
        padding=generator.padding,
        # The port's local critic is narrower at its end.
        local_multiples=(1, 2, 4, 4 if generator.padding == "centred" else 8),
    )
    patch_height, patch_width = critic.patch_size
    masks = masks or Boxes.published(patch_height, patch_width)
    # The size is that of the critic, which may be another one.
    return cls(
        generator,
        critic,
        objective or WassersteinObjective(),
        masks,
        seed,
        ema_momentum=ema_momentum,
    )


def deepfill_v2(
    cls: type["InpaintingGAN"],
    width: int = 48,
    image_size: int = 256,
    critic_width: int = 64,
    dialect: str = "tensorflow",
    objective: Objective | None = None,
    masks: MaskSampler | None = None,
    seed: int = 0,
    ema_momentum: float | None = None,
    generator: Generator | None = None,
    critic: PatchCritic | None = None,
    channels: int = 3,
    guided: bool = False,
    sketch: Sketch | None = None,
) -> "InpaintingGAN":
    """The model of the ICCV 2019 paper.

    Args that are not listed are those of `deepfill_v1`.

    Args:
        width: int. Filters of the generator's first convolutions, half of them gates.
        image_size: int. Height and width of the images; masks are drawn in proportion. The
            networks take any size.
        objective: `HingeObjective` unless given.
        masks: A box of half the image's size together with brush strokes unless given.
        guided: bool. Whether new networks are shown sketches, so that users can draw what
            is to be filled in. A `generator` that is given decides for itself.
        sketch: What draws the sketches of a guided generator, see `InpaintingGAN`;
            `keras_inpaint.masks.EdgeSketch` unless given.
    """
    generator = generator or Generator.deepfill_v2(
        width, dialect=dialect, channels=channels, guided=guided
    )
    guided = is_guided(generator)
    critic = critic or PatchCritic(
        critic_width, generator.channels, padding=generator.padding, guided=guided
    )
    sketch = sketch or (EdgeSketch() if guided else None)
    masks = masks or Union(v2_samplers(image_size))
    losses = objective or HingeObjective()
    parts = generator, critic, losses, masks
    return cls(*parts, seed, None, image_size, ema_momentum, sketch)


def v2_samplers(image_size: int) -> tuple[Boxes, Strokes]:
    """The published boxes and strokes for 256 pixels, in proportion."""
    return Boxes.published(image_size // 2), Strokes.published(image_size)
