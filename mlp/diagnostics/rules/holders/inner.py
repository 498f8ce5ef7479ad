"""Rules around another rule, as Lookahead(SGD(0.1)): the numbers of the inner one are seen as their own."""

import copy
from typing import Any

from mlp.diagnostics.gradients.styles.arrays import is_own_object, vars_of
from mlp.diagnostics.gradients.styles.calls import required
from mlp.diagnostics.rules.protocols import update_of


def inner_of(rule: Any) -> Any:
    """Return the first rule that an object holds, or None; a schedule is called, or its step takes nothing."""
    for one in vars_of(rule).values():
        name = update_of(one) if is_own_object(one) else ""
        if name not in ("", "__call__") and required(getattr(one, name)):
            return one
    return None


class WithInner:
    """A rule whose inner rule's numbers are read and written as its attributes; methods are not."""

    def __getattr__(self, name: str) -> Any:
        value = None if name.startswith("__") else getattr(inner_of(self), name, None)
        if not isinstance(value, int | float | tuple):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        inner = inner_of(self)
        if name not in vars(self) and name in vars_of(inner):
            setattr(inner, name, value)
        else:
            super().__setattr__(name, value)


def with_inner(rule: Any) -> Any:
    """Return a rule that is around another one as a `WithInner`; any other rule as it is."""
    kind = type(rule)
    if inner_of(rule) is None or issubclass(kind, WithInner):
        return rule
    twin = copy.copy(rule)
    names = {"__doc__": kind.__doc__, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    twin.__class__ = type(kind.__name__, (WithInner, kind), names)
    return twin
