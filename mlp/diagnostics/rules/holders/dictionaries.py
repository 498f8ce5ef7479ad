"""Rules that hold their settings in dictionaries, as PyTorch's param_groups: they are seen as attributes."""

from typing import Any

from mlp.diagnostics.rules.function_steps import RATES


def dictionaries_of(rule: Any) -> list[dict[str, Any]]:
    """Return the dictionaries with a learning rate that an object holds, by themselves or in lists."""
    held = [one for value in vars(rule).values() for one in (value if isinstance(value, list) else [value])]
    return [one for one in held if isinstance(one, dict) and any(name in one for name in RATES)]


def all_settings(rule: Any) -> dict[str, Any]:
    """Return what an object holds: the values in its dictionaries of settings, and its attributes."""
    return {name: value for one in (*dictionaries_of(rule), vars(rule)) for name, value in one.items()}


class WithDictionaries:
    """An object whose dictionaries of settings are read and written as its attributes."""

    def __getattr__(self, name: str) -> Any:
        for one in dictionaries_of(self):
            if name in one:
                return one[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        held = [one for one in dictionaries_of(self) if name in one]
        for one in held:
            one[name] = value
        if not held or name in vars(self):
            super().__setattr__(name, value)
