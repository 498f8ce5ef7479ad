"""The nodes of a function's tree, and where each of them stands."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LONGEST = 80  # characters of a statement that are shown
Alternative = tuple[str, Any]  # what is wrong, and the node that would be right


@dataclass(frozen=True)
class Slot:
    """A node and where it stands."""

    parent: Any
    field: str
    index: int | None
    node: Any
    statement: str  # that it is a part of, as code

    def put(self, node: Any) -> None:
        """Let another node stand here."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def slots_of(tree: ast.FunctionDef) -> Iterator[Slot]:
    """Yield all nodes of the body with their places."""
    waiting: list[tuple[Any, str]] = [(statement, "") for statement in (tree,)]
    while waiting:
        parent, statement = waiting.pop(0)
        if isinstance(parent, ast.stmt):
            statement = ast.unparse(parent).partition("\n")[0][:LONGEST]
        for field, value in ast.iter_fields(parent):
            if field in ("args", "returns", "annotation") and isinstance(
                parent, ast.FunctionDef | ast.arguments | ast.arg
            ):
                continue
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, ast.AST) and not isinstance(node, ast.expr_context | ast.operator | ast.cmpop):
                    own = ast.unparse(node).partition("\n")[0][:LONGEST] if isinstance(node, ast.stmt) else statement
                    yield Slot(parent, field, index, node, own)
                    waiting.append((node, own))


def text_of(node: ast.AST) -> str:
    """Return a node as short code."""
    text = ast.unparse(node)
    return text if len(text) <= 40 else f"{text[:37]}..."


def parsed(text: str) -> Any:
    """Return the node of an expression."""
    return ast.parse(text, mode="eval").body
