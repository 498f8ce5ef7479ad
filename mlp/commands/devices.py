"""List what this machine can compute on: the CPU and its GPUs, or why no GPU can be used and how to fix that.

python scripts/devices.py                    # look
python scripts/devices.py --require-gpu      # exit status 1 unless cuda:0 can be used, for scripts
"""

from collections.abc import Sequence

import numpy as np

from mlp.backend import parse_device
from mlp.commands.command_line import CommandLine, spoken
from mlp.engine.cpu.blas import blas_kernels
from mlp.engine.cpu.threads import usable_cores
from mlp.machine.cuda_devices import gpu_problem, list_gpus
from mlp.machine.processor import cpu_model
from mlp.pages.markdown import aligned


def main(arguments: Sequence[str] | None = None) -> int:
    parser = CommandLine(__doc__)
    parser.add_argument("--require-gpu", action="store_true", help="exit status 1 unless cuda:0 can be used")
    options = parser.parse_args(arguments)
    threads = usable_cores()
    print(f"cpu     {cpu_model()}, {threads} {'thread' if threads == 1 else 'threads'} for this process")
    print(f"        NumPy {np.__version__}, {blas_kernels()} kernels")
    problem = gpu_problem()
    if problem:
        print(f"no GPU  {problem}")
        return 1 if options.require_gpu else 0
    print(gpu_table())
    print(spoken("\nTo use one: python scripts/train.py --device cuda:0 ..."))
    return 0


def gpu_table() -> str:
    """Return a table with a line for each GPU, and why it cannot be used, if so."""
    gpus = list_gpus()
    rows = [("device", "name", "memory free", "compute capability", "driver", "CuPy's CUDA", "")]
    for gpu in gpus:
        memory = f"{gpu.free / 1e9:.1f} of {gpu.total / 1e9:.1f} GB"
        problem = gpu_problem(parse_device(gpu.device) or 0) or ""
        rows.append((gpu.device, gpu.name, memory, gpu.capability, f"CUDA {gpu.driver}", gpu.runtime, problem))
    return aligned(rows, "<<<<<<<")
