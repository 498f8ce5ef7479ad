"""From settings with several values to runs: all combinations, pairs, or random draws.

    values = {"learning_rate": [1e-4, 1e-3], "norm": ["none", "batch"], "seed": [0, 1, 2]}
    combine(values)                    2 x 2 x 3 settings
    combine(values, zipped=True)       the first with the first, the second with the second: 2, each with 3 seeds
    draw_points({"learning_rate": [1e-5, 1e-1], "seed": [0, 1, 2]}, number=20)     20 rates, each with 3 seeds

Seeds are repetitions of a setting, so they are neither paired nor drawn. A draw is a function of its own seed and its
number: with more draws, the first ones stay the same.
"""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlp.checks import within
from mlp.errors import ConfigurationError
from mlp.experiments.build import idle_settings
from mlp.experiments.config import RunConfig, check_value
from mlp.experiments.run import settled
from mlp.experiments.settings.fields import flag_of, kind_of
from mlp.experiments.settings.naming import name_of
from mlp.reproduction.index import PlannedRun, each_once
from mlp.rng import generator

Values = Mapping[str, Sequence[Any]]
# Drawn on a logarithmic scale: each power of ten is equally likely. Of the others, each value is.
LOGARITHMIC = ("learning_rate", "weight_decay", "decoupled_weight_decay", "clip_norm", "clip_value")
LOGARITHMIC_INTEGERS = ("batch_size", "filters")
MOST_RUNS = 100_000  # of --sample
DIGITS = 4  # of a drawn number: it becomes part of a folder's name
WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def read_values(name: str, words: Sequence[str]) -> list[Any]:
    """Return the values of a setting from the words of the command line.

    A switch takes yes and no; without any word it is on. The word "none" means None where that is the default.

    Raises:
        ConfigurationError: no word where one is needed, one of the wrong kind, or a value that no run can have.
    """
    fields = {f.name: f for f in dataclasses.fields(RunConfig)}
    kind, default = kind_of(fields[name]), fields[name].default
    if kind is bool and not words:
        return [True]
    if not words:
        raise ConfigurationError(f"{flag_of(name)} needs one value or more")
    values: list[Any] = []
    for word in words:
        if default is None and word == "none":
            values.append(None)
        elif kind is bool:
            if word not in WORDS:
                raise ConfigurationError(f"{flag_of(name)} takes yes and no, got {word!r}")
            values.append(WORDS[word])
        else:
            try:
                values.append(kind(word))
            except ValueError:
                what = "whole numbers" if kind is int else "numbers"
                raise ConfigurationError(f"{flag_of(name)} takes {what}, got {word!r}") from None
    for value in values:
        check_value(name, value)
    return list(dict.fromkeys(values))


def combine(values: Values, *, zipped: bool = False) -> list[dict[str, Any]]:
    """Return the settings of all combinations of values, or, zipped, of the first values, the second ones, ...

    Every one of them is repeated with each seed.

    Raises:
        ConfigurationError: zipped settings have different numbers of values; one value alone goes with all.
    """
    seeds = [{"seed": seed} for seed in values.get("seed", ())] or [{}]
    others = {name: list(chosen) for name, chosen in values.items() if name != "seed"}
    if zipped:
        lengths = {flag_of(name): len(chosen) for name, chosen in others.items() if len(chosen) > 1}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{flag} has {length}" for flag, length in lengths.items())
            raise ConfigurationError(f"--zip takes settings with equally many values (or one): {counts}")
        number = max(lengths.values(), default=1)
        rows = [[chosen[i % len(chosen)] for chosen in others.values()] for i in range(number)]
    else:
        rows = [list(row) for row in itertools.product(*others.values())]
    return [{**dict(zip(others, row, strict=True)), **seed} for row in rows for seed in seeds]


def draw_points(values: Values, number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return `number` settings drawn at random, each repeated with all seeds.

    Two numbers are the ends of a range. Of anything else that has several values, one is drawn.

    Raises:
        ConfigurationError: no setting has several values, or a range on a logarithmic scale begins at 0 or below.
    """
    within("--sample", number, 1, MOST_RUNS)
    varied = [name for name, chosen in values.items() if len(chosen) > 1 and name != "seed"]
    if not varied:
        raise ConfigurationError("--sample draws from settings with two values or more: --learning-rate 1e-5 1e-1, say")
    settings = []
    for i in range(number):
        drawn = {name: draw_one(name, values[name], seed, i) for name in varied}
        settings += combine({**values, **{name: [value] for name, value in drawn.items()}})
    return settings


def draw_one(name: str, chosen: Sequence[Any], seed: int, i: int) -> Any:
    """Return the i-th draw of a setting."""
    random = generator(seed, "sweep", i, name)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in chosen)
    if not numbers or len(chosen) != 2:
        return chosen[int(random.integers(len(chosen)))]
    low, high = sorted(chosen)
    whole = isinstance(low, int) and isinstance(high, int)
    if name in (*LOGARITHMIC, *LOGARITHMIC_INTEGERS):
        if low <= 0:
            raise ConfigurationError(
                f"--sample draws {flag_of(name)} by powers of ten, so the lower end must be above 0, got {low:g}"
            )
        value = math.exp(random.uniform(math.log(low), math.log(high)))
        return min(max(round(value), low), high) if whole else float(f"{value:.{DIGITS}g}")
    return int(random.integers(low, high + 1)) if whole else float(f"{random.uniform(low, high):.{DIGITS}g}")


def plan_sweep(settings: Sequence[Mapping[str, Any]], values: Values) -> tuple[list[PlannedRun], list[str]]:
    """Return (the runs of a sweep, each once and named by what varies, a line for each combination left out).

    Args:
        settings: from `combine` or `draw_points`. values: what they were made of.

    Raises:
        ConfigurationError: no combination makes a valid run.
    """
    varied = [name for name, chosen in values.items() if len(chosen) > 1 and name != "seed"]
    varied += ["seed"] if len(values.get("seed", ())) > 1 else []
    runs, left_out, problem = [], [], None
    for one in settings:
        spelled = {name: one[name] for name in varied if not isinstance(one[name], bool)}
        switches = {name if one[name] else f"no_{name}": True for name in varied if isinstance(one[name], bool)}
        seed = {name: spelled.pop(name) for name in ("seed",) if name in spelled}
        name = name_of({**spelled, **switches, **seed})
        try:
            whole = settled(one)
            RunConfig(**whole)
        except ConfigurationError as error:
            problem = error
            left_out.append(f"left out: {name}: {error}")
            continue
        runs.append(PlannedRun(name, whole, ["the sweep"]))
    if not runs and problem is not None:
        raise problem
    return each_once(runs), left_out


def idle_lines(planned: Sequence[PlannedRun]) -> list[str]:
    """Return a line for each setting that changes nothing in some of the runs, so that they repeat others."""
    counts = Counter(sentence for run in planned for sentence in idle_settings(RunConfig(**run.settings)))
    return [f"note: in {number} of {len(planned)} runs, {sentence}" for sentence, number in counts.items()]
