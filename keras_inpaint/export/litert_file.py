"""LiteRT files for phones and small devices: each of one size, run and compared first."""

from os import PathLike
from pathlib import Path
from typing import Any

from keras_inpaint.export.exportable import check_exportable, file_size
from keras_inpaint.export.targets import (
    LITERT_SUFFIX,
    check_image_size,
    check_libraries,
    file_to_write,
)
from keras_inpaint.files import atomic_write
from keras_inpaint.layers.contextual_attention import attention_at_once


def export_litert(
    inpainter: Any,
    path: str | PathLike[str],
    image_size: tuple[int, int],
    float16: bool = False,
) -> Path:
    """Writes an inpainter as a LiteRT (TensorFlow Lite) file for pictures of one size.

    All that `keras_inpaint.Inpainter` does around its generator is part of the graph: its
    signature `serving_default` takes `images`, uint8 of shape `(1, height, width, 3)`, and
    `masks`, uint8 of shape `(1, height, width, 1)`, above 127 in the hole, or zeros and ones,
    and returns `completed`, uint8 like `images`, whose known pixels are those of `images` bit
    for bit. Of a guided generator it also takes `sketches`, like `masks`: above 127 on the
    lines, of which those in the hole count; all zeros draw nothing. The operations are
    LiteRT's own, without those of TensorFlow (Flex).

    LiteRT's graphs have one size: write a file for each that is needed. They have neither
    assertions, so that nothing is refused, nor decoders of picture files.

    The file appears once LiteRT has run it and repeated the inpainter to one level of 255; else
    nothing is left.

    Args:
        inpainter: `keras_inpaint.Inpainter` of a generator for colour pictures.
        path: str or path of the file, which ends in `.tflite`. One that is there is replaced.
        image_size: pair of ints. Height and width of the pictures; they need not divide.
        float16: bool. Whether weights are kept in half precision: half the size.

    Returns:
        Path of the file.

    Raises:
        ModuleNotFoundError: If the extra `litert` is not installed.
        OSError: If the file cannot be written, or its disk is full.
        ValueError: If the backend is not TensorFlow, the pictures have other than 3 channels,
            the name ends otherwise, `image_size` is no size, or the file fills other than the
            inpainter.
    """
    check_exportable(
        inpainter, "A LiteRT file", "--format litert --image-size HxW --output NAME.tflite"
    )
    path = file_to_write(path, LITERT_SUFFIX)
    height, width = check_image_size(image_size)
    check_libraries("litert")
    # Not before: where there is no TensorFlow, the messages above say what to do.
    from keras_inpaint.export.parity import check_filling

    with atomic_write(path, size=file_size(inpainter)) as draft:
        draft.write_bytes(_convert(inpainter, (height, width), float16))
        check_filling(inpainter, [_filler(draft)], [(1, height, width)])
    return path


def _convert(inpainter: Any, size: tuple[int, int], float16: bool) -> bytes:
    import tensorflow as tf

    from keras_inpaint.export.signatures import Signatures, picture_specs

    signatures = Signatures(inpainter)

    def fill(images: Any, masks: Any, sketches: Any = None) -> dict[str, Any]:
        return {"completed": signatures.fill(images, masks, sketches)["completed"]}

    specs = picture_specs(inpainter.generator, (1, *size))
    try:
        with attention_at_once():
            function = tf.function(fill, input_signature=specs).get_concrete_function()
        # With what holds the variables: without it, the converter would drop them.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], signatures)
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content: bytes = converter.convert()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"The network cannot be written for LiteRT: {reason}. Received: {inpainter!r}"
        ) from error
    return content


def _filler(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))

    def fill(*pictures: Any) -> Any:
        run = interpreter.get_signature_runner("serving_default")
        names = ("images", "masks", "sketches")[: len(pictures)]
        return run(**dict(zip(names, pictures, strict=True)))["completed"]

    return fill
