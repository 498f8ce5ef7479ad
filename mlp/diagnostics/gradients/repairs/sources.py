"""The source of a function as a tree, the functions that a changed tree gives, and putting them in its place."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.layers.machinery.base import Layer

NO_PARTS = ("self", "np", "super()")  # what methods are called on that is no part of an object
FORWARD = "forward"  # the name of the first of two functions


@dataclass(frozen=True)
class Source:
    """One function of an object, or of its file (owner None): its code as a tree, and how another takes its place."""

    owner: Any
    name: str
    function: FunctionType
    tree: ast.FunctionDef

    def compiled(self) -> FunctionType:
        """Return the function that the tree gives as it is now, with the globals and the closure of the original."""
        names = ", ".join(self.function.__code__.co_freevars)
        module = ast.parse(f"def made({names}):\n    return {self.tree.name}")
        made = module.body[0]
        assert isinstance(made, ast.FunctionDef)
        made.body.insert(0, self.tree)
        space: dict[str, Any] = {}
        exec(compile(module, "<changed>", "exec"), self.function.__globals__, space)
        function: FunctionType = space["made"](*(cell.cell_contents for cell in self.function.__closure__ or ()))
        function.__defaults__, function.__kwdefaults__ = self.function.__defaults__, self.function.__kwdefaults__
        return function

    def forward_tree(self, whole: ast.FunctionDef | None) -> ast.FunctionDef | None:
        """Return the forward that belongs to it, where that of the whole layer is known."""
        return whole

    def of(self, layer: Layer) -> "Source":
        """Return the same source of a copy of the layer; a function of the file has no owner."""
        return Source(self.owner and code_of(layer)[0], self.name, self.function, self.tree)

    @contextmanager
    def replaced(self, function: FunctionType) -> Iterator[None]:
        """Within this context the owner has another function of this name."""
        if self.owner is None:
            space = self.function.__globals__
            space[self.name] = function
            try:
                yield
            finally:
                space[self.name] = self.function
            return
        if isinstance(self.owner, FunctionPair):
            before = self.owner.functions
            self.owner.functions = (function, before[1]) if self.name == FORWARD else (before[0], function)
            try:
                yield
            finally:
                self.owner.functions = before
            return
        static = isinstance(inspect.getattr_static(type(self.owner), self.name), staticmethod)
        object.__setattr__(self.owner, self.name, function if static else MethodType(function, self.owner))
        try:
            yield
        finally:
            object.__delattr__(self.owner, self.name)


@dataclass(frozen=True)
class PartSource(Source):
    """A method of another class of the file, whose objects the owner holds: a cell, a gate. All of them get the change.

    Attributes:
        kind: the class. method: the name in it.
    """

    kind: type = object
    method: str = ""

    def forward_tree(self, whole: ast.FunctionDef | None) -> ast.FunctionDef | None:
        own = vars(self.kind).get("forward") or vars(self.kind).get("__call__")
        return tree_of(own) if whole is not None and isinstance(own, FunctionType) else whole

    def of(self, layer: Layer) -> "Source":
        return self

    @contextmanager
    def replaced(self, function: FunctionType) -> Iterator[None]:
        """Within this context the class has another method of this name."""
        before = vars(self.kind)[self.method]
        setattr(self.kind, self.method, staticmethod(function) if isinstance(before, staticmethod) else function)
        try:
            yield
        finally:
            setattr(self.kind, self.method, before)


def source_of(owner: Any, name: str) -> Source | None:
    """Return the source of a method, or of a function itself, of the user's own; None if there is none to be had."""
    if isinstance(owner, FunctionType):
        tree = tree_of(owner)
        return None if tree is None else Source(owner, name, owner, tree)
    pair = isinstance(owner, FunctionPair)
    function = owner.functions[name != FORWARD] if pair else getattr(owner, name, None)
    function = inspect.unwrap(function.__func__ if isinstance(function, MethodType) else function) if function else None
    if not isinstance(function, FunctionType) or (name in vars(owner) and not pair):
        return None
    tree = tree_of(function)
    return None if tree is None else Source(owner, name, function, tree)


def tree_of(function: Callable[..., Any]) -> ast.FunctionDef | None:
    """Return the tree of a function of the user's own; None without a source."""
    module = getattr(function, "__module__", "") or ""
    if module.startswith("mlp.") and ".gallery." not in module:
        return None
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if not isinstance(tree, ast.FunctionDef):
        return None
    tree.decorator_list = []
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    return tree


def helpers(owner: Any, tree: ast.FunctionDef) -> Iterator[str]:
    """Yield the names of the owner's own methods that a function calls: self.NAME(...)."""
    seen = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            name = node.func.attr
            if (
                node.func.value.id == "self"
                and name not in seen
                and inspect.isroutine(getattr(type(owner), name, None))
            ):
                seen.add(name)
                yield name


def methods_of_parts(source: Source) -> Iterator[Source]:
    """Yield the methods of other classes of the same file that a function calls: self.cell.forward(x), cell.step(h)."""
    space, own = source.function.__globals__, source.kind if isinstance(source, PartSource) else type(source.owner)
    calls = [node.func for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
    names = {f.attr for f in calls if isinstance(f, ast.Attribute) and ast.unparse(f.value) not in NO_PARTS}
    kinds = [one for one in space.values() if isinstance(one, type) and one.__module__ == space.get("__name__")]
    for kind in kinds:
        for name in sorted(names & vars(kind).keys()) if not issubclass(own, kind) else ():
            found = vars(kind)[name]
            function: Any = found.__func__ if isinstance(found, staticmethod) else found
            tree = tree_of(function) if isinstance(function, FunctionType) else None
            if tree is not None:
                yield PartSource(kind, f"{kind.__name__}.{name}", function, tree, kind, name)


def beside(source: Source, forward: ast.FunctionDef | None) -> Iterator[Source]:
    """Yield the sources of the functions of the same file that a function calls, and that forward does not."""
    used = called_functions(forward) if forward is not None else set()
    for name in sorted(called_functions(source.tree) - used):
        function = source.function.__globals__.get(name)
        if isinstance(function, FunctionType) and function.__module__ == source.function.__module__:
            tree = tree_of(function)
            if tree is not None:
                yield Source(None, name, function, tree)


def called_functions(tree: ast.FunctionDef) -> set[str]:
    """Return the names of the functions that a function calls by their names alone."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {func.id for func in calls if isinstance(func, ast.Name)}
