"""The changes with which all is right, of one line: the first one found and its rivals, and which of them is meant."""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FunctionType

from mlp.diagnostics.gradients.budget import now
from mlp.diagnostics.gradients.repairs.choice.counterparts import belongs_elsewhere
from mlp.diagnostics.gradients.repairs.choice.doubts import (
    OF_ROOTS,
    halves_a_derivative,
    only_reads,
    takes_a_division,
    takes_a_power,
    turns_a_place,
    uses_a_turned_place,
)
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.kinds import CONDITION, EMPTY_SLICE, HALF, LACKING
from mlp.diagnostics.gradients.repairs.sources import Source, tree_of

ONE_LINE = 0.5  # of work for the other changes of a line of which one change is right
A_NUMBER = 2.0  # the same, where that change is another number: a name in its place says more
MOVED = 3  # what is unlikely, a line in another place or 1 - z turned round, counts as this much more code
FAR = 6  # a number that forward gives no reason for, what a loop has left, a subtraction: a - a s is the factor 1 - s
SURE_KINDS = (EMPTY_SLICE, HALF, CONDITION)
BARE_NUMBER = re.compile(r"the (?:factor|division by) `(\d[\d.]*)`")
SUBTRACTED = re.compile(r"the term `- |.*: a term is missing")
SQUARES = re.compile(
    r"square|power|var\(|std\(|norm\(|(\b[\w.]+) (\*|@) \1\b"
)  # forward may have a 2 in its derivative


@dataclass
class RightChanges:
    """The changes of one line with which all is right: the first one found, and then the others of its line.

    Attributes:
        fits: (source, change, changed function, how much longer the code is then). forward: its code, if known.
        line: (function, line) of the first change that is not in doubt.
        passed_over: lines in which a factor is missing that belongs in another line by forward.
    """

    fits: list[tuple[Source, Edit, FunctionType, int]] = field(default_factory=list)
    forward: str = ""
    until: float = float("inf")
    line: tuple[str, int] | None = None
    passed_over: set[tuple[str, int]] = field(default_factory=set)

    def add(self, source: Source, edit: Edit, function: FunctionType) -> None:
        """Keep a change; from now on only those of the same line are tried, or of all lines while one is in doubt."""
        before = tree_of(source.function) or source.tree
        pairs = list(zip(statements_at(before, edit.line), statements_at(source.tree, edit.line), strict=False))
        of_place = any(turns_a_place(*pair) for pair in pairs)
        rooted = pairs if OF_ROOTS.search(self.forward) else []
        of_root = any(takes_a_power(*pair) or takes_a_division(*pair, self.forward) for pair in rooted)
        halved = any(halves_a_derivative(*pair) for pair in pairs)
        doubtful = of_place or of_root or halved or uses_a_turned_place(before, edit.text)
        number = BARE_NUMBER.match(edit.text)  # a name of its value says more
        without_reason = number and not (SQUARES.search(self.forward) or calculates_with(number[1], self.forward))
        place = source.name, edit.line
        if belongs_elsewhere(edit, before, self.forward):
            self.passed_over.add(place)
        of_factor = edit.kind == LACKING and place in self.passed_over  # under any of its names
        doubtful = doubtful or bool(without_reason) or of_factor
        sure = not doubtful and not is_in_reading(edit)
        if not self.fits:
            self.until = now() + (ONE_LINE if sure and edit.kind != "wrong number" else A_NUMBER)
        if sure and not self.line:
            self.line = place
        turned = edit.kind == "order of lines" or edit.text.startswith("the difference `1 - ")
        far = without_reason or reads_leftovers(source.tree, edit.line) or SUBTRACTED.match(edit.text)
        unlikely = FAR * bool(far) + MOVED * turned
        longer = complexity(source.tree) - complexity(before)
        longer = max(longer, 0) + 1 if doubtful else longer  # that it is shorter is no reason for it
        edit = replace(edit, text=f"{edit.text}, here or where they are used") if of_place else edit
        self.fits.append((source, edit, function, longer + unlikely + 2 * bool(number)))

    def leaves_out(self, source: Source, edit: Edit) -> bool:
        """Return whether a change is of another line than the first one that was right without a doubt."""
        return bool(self.line) and (source.name, edit.line) != self.line

    def best(
        self, grade: Callable[[Source, FunctionType], int] | None = None
    ) -> tuple[Source, Edit, FunctionType] | None:
        """Return the change that is right at the most other settings, and of these the simplest; None if there is none.

        Args:
            grade: at how many other settings a change is right; they tell apart what has the same value by accident.
        """
        if not self.fits:
            return None
        grades = [0] * len(self.fits)
        if len(self.fits) > 1 and grade is not None:
            grades = [grade(source, function) for source, _, function, _ in self.fits]

        def order(i: int) -> tuple[int, bool, bool, int, bool]:
            edit, length = self.fits[i][1], self.fits[i][3]
            return -grades[i], edit.kind not in SURE_KINDS, is_in_reading(edit), length, edit.kind == "wrong number"

        return self.fits[min(range(len(self.fits)), key=order)][:3]


def is_in_reading(edit: Edit) -> bool:
    """Return whether a change is of a line that only gives names to what is kept."""
    return only_reads(edit.statement, of_self=edit.kind == LACKING)


def calculates_with(number: str, code: str) -> bool:
    """Return whether code adds, multiplies or divides by a number; the axes of transpose(0, 2, 1) are none."""
    number = re.escape(number)
    return re.search(rf"(?:[-+*/] |-){number}(?![\w.])|(?<![\w.]){number} [-+*/]", code) is not None


def statements_at(tree: ast.AST, line: int) -> list[ast.stmt]:
    """Return the statements that begin in a line."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno == line]


def reads_leftovers(tree: ast.FunctionDef, line: int) -> bool:
    """Return whether a statement after a loop reads what only the turns of the loop give values to."""
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
    turns = {node for loop in loops for node in ast.walk(loop)}
    stored = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    left = {node.id for node in stored if node in turns} - {node.id for node in stored if node not in turns}
    after = [one for one in statements_at(tree, line) if one not in turns]
    names = (node for one in after if not isinstance(one, ast.For) for node in ast.walk(one))
    return any(isinstance(node, ast.Name) and node.id in left for node in names)


def complexity(tree: ast.AST) -> int:
    """Return how long the code of a function is; a power counts more than a product."""
    return sum(2 if isinstance(node, ast.Pow) else 1 for node in ast.walk(tree))
