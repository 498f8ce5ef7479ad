"""The schedule that a rule has inside: a decay in time that its code computes, a fall that its name speaks of."""

import ast
import inspect
import re
from contextlib import suppress
from functools import cache
from textwrap import dedent
from typing import Any

from mlp.diagnostics.gradients.repairs.makers.of_settings import STEP_COUNTS
from mlp.diagnostics.rules.formulas.schedules import DECAYS
from mlp.diagnostics.rules.formulas.walks import Settings

COUNT = rf"(?:self\.)?(?:{'|'.join(STEP_COUNTS)}|steps|iterations|updates|count|counter|time|num_\w+|global_step)\b"
NOT_RATES = re.compile(r"beta|b\d|mu|mom|rho")  # settings whose powers correct the bias of a mean
SAYS_SO = re.compile(r"decay|schedul|anneal|inverse|root|sqrt|time")
FORMS = {
    "1 / (1 + d k)": rf"(?<!sqrt\()\b1(?:\.0)? \+ (?:self\.(\w+) \* {COUNT}|{COUNT} \* self\.(\w+))",
    "d^k": rf"(?<!1 - )(?<!1\.0 - )\bself\.(\w+)( )\*\* (?:int|np\.floor|math\.floor|\()*{COUNT}",
    " d^k": r"(?m)self\.\w*(?:lr|rate|eta)\w* \*= self\.(\w+)()$",
    "exp(-d k)": rf"exp\(-self\.(\w+)( )\* {COUNT}",
    "1 / sqrt(1 + d k)": rf"sqrt\(1(?:\.0)? \+ self\.(\w+)( )\* {COUNT}",
}  # as Python writes them
STAIRS = re.compile(rf"{COUNT}(?: [-+] 1)?\)? //? self\.(\w+)")  # one for several steps: t // every
OF_COUNT = {"1 / (1 + d k)": rf"/ \(?{COUNT}", "1 / sqrt(1 + d k)": rf"/ \w+\.sqrt\({COUNT}"}  # with d = 1

BY_NAME = {"1 / (1 + d k)": "inverse ?time|time ?based", "d^k": "exponential ?(lr|decay)|step ?decay|steplr|stairs"}
OTHERS = re.compile(
    r"noam|polynomial|poly ?decay|multi ?step|milestone|cycl|triang|anneal|schedul|inverse ?(sqrt|root)"
)
RATES_OF_DECAY = ("gamma", "decay", "decay_rate", "lr_decay", "drop", "factor")


def with_schedule(rule: Any, s: Settings) -> Settings:
    """Return the settings with those of a schedule that is inside a rule: a decay in time, a fall to the last step."""
    kind = rule if inspect.isfunction(rule) else type(rule)
    text = told_about(kind)
    falls = "cosine" in text or ("linear" in text and re.search("warmup|lineardecay", re.sub("[ -]", "", text)))
    if not falls:
        s = {name: value for name, value in s.items() if name not in ("total", "lowest")}
    elif "cosine" not in text:
        s["linear"] = 1.0
    return s if inspect.isfunction(rule) else s | decay_in_time(rule, text)


def says_schedule(rule: Any) -> bool:
    """Return whether the name or the documentation of a rule speaks of a schedule that has no formula here."""
    return not inspect.isfunction(rule) and OTHERS.search(told_about(type(rule))) is not None


def decay_in_time(rule: Any, text: str) -> Settings:
    """Return the settings of a decay of the learning rate that a rule has in it; none if it has none.

    Args:
        text: its name and its documentation.
    """
    found: Settings = {}
    for form, names in own_decays(rule, text).items():
        found = {"rate_decay": float(getattr(rule, names[0])), "decay_form": float(DECAYS.index(form.strip()))}
    for form, pattern in OF_COUNT.items() if SAYS_SO.search(text) and not found else ():
        if re.search(pattern, code_of_class(rule.__class__)):
            found = {"rate_decay": 1.0, "decay_form": float(DECAYS.index(form))}
    for name in stairs_of(rule) if found else ():
        setattr(rule, name, min(2, getattr(rule, name)))  # so that a course of a few steps shows it
        found["decay_every"] = float(getattr(rule, name))
    return found


def own_decays(rule: Any, text: str) -> dict[str, list[str]]:
    """Return the attributes that a decay in time may have: in the form of the code, or else of the name."""
    code = code_of_class(rule.__class__)
    if "milestones" in code:  # a list of steps
        return {}
    found = {form: re.findall(pattern, code) for form, pattern in FORMS.items()}
    found = {form: [name for pair in pairs for name in pair if is_rate(rule, name)] for form, pairs in found.items()}
    if not any(found.values()):
        said = [form for form, words in BY_NAME.items() if re.search(words, text)]
        found = {form: [name for name in RATES_OF_DECAY if is_rate(rule, name)] for form in said[:1]}
    return {form: names for form, names in found.items() if names}


def is_rate(rule: Any, name: str) -> bool:
    """Return whether an attribute may be that of a decay in time."""
    return isinstance(getattr(rule, name, None), float) and not NOT_RATES.match(name)


def stairs_of(rule: Any) -> list[str]:
    """Return the attribute that says for how many steps a decay in time stays the same, if there is one."""
    names = STAIRS.findall(code_of_class(rule.__class__))
    return [name for name in names if type(getattr(rule, name, None)) is int][:1]


def of_schedule(rule: Any) -> list[str]:
    """Return the attributes of a rule that are those of a decay in time."""
    if inspect.isfunction(rule):
        return []
    decays = [name for names in own_decays(rule, told_about(type(rule))).values() for name in names]
    return [*decays, *(stairs_of(rule) if decays else [])]


def told_about(kind: Any) -> str:
    """Return the name and the documentation of a class or a function in small letters."""
    return f"{kind.__name__} {inspect.getdoc(kind)}".lower().replace("_", "")


@cache
def code_of_class(kind: type) -> str:
    """Return the code of a class and of those that it derives from, as Python writes it."""
    parts = []
    for one in kind.__mro__[:-1]:
        with suppress(OSError, TypeError, SyntaxError):
            parts.append(ast.unparse(ast.parse(dedent(inspect.getsource(one)))))
    return "\n".join(parts)
