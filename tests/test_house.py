"""The house stays in order: who may import whom, how full a folder may be, and that a name means one thing.

All imports are read, also those within functions and under TYPE_CHECKING; what a package loads by names in strings when
it is asked for it (`mlp.__getattr__`) is not an import.
"""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlp"
MOST_FILES = 15

# Who stands lower knows nothing of who stands higher. What is not named here is a small helper, on the lowest step.
STEPS = [
    ["backend", "rng"],
    ["layers", "losses", "initializers"],
    ["learning_rules", "schedulers", "models", "data"],
    ["engine", "pages", "interop"],
    ["training"],
    ["diagnostics", "plotting"],
    ["experiments"],
    ["reproduction"],
    ["commands"],
    ["__main__", "__init__"],
]
RANKS = {room: rank for rank, rooms in enumerate(STEPS) for room in rooms}

# Parts of a room whose names are for themselves: two engines have the same ops, each its own.
SEPARATE = ("engine/cpu", "engine/cuda")

# What every file of a family has under the same name, so that all are used alike.
FAMILIES = {
    "commands": {"main", "after_interrupt"},
    "data": {"read_batch", "read_names"},  # CIFAR's two formats
    "diagnostics": {"BUGS", "bug"},  # the gallery
    "reproduction": {"ROWS", "EXHIBITS", "DERIVED_TESTS", "published", "table_row"},  # the reports
}

# Booleans that may be given by position: what layers, scripts and pickles call like this.
POSITIONAL = {"forward": {"training"}, "vgg": {"residual"}, "StoredDtype.__init__": {"align", "copy"}}


@cache
def parsed(path):
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text())


def modules():
    """Return {dotted name: its file}."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = modules()


def imports(path):
    """Return the dotted names of the modules of mlp that a file imports, with their lines."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of what is imported"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name if name in MODULES else node.module, node.lineno) for name in inner]
    return [(name, line) for name, line in found if name.split(".")[0] == "mlp"]


@cache
def graph():
    """Return {dotted name: what that module imports, with lines}. No other test needs it, so collecting makes none."""
    return {name: imports(path) for name, path in MODULES.items()}


def room(name):
    """Return the part of mlp that a module belongs to: "layers" for mlp.layers.affine."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def place(name):
    return str(MODULES[name].relative_to(ROOT))


def test_imports_go_one_way():
    wrong = [
        f"{place(name)}:{line} imports {other}"
        for name, found in graph().items()
        for other, line in found
        if RANKS.get(room(other), 0) > RANKS.get(room(name), 0)
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_root():
    wrong = [f"{place(name)}:{line}" for name, found in graph().items() for other, line in found if other == "mlp"]
    assert not wrong, "\n".join(wrong)


def circles():
    """Return the groups of modules that import each other (Tarjan's strongly connected components)."""
    number, lowest, stack, found = {}, {}, [], []

    def visit(name):
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for other, _ in graph().get(name, []):
            if other not in number:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], number[other])
        if lowest[name] == number[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            found.append(group)

    for name in graph():
        if name not in number:
            visit(name)
    return [sorted(group) for group in found if len(group) > 1]


def test_no_circles():
    assert circles() == []


def test_only_what_draws_loads_matplotlib_and_nothing_loads_torch():
    wrong = []
    for name, path in MODULES.items():
        tree = parsed(path)
        types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
        for_types = {id(inner) for node in types for inner in ast.walk(node)}  # not loaded
        for node in ast.walk(tree):
            given = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            given += [node.module] if isinstance(node, ast.ImportFrom) else []
            heads = {text.split(".")[0] for text in given}
            loads = "matplotlib" in heads and room(name) != "plotting" and id(node) not in for_types
            if "torch" in heads or loads:
                wrong.append(f"{place(name)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)


FOLDERS = [p for p in [PACKAGE, *sorted(PACKAGE.rglob("*"))] if p.is_dir() and p.name != "__pycache__"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_folder_is_not_crowded(folder):
    files = [p.name for p in folder.iterdir() if p.is_file() and p.name != "py.typed"]
    assert len(files) <= MOST_FILES, f"{len(files)} files: {sorted(files)}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_prefix_of_three_files_wants_to_be_a_folder(folder):
    groups = defaultdict(list)
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith("_"):
            groups[path.stem.split("_")[0]].append(path.name)
    wrong = [sorted(names) for names in groups.values() if len(names) >= 3]
    assert not wrong


def functions(tree, prefix=""):
    """Yield (name, node) of all functions of a file; a method's name has its class before it, but for `forward`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name if node.name == "forward" else prefix + node.name, node
        yield from functions(node, f"{node.name}." if isinstance(node, ast.ClassDef) else prefix)


def booleans_by_position(node):
    """Return the names of a function's parameters that are booleans and can be given without their name."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(arguments) - len(node.args.defaults)) + node.args.defaults
    return {
        argument.arg
        for argument, default in zip(arguments, defaults, strict=True)
        if (argument.annotation and ast.unparse(argument.annotation) in ("bool", "bool | None"))
        or (isinstance(default, ast.Constant) and isinstance(default.value, bool))
    }


def test_booleans_are_given_by_name():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {name}: {', '.join(sorted(found))}"
        for path in MODULES.values()
        for name, node in functions(parsed(path))
        if (found := booleans_by_position(node) - POSITIONAL.get(name, set()))
    ]
    assert not wrong, "\n".join(wrong)


def public_names(path):
    """Return the names that a file defines at its top: functions, classes and constants that do not begin with _."""
    names = set()
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def packages():
    """Return {room: its files}: what stands in a folder of mlp, with all below it.

    A part that is for itself (`SEPARATE`) has its own files and those of its room that belong to no such part.
    """
    found = defaultdict(list)
    for path in MODULES.values():
        inner = path.relative_to(PACKAGE).as_posix()
        if "/" in inner:
            own = next((part for part in SEPARATE if inner.startswith(f"{part}/")), None)
            found[own or inner.split("/")[0]].append(path)
    for part in SEPARATE:
        found[part] += found[part.split("/")[0]]
    return found


@cache
def imported_names():
    """Return the constants that some file imports from another: {(module, name)}."""
    found = set()
    for path in MODULES.values():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom):
                found |= {(node.module, alias.name) for alias in node.names}
    return found


def names_twice(package):
    """Return {name: files} of the names that several files of a package define.

    Functions and classes count always, constants where another file imports one of them.
    """
    where, imported = defaultdict(list), imported_names()
    for path in packages()[package]:
        for name in public_names(path):
            where[name].append(path)
    twice = {}
    for name, paths in where.items():
        dotted = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
        counts = not name.isupper() or any((module, name) in imported for module in dotted)
        if len(paths) > 1 and counts and name not in FAMILIES.get(package, ()):
            twice[name] = [str(path.relative_to(PACKAGE)) for path in paths]
    return twice


@pytest.mark.parametrize("package", sorted(packages()))
def test_a_name_means_one_thing_in_a_package(package):
    wrong = names_twice(package)
    assert not wrong, "\n".join(f"{name}: {', '.join(places)}" for name, places in sorted(wrong.items()))
