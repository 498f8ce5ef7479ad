"""The nodes of a function's tree, and where each of them stands."""

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

LONGEST = 110  # characters of a statement that are shown
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
OF_ONE_PLACE = re.compile(
    r"the (?:factor|term|division by) `([^`]+)` is one too many$"
    r"|(?:divided|multiplied) by `([^`]+)`, and must be [^`]+$"
)
Alternative = tuple[str, Any]  # what is wrong, and the node that would be right


def own_names(name: str, text: str) -> list[str]:
    """Return all places of a name in code."""
    return re.findall(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)


@dataclass(frozen=True)
class Slot:
    """A node and where it stands."""

    parent: Any
    field: str
    index: int | None
    node: Any
    statement: str  # that it is a part of, as code
    line: int  # of the statement, in its file
    whole: Any = None  # the statement itself

    def put(self, node: Any) -> None:
        """Let another node stand here."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node

    def told(self, text: str, node: Any) -> str:
        """Return what is wrong, while another node stands here; with more of the line if it has several such names."""
        found = OF_ONE_PLACE.match(text)
        if found and len(own_names(found[1] or found[2], self.statement)) > 1:
            own = ast.unparse(self.node)
            return f"{text}: `{ast.unparse(node)}` for `{own}`" if self.statement.count(own) == 1 else text
        if not isinstance(self.node, ast.Name | ast.Attribute) or not isinstance(self.parent, ast.expr):
            return text
        own = ast.unparse(self.node)
        lacks = text.endswith(f" is missing in `{own}`")
        if len(own_names(own, self.statement)) < 2 or not (lacks or text.startswith(f"`{own}` stands where")):
            return text
        if lacks:
            return f"{text}{self.place(own)}"
        new = ast.unparse(self.parent)
        self.put(self.node)
        old = ast.unparse(self.parent)
        self.put(node)
        return f"{text}: `{new}` for `{old}`" if self.statement.count(old) == 1 else f"{text}{self.place(own)}"

    def place(self, own: str) -> str:
        """Return which of several equal names in a statement is meant."""
        now = getattr(self.parent, self.field)
        now = now if self.index is None else now[self.index]
        self.put(ast.Name("here_", ast.Load()))
        before = "" if self.whole is None else ast.unparse(self.whole).partition("here_")[0]
        self.put(now)
        k = len(own_names(own, before))
        return f" (the {ORDINALS[k]} `{own}` of the line)" if before and k < len(ORDINALS) else ""


def slots_of(tree: ast.FunctionDef) -> Iterator[Slot]:
    """Yield all nodes of the body with their places."""
    waiting: list[tuple[Any, str, int, Any]] = [(tree, "", 0, None)]
    while waiting:
        parent, statement, line, whole = waiting.pop(0)
        if isinstance(parent, ast.stmt):
            statement, line, whole = short(parent), parent.lineno, parent
        for field, value in ast.iter_fields(parent):
            if field in ("args", "returns", "annotation") and isinstance(
                parent, ast.FunctionDef | ast.arguments | ast.arg
            ):
                continue
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, ast.AST) and not isinstance(node, ast.expr_context | ast.operator | ast.cmpop):
                    own = (statement, line, whole)
                    own = (short(node), node.lineno, node) if isinstance(node, ast.stmt) else own
                    yield Slot(parent, field, index, node, *own)
                    waiting.append((node, *own))


def short(statement: ast.stmt) -> str:
    """Return the first line of a statement as code."""
    text = ast.unparse(statement).partition("\n")[0]
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def text_of(node: ast.AST) -> str:
    """Return a node as short code."""
    text = ast.unparse(node)
    return text if len(text) <= 40 else f"{text[:37]}..."


def parsed(text: str) -> Any:
    """Return the node of an expression."""
    return ast.parse(text, mode="eval").body


def alike_places(slots: Sequence[Slot]) -> list[list[Slot]]:
    """Return the places that read alike, in two or more lines: the same code, or half of it, or k // n and k % n."""
    found: dict[str, list[Slot]] = {}
    for slot in slots:
        node = slot.node
        word = isinstance(node, ast.Constant) and isinstance(node.value, str)
        plain = isinstance(node, ast.Name | ast.Constant | ast.Attribute) and not word
        if isinstance(node, ast.expr | ast.keyword) and not plain:
            found.setdefault(ast.dump(node), []).append(slot)
        if isinstance(node, ast.BinOp):
            for side, part in (("left", node.left), ("right", node.right)):
                found.setdefault(f"{side} {type(node.op).__name__} {ast.dump(part)}", []).append(slot)
            if isinstance(node.op, ast.Mod | ast.FloorDiv):
                found.setdefault(f"split {ast.dump(node.left)} {ast.dump(node.right)}", []).append(slot)
    several = [group for group in found.values() if len({slot.statement for slot in group}) >= 2 and len(group) <= 6]
    return [group for group in several if not within_each_other(group)]


def within_each_other(group: Sequence[Slot]) -> bool:
    """Return whether one of the places lies within another one."""
    return any(
        one is not other and any(node is other.node for node in ast.walk(one.node)) for one in group for other in group
    )


def located(node: Any) -> Any:
    """Return a new node, or a list of them, with the line numbers that Python needs in every node."""
    for new in node if isinstance(node, list) else [node]:
        new.end_lineno = getattr(new, "end_lineno", None) or getattr(new, "lineno", None)
        ast.fix_missing_locations(new)
    return node


def possible(alternatives: Iterator[Alternative]) -> list[Alternative]:
    """Return the alternatives up to the first that would be no Python (a term added to a slice)."""
    found = []
    with suppress(SyntaxError):
        for alternative in alternatives:
            found.append(alternative)
    return found
