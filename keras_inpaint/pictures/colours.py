"""From Pillow's many modes to 8-bit RGB and alpha."""

import io

import numpy as np
from PIL import Image, ImageCms

from keras_inpaint.pictures.pixels import Bytes

# TIFF 6.0, section 8: how numbers become light.
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def pixels_and_alpha(image: Image.Image) -> tuple[Bytes, Bytes | None]:
    """Converts a loaded Pillow image to RGB pixels and its alpha, if any.

    Grey of 16 bits is rounded to the nearest of 256 levels. Pillow hands out
    only the high byte of 16-bit *colour*, which is within one level of the
    nearest.

    Args:
        image: `PIL.Image.Image`, upright.

    Returns:
        uint8 array of shape `(height, width, 3)`, and one of shape
        `(height, width)` or None.

    Raises:
        ValueError: If the numbers have no fixed white (float, 32 bits) or
            Pillow cannot convert them.
    """
    if image.mode.startswith("I;16"):
        return _from_grey16(image)
    if image.mode in ("I", "F"):
        raise ValueError(
            "its pixels are 32-bit numbers, whose white is unknown. Save it with "
            "8 or 16 bits a channel"
        )
    if image.mode == "CMYK":
        return np.array(_from_cmyk(image)), None
    if image.has_transparency_data:
        rgba = np.array(image.convert("RGBA"))
        return np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
    return np.array(image.convert("RGB")), None


def rgb_profile(image: Image.Image) -> bytes | None:
    """Returns the embedded colour profile where it is one for RGB.

    A profile for grey or CMYK no longer describes pixels that became RGB, and
    a program that applied it to them would show wrong colours.
    """
    profile = image.info.get("icc_profile")
    return profile if profile and _colour_space(profile) == b"RGB " else None


def _colour_space(profile: bytes) -> bytes:
    # ICC.1:2022, 7.2: bytes 16 to 19 of the header name the colour space.
    return profile[16:20]


def _from_grey16(image: Image.Image) -> tuple[Bytes, Bytes | None]:
    levels = np.asarray(image).astype(np.uint32)  # (height, width)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        # Pillow undoes this for 8 bits, not for 16.
        levels = 65535 - levels
    # 65535 = 257 * 255, so the nearest of 256 levels is a division by 257.
    grey = ((levels + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        alpha = np.where(levels == transparent, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), alpha


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile and _colour_space(profile) == b"CMYK":
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError):
            # A broken profile; the picture itself is whole.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")
