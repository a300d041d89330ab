"""What a process has taken of the memory."""

import resource
import sys


def peak_memory():
    """The largest memory that the process has had so far, in MB (10^6 bytes)."""
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
