"""Seconds of one filling on each runtime that an inpainter can be exported to.

    python benchmarks/runtimes.py FOLDER [--preset photos-128] [--sizes 256 512]
        [--rounds 7] [--threads 1] [--onnx FILE [--invert-mask]]

The exports are written into FOLDER, where they are not there yet. The same picture goes in and
its filling comes back, in bytes, on the same number of threads; all runtimes take turns, so
that what else the machine does disturbs all alike. `--onnx` names another ONNX file to stand
beside them, such as a published model: its inputs are made from their shapes and types,
pictures in NCHW or NHWC; `--invert-mask` is for those whose masks mark what is known.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import onnxruntime
import openvino
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from timing import interleaved, milliseconds, ratio

from keras_inpaint import Inpainter, export_litert, export_onnx, export_saved_model

KERAS = "Keras on TensorFlow"


def picture(size):
    """A photo with a hole of a quarter of its sides, and the mask."""
    rows, columns = np.mgrid[:size, :size]
    photo = np.stack([rows, columns, rows + columns], axis=-1) * 255 // (2 * size)
    mask = np.zeros((1, size, size, 1), np.uint8)
    mask[:, size // 4 : size // 2, size // 4 : size // 2] = 255
    return photo[None].astype(np.uint8), mask


def export(inpainter, folder, sizes):
    """Writes what is missing, and returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx, saved = folder / "model.onnx", folder / "saved_model"
    if not onnx.exists():
        export_onnx(inpainter, onnx)
    if not saved.exists():
        export_saved_model(inpainter, saved)
    litert = {size: folder / f"model-{size}.tflite" for size in sizes}
    for size, path in litert.items():
        if not path.exists():
            export_litert(inpainter, path, (size, size))
    return onnx, saved / "1", litert


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def runtimes(inpainter, paths, threads):
    """Functions of a size that return functions of a photo and a mask, by runtime."""
    onnx, saved, litert = paths
    signatures = tf.saved_model.load(str(saved)).signatures
    runtime = session(onnx, threads)
    core = openvino.Core()
    # Processors with instructions for bfloat16 would be given it otherwise.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(str(onnx), "CPU", settings)

    def on_saved_model(photos, masks):
        tensors = {"images": tf.constant(photos), "masks": tf.constant(masks)}
        return signatures["serving_default"](**tensors)["completed"].numpy()

    def on_onnx_runtime(photos, masks):
        return runtime.run(["completed"], {"images": photos, "masks": masks})[0]

    def on_openvino(photos, masks):
        return compiled({"images": photos, "masks": masks})["completed"]

    def on_litert(size):
        interpreter = Interpreter(str(litert[size]), num_threads=threads)
        interpreter.allocate_tensors()
        run = interpreter.get_signature_runner()
        return lambda photos, masks: run(images=photos, masks=masks)["completed"]

    return {
        KERAS: lambda size: inpainter.inpaint_batch,
        "SavedModel": lambda size: on_saved_model,
        "ONNX Runtime": lambda size: on_onnx_runtime,
        "OpenVINO": lambda size: on_openvino,
        "LiteRT": on_litert,
    }


def another(path, threads, is_inverted):
    """A function of a photo and a mask that runs an ONNX file whose inputs are not known."""
    runtime = session(path, threads)

    def fed(value, photos, masks):
        holes = 255 - masks if is_inverted else masks
        channels_first = value.shape[1] in (1, 3, 4)
        channels = value.shape[1 if channels_first else 3]
        pixels = {1: holes, 3: photos, 4: np.concatenate([photos, holes], axis=-1)}[channels]
        if "float" in value.type:
            pixels = pixels.astype(np.float32) / 255
        pixels = np.moveaxis(pixels, -1, 1) if channels_first else pixels
        return np.ascontiguousarray(pixels)

    def run(photos, masks):
        inputs = {value.name: fed(value, photos, masks) for value in runtime.get_inputs()}
        return runtime.run(None, inputs)[0]

    return run


def measure(makers, other, size, rounds):
    """Prints one line for each runtime."""
    photos, masks = picture(size)
    fills = {name: make(size) for name, make in makers.items()}
    wanted = fills[KERAS](photos, masks).astype(int)
    off = {name: np.abs(fill(photos, masks) - wanted).max() for name, fill in fills.items()}
    if other is not None:
        fills[other[0]] = other[1]
    times = interleaved(
        {name: (lambda fill=fill: fill(photos, masks)) for name, fill in fills.items()}, rounds
    )
    for name in fills:
        seconds, share = milliseconds(times, name) / 1000, ratio(times, name, KERAS)
        print(f"| {size} | {name} | {seconds:.2f} | {share:.2f} | {off.get(name, '-')} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="photos-128")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--onnx", type=Path, metavar="FILE")
    parser.add_argument("--invert-mask", action="store_true")
    arguments = parser.parse_args()

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    inpainter = Inpainter.from_preset(arguments.preset)
    paths = export(inpainter, arguments.folder, arguments.sizes)
    makers = runtimes(inpainter, paths, arguments.threads)
    other = None
    if arguments.onnx is not None:
        run = another(arguments.onnx, arguments.threads, arguments.invert_mask)
        other = arguments.onnx.name, run
    print("| pixels | runtime | seconds | times Keras | levels off |")
    print("|---:|---|---:|---:|---:|")
    for size in arguments.sizes:
        measure(makers, other, size, arguments.rounds)


if __name__ == "__main__":
    main()
