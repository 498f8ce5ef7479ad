"""Names of a package that are loaded when somebody asks for them (PEP 562): most programs need few of them."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from mlp.checks import no_attribute


def loaded_on_demand(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: "mlp.plotting".
        homes: {module of the package: the names that are found in it}; no names stand for the module itself.
    """

    def find(name: str) -> Any:
        for module, names in homes.items():
            if name in (names or (module.rpartition(".")[2],)):
                found = import_module(f"{package}.{module}")
                return getattr(found, name) if names else found
        raise AttributeError(no_attribute(package, name, [one for names in homes.values() for one in names]))

    return find
