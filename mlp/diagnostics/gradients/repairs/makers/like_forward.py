"""Alternatives that forward suggests: a value of the same name is made there in another way; another activation."""

import ast
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mlp.diagnostics.gradients.repairs.names import names_read
from mlp.diagnostics.gradients.repairs.operators import may_lack
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

Words = Mapping[tuple[str, str | int | None], Sequence[str]]
SIGMOID = "1 / (1 + np.exp(-({})))"
OF_SIGMOID = ("sigmoid", "sigm", "logistic", "expit")


def made_once(tree: ast.FunctionDef) -> dict[str, ast.expr]:
    """Return {name: value} of the names to which a function gives one value, once."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and len(node.targets) == 1]
    pairs = [(ast.unparse(node.targets[0]), node.value) for node in assigned]
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


def as_in_forward(slot: Slot, made: Mapping[str, ast.expr]) -> Iterator[Alternative]:
    """Yield a value as forward makes it: start = pad - k * d for start = k * d."""
    node, parent = slot.node, slot.parent
    if not isinstance(parent, ast.Assign) or slot.field != "value" or len(parent.targets) != 1:
        return
    name = ast.unparse(parent.targets[0])
    there = made.get(name)
    plain = ast.Name | ast.Attribute | ast.Tuple | ast.Constant
    if there is None or isinstance(there, plain) or ast.dump(there) == ast.dump(node):
        return
    right = ast.unparse(there)
    yield f"forward makes `{name}` in another way: `{right}` belongs here, too", parsed(right)


def words_in(tree: ast.FunctionDef) -> Words:
    """Return {(function, keyword or place): words} that a function calls others with: pad(..., mode="reflect")."""
    found: dict[tuple[str, str | int | None], list[str]] = {}
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        for place, given in [*enumerate(call.args), *((one.arg, one.value) for one in call.keywords)]:
            if is_word(given) or ast.unparse(given).startswith("self."):
                found.setdefault((name_of(call), place), []).append(ast.unparse(given))
    return found


def other_words(slot: Slot, words: Words, values: Values) -> Iterator[Alternative]:
    """Yield a word that a function is called with in forward, in the place of another one, or where there is none."""
    node, parent = slot.node, slot.parent
    if isinstance(node, ast.Call):
        known = {one.arg for one in node.keywords}
        missing = {place: some for (name, place), some in words.items() if name == name_of(node) and place not in known}
        for keyword, word in [(place, word) for place, some in missing.items() for word in some]:
            if isinstance(keyword, str) and (is_word(parsed(word)) or isinstance(values.get(word), str)):
                right = ast.Call(node.func, node.args, [*node.keywords, ast.keyword(keyword, parsed(word))])
                yield f"forward has `{keyword}={word}` in this call, which is missing in `{text_of(node)}`", right
    if not isinstance(parent, ast.Call) or slot.field not in ("args", "keywords"):
        return
    worded = isinstance(node, ast.keyword)
    own = node.value if worded else node
    if is_word(own) or isinstance(values.get(ast.unparse(own)), str):
        for word in words.get((name_of(parent), node.arg if worded else slot.index), ()):
            if word != ast.unparse(own):
                text = f"`{text_of(own)}` stands where `{word}` belongs, as in the same call of forward"
                yield text, ast.keyword(node.arg, parsed(word)) if worded else parsed(word)


def is_word(node: ast.expr) -> bool:
    """Return whether a node is a word: "reflect", and not the letters of an einsum."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier()


def name_of(call: ast.Call) -> str:
    """Return the last part of the name of what is called: pad of np.pad."""
    return ast.unparse(call.func).rpartition(".")[2]


def signs_of_branches(slot: Slot, made: Mapping[str, ast.expr], values: Values) -> Iterator[Alternative]:
    """Yield a value with the sign that it has where forward takes the other branch: of 1 - p for p, where t is 0."""
    if not may_lack(slot):
        return
    for name, there in made.items():
        if not (isinstance(there, ast.Call) and getattr(there.func, "attr", "") == "where" and len(there.args) == 3):
            continue
        condition, one, other = map(ast.unparse, there.args)
        read = names_read(there.args[0]) - {name}
        known = all(isinstance(values.get(each), np.ndarray) for each in read)
        if not known or not names_read(slot.node) & {name, *names_read(there)} - read:
            continue
        for signs, where in (("1, -1", f"not `{condition}`"), ("-1, 1", f"`{condition}`")):
            text = (
                f"the sign of `{text_of(slot.node)}` is wrong where {where}: forward takes `{one}` for `{name}` where "
                f"`{condition}`, and `{other}` elsewhere, and their derivatives have other signs; the factor "
                f"`np.where({condition}, {signs})` is missing"
            )
            yield text, ast.BinOp(slot.node, ast.Mult(), parsed(f"np.where({condition}, {signs})"))


def other_activations(slot: Slot) -> Iterator[Alternative]:
    """Yield a sigmoid in the place of a tanh, and the reverse."""
    node = slot.node
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        function, inside = ast.unparse(node.func), ast.unparse(node.args[0])
        if function == "np.tanh":
            yield "a tanh stands where a sigmoid belongs", parsed(f"({SIGMOID.format(inside)})")
        elif function.rpartition(".")[2].lower() in OF_SIGMOID:
            yield f"`{text_of(node)}` is a sigmoid where a tanh belongs", parsed(f"np.tanh({inside})")
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and ast.unparse(node.left) in ("1", "1.0"):
        for call in (one for one in ast.walk(node.right) if isinstance(one, ast.Call)):
            inside = ast.unparse(call.args[0]) if call.args else ""
            if ast.unparse(node.right) in (f"1 + np.exp({inside})", f"1.0 + np.exp({inside})"):
                right = inside[1:] if inside.startswith("-") else f"-({inside})"
                yield f"`{text_of(node)}` is a sigmoid where a tanh belongs", parsed(f"np.tanh({right})")
