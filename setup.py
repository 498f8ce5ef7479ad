"""The package `mlp`: textbook deep learning on NumPy, with CuPy as an extra for CUDA GPUs."""

from pathlib import Path
from runpy import run_path

from setuptools import find_packages, setup

INTEROP = ["safetensors>=0.4"]
TENSORBOARD = ["tensorboardX>=2.6", "tensorboard>=2.16"]  # the writer and the viewer
LESSONS = ["nbclient>=0.10", "nbformat>=5.10", "ipykernel>=6.29", "nbconvert>=7.16", "math-core>=0.9"]
TEST = ["pytest>=8", "pytest-xdist>=3.6", "setuptools>=70.1", "hypothesis>=6.100", *INTEROP, *LESSONS]

setup(
    name="mlp",
    version=run_path("mlp/version.py")["__version__"],
    license="MIT",
    license_files=["LICENSE"],
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    description="A deep-learning framework written by hand on NumPy, to see why deep networks fail to train",
    python_requires=">=3.11",
    packages=find_packages(include=["mlp", "mlp.*"]),
    package_data={
        "mlp": ["py.typed"],
        "mlp.engine.cuda": ["kernels/*.cuh"],
        "mlp.reproduction.cluster": ["array.sh"],
        "mlp.pages": ["style.css", "templates/*"],
    },
    # Editable installs as a path: otherwise a clone that is called mlp hides the package from its parent folder.
    options={"editable_wheel": {"mode": "compat"}},
    entry_points={"console_scripts": ["mlp=mlp.__main__:main"]},
    # Pillow, which reads pictures, comes with Matplotlib.
    install_requires=["numpy>=2.0", "matplotlib>=3.8", "jinja2>=3.1", "tqdm>=4.66", "threadpoolctl>=3.5"],
    extras_require={
        "cuda12x": ["cupy-cuda12x>=14,<15"],
        "cuda13x": ["cupy-cuda13x>=14,<15"],
        "interop": INTEROP,
        "lessons": LESSONS,
        "tensorboard": TENSORBOARD,
        "test": TEST,
        "oracle": [*TEST, *TENSORBOARD, "torch==2.13.0", "scipy>=1.11"],
        "docs": ["pdoc>=15"],
        "dev": [*TEST, "ruff>=0.8", "mypy>=1.18"],
    },
)
