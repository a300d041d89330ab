"""Prints flags with which XLA compiles sooner what the tests run once or twice.

XLA ends a process for a flag that it does not know, which another version may not: processes
of their own try them, and nothing is printed where one fails.
"""

import os
import subprocess
import sys

# Kernels by the older and plainer of its two emitters, and all of a program's by one thread.
FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
# Each library brings an XLA of its own.
TRIALS = (
    "import jax; jax.jit(jax.numpy.sin)(1.0)",
    "import tensorflow as tf; tf.function(tf.sin, jit_compile=True)(1.0)",
)


def runs(program: str) -> bool:
    environment = {**os.environ, "XLA_FLAGS": FLAGS, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True).returncode == 0


if __name__ == "__main__":
    print(FLAGS if all(map(runs, TRIALS)) else "")
