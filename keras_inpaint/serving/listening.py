"""Where a server listens, for whom and on what: refused before Keras is loaded."""

import ipaddress
import logging
import re
import socket
from pathlib import Path

_LOG = logging.getLogger(__name__)
_DEVICE = re.compile(r"cpu|gpu(?::\d+)?")


def warn_of_no_key(key: str | None, host: str) -> None:
    """Warns where other machines can send requests, and nobody asks for a key."""
    if key is None and not _is_loopback(host):
        _LOG.warning(
            "Anybody who reaches %s can send requests: there is no key. Set "
            "KERAS_INPAINT_API_KEY, or use --api-key-file.",
            host,
        )


def bound(host: str, port: int) -> socket.socket:
    """Returns a socket of an address.

    Raises:
        OSError: If it is taken, or there is no such address.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"The server cannot listen on this address: {reason}. Choose another --port or "
            f"--host. Received: {host}:{port}"
        ) from error
    return listening


def read_key(environment: str | None, file: Path | None) -> str | None:
    """Returns the key that clients must send, from the environment or a file.

    Args:
        environment: str or `None`. What `KERAS_INPAINT_API_KEY` holds.
        file: Path or `None`. A file that holds the key alone.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If there are two keys, or one that no header can carry.
    """
    if file is None:
        key, origin = environment, "KERAS_INPAINT_API_KEY"
    elif environment is not None:
        raise ValueError(
            "The key must come from KERAS_INPAINT_API_KEY or --api-key-file, not from both. "
            "Unset one of them."
        )
    else:
        key, origin = file.read_text(encoding="utf-8").strip(), f"--api-key-file {file}"
    if key is not None and not re.fullmatch(r"[!-~]+", key):
        raise ValueError(
            f"The key must be of letters, digits and signs of ASCII, without spaces, at least "
            f"one. Received: {len(key)} characters from {origin}"
        )
    return key


def check_device(device: str | None) -> None:
    """Refuses what is no name of a device, whatever the machine has.

    Raises:
        ValueError: If it is another one than `use_device` knows.
    """
    if device is not None and not _DEVICE.fullmatch(device):
        raise ValueError(
            "`--device` must be cpu, gpu, or one of several such as gpu:1. "
            f"Received: {device!r}"
        )


def check_on_ray(port: int, device: str | None, max_networks: int) -> None:
    """Refuses arguments that `serve_on_ray` cannot take, whatever the cluster is.

    Raises:
        ValueError: If there is no such port, number of networks, or kind of device.
    """
    if not 1 <= port < 2**16:
        raise ValueError(
            f"With the engine 'ray', `port` must be one from 1 to 65535. Received: {port}"
        )
    if device not in (None, "cpu", "gpu"):
        raise ValueError(
            "With the engine 'ray', `device` must be cpu or gpu: Ray gives each network a GPU "
            f"of its own. Received: {device!r}"
        )
    if max_networks < 1:
        raise ValueError(
            f"`max_networks` must be at least 1. Received: max_networks={max_networks}"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
