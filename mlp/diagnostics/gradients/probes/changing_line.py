"""The line after which an array is another one: who changes the inputs in place, and by which name.

The code is run once more, line by line, and the array is looked at before each line of the user's own functions. The
first line after which it has changed is the one, wherever it stands: in forward, or in a function that forward calls.
"""

import ast
import linecache
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from mlp.diagnostics.gradients.diagnoses.exceptions import is_own
from mlp.diagnostics.gradients.probes.tracing import traced
from mlp.diagnostics.gradients.repairs.search.moves import head
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

KEEP = "work on a copy (x = x.copy(), or out-of-place operations)"
ITSELF = ("forward", "backward", "__call__")  # functions that need not be named

LineOfFile = tuple[str, str, int]  # file, function, line


def told_in_place(note: str, array: Array, before: Array, run: Callable[[], Any]) -> str:
    """Return a sentence: what is changed in place, in which line, and what to write there.

    Args:
        note: says what is changed. array, before: what is changed when `run` is called, and what it held before.
    """
    array[...] = before
    place = first_change(array, run)
    array[...] = before
    statements = [] if place is None else statements_of(place)
    if place is None or not statements:
        return f"{note}: {KEEP}"
    line = statements[-1]
    where = f"in line {line.lineno}, `{head(line)}`"
    if place[1] not in ITSELF:
        where += f" of `{place[1]}`"
    name = changed_name(line)
    other = next((one for one in reversed(statements[:-1]) if name and is_assigned(one, name)), None)
    if other is None:
        return f"{note}, {where}: {KEEP}"
    assert isinstance(other, ast.Assign)
    right = f"{name} = {ast.unparse(other.value)}.copy()"
    text = f"in line {other.lineno}, `{head(other)}` makes no new array, only another name for the same one"
    return f"{note}, {where}: {text}; write `{right}`, or work out of place"


def first_change(array: Array, run: Callable[[], Any]) -> LineOfFile | None:
    """Return the line of the user's own code after which an array has changed, the first of them."""
    before, last, found = array.tobytes(), [("", "", 0)], list[LineOfFile]()

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        if not found and event in ("line", "return"):
            if array.tobytes() != before:
                found.append(last[0])
            here = frame.f_back if event == "return" else frame
            if here is not None and is_own(Path(here.f_code.co_filename)):
                last[0] = (here.f_code.co_filename, here.f_code.co_name, here.f_lineno)
        return inside

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        return inside if event == "call" and is_own(Path(frame.f_code.co_filename)) else None

    with traced(watch), suppress(*OWN_ERRORS):
        run()
    return found[0] if found and found[0][2] else None


def statements_of(place: LineOfFile) -> list[ast.stmt]:
    """Return the statements of a function up to the one at a line; none if there is no source."""
    file, name, number = place
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    around = [node for node in functions if covers(node, number)]
    lines = [one for function in around[-1:] for one in statements_in(function) if one.lineno <= number]
    return sorted(lines, key=lambda one: one.lineno)


def covers(node: ast.stmt, number: int) -> bool:
    """Return whether a statement holds a line."""
    return node.lineno <= number <= (node.end_lineno or node.lineno)


def statements_in(function: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements inside a function."""
    return (node for node in ast.walk(function) if isinstance(node, ast.stmt) and node is not function)


def changed_name(line: ast.stmt) -> str:
    """Return the name of the array that a line changes in place, as code: x[...] = ..., x *= ..., f(..., out=x)."""
    node: ast.expr | None = None
    if isinstance(line, ast.AugAssign):
        node = line.target
    elif isinstance(line, ast.Assign | ast.Expr) and isinstance(line.value, ast.Call):
        node = next((one.value for one in line.value.keywords if one.arg == "out"), None)
    if node is None and isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Subscript):
        node = line.targets[0]
    if node is None and isinstance(line, ast.Expr) and isinstance(line.value, ast.Call):
        func, arguments = line.value.func, line.value.args  # x.sort(), np.copyto(x, ...)
        of_module = isinstance(func, ast.Attribute) and ast.unparse(func).startswith(("np.", "numpy."))
        node = func.value if isinstance(func, ast.Attribute) and not of_module else next(iter(arguments), None)
    while isinstance(node, ast.Subscript):
        node = node.value
    return "" if node is None else ast.unparse(node)


def is_assigned(line: ast.stmt, name: str) -> bool:
    """Return whether a line gives a name to something: NAME = ..."""
    return isinstance(line, ast.Assign) and any(ast.unparse(target) == name for target in line.targets)
