"""The documentation of a user's own layer: the text, and the formulas `name = expression` in it.

Mathematics is not Python: h' and h_t are the next h, ^ is a power, and a space between two names multiplies.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlp.diagnostics.gradients.styles.functions import FunctionPair

FORMULA = re.compile(r"^\s*([A-Za-z_]\w*)'*\s*(?:<-|=)\s*([^=<>]+)$")
FUNCTIONS = r"sigmoid|tanh|exp|log|sqrt|abs|max|min|maximum|minimum|relu|softmax|sum|mean|var|sin|cos|sign"
PRODUCT = re.compile(rf"(?<![\w.])(?!(?:{FUNCTIONS})\b)(\w+|\)) (?=[\w(])")


@dataclass(frozen=True)
class DocumentedFormula:
    """One formula of the documentation.

    Attributes:
        target: the name before the equals sign. value: the expression. text: how it is written.
    """

    target: str
    value: ast.expr
    text: str


def documentation_of(owner: Any) -> str:
    """Return what the user has written about an object and its forward, or about the first of two functions."""
    if isinstance(owner, FunctionPair):
        return inspect.getdoc(owner.functions[0]) or ""
    own = vars(type(owner)).get("__doc__") or ""
    forward = next((one for name in ("forward", "__call__") if (one := vars(type(owner)).get(name))), None)
    return f"{inspect.cleandoc(own)}\n{getattr(forward, '__doc__', '') or ''}\n{text_of_file(type(owner))}"


def text_of_file(kind: type) -> str:
    """Return what stands at the top of a class's file, if the class is the only one there."""
    module = inspect.getmodule(kind)
    there = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == kind.__module__]
    return (inspect.getdoc(module) or "") if there == [kind] else ""


def formulas_in(text: str) -> Iterator[DocumentedFormula]:
    """Yield the formulas of a text, one a line or several with semicolons or wide gaps between them."""
    for line in text.splitlines():
        for part in re.split(r";|,\s{2,}|\s{3,}|,(?=\s*[A-Za-z_]\w*'*\s*=)", line.strip().rstrip(".,")):
            found = FORMULA.match(without_steps(part))
            value = None if found is None else as_python(found.group(2))
            if found is not None and value is not None:
                yield DocumentedFormula(found.group(1), value, part.strip())


def without_steps(text: str) -> str:
    """Return a formula without primes and steps: h for h', h_t, h_{t-1}, h[t - 1] and h_prev."""
    text = re.sub(r"(?<=\w)'+|_\{[^{}]*\}|\[t( ?[-+] ?1)?\]", "", text)
    return re.sub(r"(?<=[A-Za-z])_(t|prev|new|old|next|0|1)\b", "", text)


def as_python(text: str) -> ast.expr | None:
    """Return an expression of mathematics as a node; None if it is none."""
    plain = without_steps(text.strip()).replace("^", "**").replace("@", "*").replace("·", "*")
    for code in (plain, PRODUCT.sub(r"\1 * ", plain)):
        try:
            return ast.parse(code, mode="eval").body
        except SyntaxError:
            continue
    return None
