"""`keras-inpaint serve`: an HTTP server over a preset or an exported model."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_inpaint.cli import presets
from keras_inpaint.cli.console import quiet_start
from keras_inpaint.cli.options import size_in_bytes

KEY_VARIABLE = "KERAS_INPAINT_API_KEY"
ENGINES = ("uvicorn", "ray")
_MOST_NETWORKS = 4
_WHAT = {
    "--model": "the folder of an exported model, or an ONNX file, as `keras-inpaint export` "
    "writes them",
    "--api-key-file": "a file that holds the key",
}


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "serve",
        help="answer over HTTP",
        description="Answers over HTTP with a preset or an exported model: a page to paint on "
        "at /, photos at /inpaint, the REST dialect of TensorFlow Serving at /v1, the Open "
        "Inference Protocol at /v2. SIGTERM ends it once the requests under way are answered.",
        epilog=f"Clients must send the key that the environment variable {KEY_VARIABLE}, or "
        "--api-key-file, holds. What each limit answers is said in docs/serving.md.",
    )
    presets.add_preset(parser)
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER|FILE.onnx",
        help="an exported model instead of a preset, such as saved_models/NAME; a newer "
        "version is loaded when it appears",
    )
    parser.add_argument("--name", help="what requests call the model (default: its own name)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8501, help="(default: %(default)s)")
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="holds the key")
    parser.add_argument(
        "--device", help="cpu, gpu, or gpu:1 and so on (default: what the backend chooses)"
    )
    _add_engine(parser)
    _add_limits(parser)
    parser.set_defaults(run=run)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("several machines")
    group.add_argument(
        "--engine",
        choices=ENGINES,
        default="uvicorn",
        help="one process, or those of a Ray cluster (default: %(default)s)",
    )
    group.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of the Ray cluster, such as auto (default: one is started on this machine)",
    )
    group.add_argument(
        "--max-networks",
        type=int,
        metavar="N",
        help="processes with a network at most; there are as many as the load asks for "
        f"(default: {_MOST_NETWORKS})",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    for name, kind, metavar, text in (
        ("max-body", size_in_bytes, "SIZE", "body of a request (default: 64M)"),
        ("max-json", size_in_bytes, "SIZE", "body of JSON (default: 32M)"),
        ("max-pixels", int, "N", "pixels of a request's pictures (default: 67108864)"),
        ("memory-limit", size_in_bytes, "SIZE", "memory for filling (default: half of all)"),
        ("max-requests", int, "N", "requests worked on or waiting (default: 32)"),
        ("max-batch-size", int, "N", "pictures that the network sees at once (default: 4)"),
        ("batch-wait", float, "MS", "milliseconds to wait for a batch (default: 5)"),
        ("timeout", float, "SECONDS", "time of a request (default: 120)"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar=metavar, help=text)


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    _check_files(arguments)
    with quiet_start():
        from keras_inpaint.serving import Limits, listening
        from keras_inpaint.serving.sources import choose_source

    limits = Limits(**_limits(arguments))
    key = listening.read_key(os.environ.get(KEY_VARIABLE), arguments.api_key_file)
    model = (arguments.preset, arguments.model, arguments.name)
    choose_source(*model)
    cluster = _cluster(arguments)
    if cluster is None:
        listening.check_device(arguments.device)
    else:
        listening.check_on_ray(arguments.port, **cluster)
    # It is bound again: one that is taken is told before anything is loaded.
    listening.bound(arguments.host, arguments.port).close()
    wanted = (*model, limits, key, arguments.host, arguments.port)
    if cluster is not None:
        _serve_on_ray(wanted, {**cluster, "address": arguments.address})
        return 0
    with quiet_start():
        from keras_inpaint.serving import server

        server.use_device(arguments.device)
    server.serve(*wanted)
    return 0


def _check_files(arguments: argparse.Namespace) -> None:
    """Refuses what is not there, before Keras is loaded."""
    if arguments.model is None:
        presets.check_preset(arguments.preset)
    for name, path in zip(_WHAT, (arguments.model, arguments.api_key_file), strict=True):
        if path is not None and not path.exists():
            raise FileNotFoundError(
                f"{name} must name {_WHAT[name]}; there is nothing of this name. "
                f"Received: {name}={str(path)!r}"
            )


def _cluster(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """What holds for the engine ray alone, and is refused of the other."""
    if arguments.engine == "ray":
        most = arguments.max_networks
        return {
            "device": arguments.device,
            "max_networks": _MOST_NETWORKS if most is None else most,
        }
    for name, value in (
        ("--address", arguments.address),
        ("--max-networks", arguments.max_networks),
    ):
        if value is not None:
            raise ValueError(
                f"{name} is for the engine ray: add --engine ray. Received: {value}"
            )
    return None


def _serve_on_ray(wanted: Sequence[Any], cluster: dict[str, Any]) -> None:
    from keras_inpaint.inpainting.on_ray import check_address, check_ray

    check_address(cluster["address"])
    check_ray()
    from keras_inpaint.serving.on_ray import serve_on_ray

    serve_on_ray(*wanted, **cluster)


def _limits(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        "max_body": arguments.max_body,
        "max_json": arguments.max_json,
        "max_pixels": arguments.max_pixels,
        "memory": arguments.memory_limit,
        "max_requests": arguments.max_requests,
        "max_batch_size": arguments.max_batch_size,
        "batch_wait": None if arguments.batch_wait is None else arguments.batch_wait / 1000,
        "timeout": arguments.timeout,
    }
    return {name: value for name, value in given.items() if value is not None}
