"""Schedules and initializers are functions made by functions. They remember the call, and print as it was written.

    >>> from mlp.schedulers import cosine
    >>> cosine(1e-3, 2e-5, steps=100)
    cosine(0.001, 2e-05, steps=100)

A function that is defined within another one cannot be pickled, so no model that holds one could be sent to another
process. What a `remembered` function makes is pickled as the call that makes it.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast

Arguments = ParamSpec("Arguments")
Function = TypeVar("Function", bound=Callable[..., Any])


class MadeFunction:
    """A function, and the call that made it."""

    def __init__(self, function: Callable[..., Any], call: partial[Any]) -> None:
        self.function, self.call = function, call

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.function(*arguments, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, ()

    def __repr__(self) -> str:
        words = [repr(value) for value in self.call.args]
        words += [f"{name}={value!r}" for name, value in self.call.keywords.items()]
        return f"{self.call.func.__name__}({', '.join(words)})"


def remembered(maker: Callable[Arguments, Function]) -> Callable[Arguments, Function]:
    """Decorator of a function that makes functions: they become `MadeFunction`s, which remember the call."""

    @wraps(maker)
    def made(*arguments: Arguments.args, **options: Arguments.kwargs) -> Function:
        return cast(Function, MadeFunction(maker(*arguments, **options), partial(made, *arguments, **options)))

    return made
