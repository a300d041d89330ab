"""An ONNX file for other runtimes: written, loaded again and compared before it appears."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

from keras_inpaint.export.exportable import check_exportable, file_size
from keras_inpaint.export.targets import check_libraries, file_to_write
from keras_inpaint.files import atomic_write
from keras_inpaint.inpainting import Inpainter
from keras_inpaint.inpainting.exported import describe
from keras_inpaint.inpainting.onnx_generator import (
    DESCRIPTION_KEY,
    OnnxGenerator,
)
from keras_inpaint.layers.contextual_attention import attention_at_once
from keras_inpaint.presets.reading import ONNX_SUFFIX
from keras_inpaint.version import __version__

# ONNX Runtime reads it from version 1.12 (2022) on.
OPSET = 17
_DIMENSIONS = ("num", "height", "width")


def export_onnx(inpainter: Any, path: str | PathLike[str]) -> Path:
    """Writes an inpainter as one ONNX file, for ONNX Runtime, OpenVINO or a browser.

    All that `keras_inpaint.Inpainter` does around its generator is part of the graph, as in
    `serving_default` of `keras_inpaint.export_saved_model`: pictures of any size and number go
    in, known pixels come back bit for bit, each picture is seen as a whole. The operations are
    those of ONNX's opset 17.

    - Inputs: `images`, uint8 of shape `(num, height, width, 3)`, and `masks`, uint8 of shape
      `(num, height, width, 1)`, above 127 in the hole, or zeros and ones. A mask of one value
      has no hole. Of a guided generator also `sketches`, like `masks`: above 127 on the lines,
      of which those in the hole count; all zeros draw nothing.
    - Outputs: `completed`, uint8 like `images`, and `predicted`, the same at known pixels too
      as the network sees them, to blend at the edge of the hole.

    ONNX has no assertions: the graph refuses nothing that a SavedModel would, ambiguous masks
    are cut above 127, and there is no limit of pixels. Attention takes all positions at once,
    so that memory grows with the square of the pixels (0.3 GB at 512 x 512, 16 times as much at
    1024 x 1024). `keras_inpaint.Inpainter.from_onnx` has limits, and windows for large photos.

    The file appears once ONNX Runtime has loaded it and repeated the inpainter to one level of
    255; else nothing is left. Its metadata describe the inpainter, as JSON.

    Args:
        inpainter: `keras_inpaint.Inpainter` of a generator for colour pictures.
        path: str or path of the file, which ends in `.onnx`. One that is there is replaced.

    Returns:
        Path of the file.

    Raises:
        ModuleNotFoundError: If the extra `onnx` is not installed.
        OSError: If the file cannot be written, or its disk is full.
        ValueError: If the backend is not TensorFlow, the pictures have other than 3 channels,
            the name ends otherwise, or the file fills other than the inpainter.
    """
    check_exportable(inpainter, "An ONNX file", "--format onnx --output NAME.onnx")
    path = file_to_write(path, ONNX_SUFFIX)
    check_libraries("onnx")
    # Not before: where there is no TensorFlow, the messages above say what to do.
    from keras_inpaint.export.parity import check_filling

    with atomic_write(path, size=file_size(inpainter)) as draft:
        draft.write_bytes(_convert(inpainter))
        exported = OnnxGenerator(draft, ["CPUExecutionProvider"])
        around = Inpainter(exported, corruption=exported.corruption)

        def fill_around(photos: Any, masks: Any, sketches: Any = None) -> Any:
            return around.inpaint_batch(photos, masks, sketches=sketches)

        check_filling(
            inpainter,
            [lambda *pictures: exported.fill(*pictures)["completed"], fill_around],
        )
    return path


def _convert(inpainter: Any) -> bytes:
    import onnx
    import tensorflow as tf
    import tf2onnx

    from keras_inpaint.export.signatures import Signatures, picture_specs

    specs = picture_specs(inpainter.generator)
    fill = tf.function(Signatures(inpainter).fill)
    try:
        # The converter fails at the loop of attention in blocks.
        with attention_at_once():
            model, _ = tf2onnx.convert.from_function(
                fill, input_signature=specs, opset=OPSET, custom_rewriter=[_dilate]
            )
        # What the converter does not know, it leaves as it is.
        onnx.checker.check_model(model)
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"The network cannot be written as ONNX of opset {OPSET}: {reason}. "
            f"Received: {inpainter!r}"
        ) from error
    model.producer_name, model.producer_version = "keras_inpaint", __version__
    model.graph.name = inpainter.name
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        for dimension, name in zip(dimensions, _DIMENSIONS, strict=False):
            dimension.dim_param = name
    description = {"name": inpainter.name, **describe(inpainter)}
    if description["attention"]:
        description["attention"]["memory"] = None
    onnx.helper.set_model_props(model, {DESCRIPTION_KEY: json.dumps(description)})
    content: bytes = model.SerializeToString()
    return content


def _dilate(graph: Any, nodes: Any) -> Any:
    """Makes dilated convolutions of what TensorFlow makes of them.

    On processors, TensorFlow brings the pixels that a dilated kernel meets together, convolves,
    and puts them back. Where sizes are unknown, the converter would write all of that out.

    Args:
        graph: Graph of tf2onnx.
        nodes: list of its nodes.

    Returns:
        list of the nodes that there are then.
    """
    for last in nodes:
        chain = _dilated(graph, last)
        if chain is None:
            continue
        first, convolution, rates, margins = chain
        graph.replace_inputs(convolution, [first.input[0], convolution.input[1]])
        graph.copy_shape(last.output[0], convolution.output[0])
        graph.replace_all_inputs(last.output[0], convolution.output[0])
        convolution.set_attr("dilations", [1, *rates, 1])
        convolution.set_attr("padding", "EXPLICIT")
        sides = [side for margin in margins for side in (margin, margin)]
        convolution.set_attr("explicit_paddings", [0, 0, *sides, 0, 0])
    return graph.get_nodes()


def _dilated(graph: Any, last: Any) -> tuple[Any, Any, list[int], list[int]] | None:
    """The parts, rates and margins of a dilated convolution of the padding "same"."""
    convolution = last.inputs[0] if last.type == "BatchToSpaceND" else None
    if convolution is None or convolution.type != "Conv2D":
        return None
    first = convolution.inputs[0]
    if first.type != "SpaceToBatchND" or first.inputs[2].type != "Pack":
        return None
    rates = first.inputs[1].get_tensor_value(as_list=True)
    sizes = graph.get_shape(convolution.input[1])[:2]
    margins = [rate * (size - 1) // 2 for rate, size in zip(rates, sizes, strict=True)]
    predecessors = [pair.inputs[0] for pair in first.inputs[2].inputs if pair.type == "Pack"]
    known = [int(each.get_tensor_value()) for each in predecessors if each.is_const()]
    is_same = known == margins and all(size % 2 for size in sizes)
    return (first, convolution, rates, margins) if is_same else None
