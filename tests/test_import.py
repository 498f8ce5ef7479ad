"""`import mlp` is quick: what a program does not use is not loaded, and a part is loaded when it is named."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlp

HEAVY = {"matplotlib", "jinja2", "cupy", "PIL", "tqdm", "asyncio", "urllib.request", "safetensors", "torch"}
PARTS = [name for name in mlp.__all__ if not name.startswith("_") and name not in mlp.FUNCTIONS]

SCRIPTS = sorted((Path(__file__).parents[1] / "scripts").glob("*.py"))


def loaded_by(code: str) -> set[str]:
    """Return the names of all modules that a new process has loaded after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_import_loads_no_part() -> None:
    assert {name for name in loaded_by("import mlp") if name.startswith("mlp")} == {"mlp", "mlp.version"}


def test_no_part_but_plotting_loads_heavy_packages() -> None:
    loaded = loaded_by("import mlp; " + "; ".join(f"mlp.{name}" for name in PARTS))
    assert {f"mlp.{name}" for name in PARTS} <= loaded
    assert not loaded & HEAVY


def test_commands_load_matplotlib_when_they_draw() -> None:
    commands = ("train", "evaluate", "predict", "compare", "reproduce", "check", "data")
    code = "; ".join(f"import mlp.commands.{command}" for command in commands)
    assert not loaded_by(code) & {"matplotlib", "jinja2", "cupy"}


def test_the_first_figure_loads_matplotlib() -> None:
    assert "matplotlib" not in loaded_by("import mlp; mlp.plotting.FORMATS")
    assert "matplotlib" in loaded_by("import mlp; mlp.plotting.lines")


def test_every_name_of_plotting_is_found() -> None:
    assert all(callable(getattr(mlp.plotting, name)) for name in mlp.plotting.__all__ if name != "FORMATS")
    assert not set(mlp.plotting.__all__) & mlp.plotting.HOMES.keys()  # a module would hide the function
    with pytest.raises(AttributeError, match="module 'mlp.plotting' has no attribute 'line'"):
        _ = mlp.plotting.line


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_what_is_there(script: Path) -> None:
    """Most scripts run in a slow test, if at all; a name that has moved shows here."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "mlp":
            module = importlib.import_module(node.module or "")
            missing = [a.name for a in node.names if not hasattr(module, a.name)]
            assert not [m for m in missing if importlib.util.find_spec(f"{node.module}.{m}") is None], node.module
        elif isinstance(node, ast.ImportFrom) and script.with_name(f"{node.module}.py") in SCRIPTS:
            there = names_of(script.with_name(f"{node.module}.py"))
            assert {a.name for a in node.names} <= there, node.module


def names_of(script: Path) -> set[str]:
    """Return the names that a script defines or imports at its top level."""
    found = set()
    for node in ast.parse(script.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {a.asname or a.name for a in node.names}
        else:
            found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'mlp' has no attribute 'layer': did you mean layers?"):
        _ = mlp.layer
    assert set(mlp.__all__) <= set(dir(mlp))


def test_threads_of_products_sleep_unless_the_user_says_otherwise() -> None:
    code = "import mlp, os; print(os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    for given, expected in ({}, "16"), ({"OPENBLAS_THREAD_TIMEOUT": "26"}, "26"):
        environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"} | given
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == expected
