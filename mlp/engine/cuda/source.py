"""The source of the kernels: a file for each family, joined into one text before it is compiled.

    python -m mlp.engine.cuda.source > kernels.cu       # what is compiled, as one file
    nvcc -arch=sm_90 -cubin kernels.cu                  # it needs no header and no option

Lines such as `#line 1 "convolution.cuh"` let the compiler name the file and the line of a mistake.
"""

from pathlib import Path

FOLDER = Path(__file__).with_name("kernels")
FAMILIES = (  # each may use those before it
    "basics",
    "tensor_cores",
    "tiles",
    "convolution",
    "weight_gradient",
    "columns",
    "normalization",
    "pointwise",
    "pooling",
    "concatenation",
    "head",
    "statistics",
    "update",
    "batches",
)
OPTIONS = ("-std=c++17",)  # for the compiler; CuPy adds its own


def joined_source() -> str:
    """Return the kernels of all families as one text of CUDA C++."""
    names = [f"{family}.cuh" for family in FAMILIES]
    return "\n".join(f'#line 1 "{name}"\n{(FOLDER / name).read_text(encoding="utf-8")}' for name in names)


if __name__ == "__main__":
    print(joined_source(), end="")
