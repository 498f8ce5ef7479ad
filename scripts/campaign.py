"""Damage inputs and kill runs, many times, and count what happens.

    python scripts/campaign.py                              1,000 malformed inputs, 200 kills: minutes on two cores
    python scripts/campaign.py --inputs 100 --kills 16
    python scripts/campaign.py --case "MNIST idx:17"        one input once more, with its error

A malformed input must be read correctly or refused by an error of mlp with one short message: no other error, no hang,
no unlimited memory. A killed run must continue and end with the numbers of one that was never killed. All random draws
follow from --seed, whatever --jobs is. The exit status is 1 if something is wrong. Needs a system with fork.
"""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, start

    begin()

import io
import os
import random
import re
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded: the matrices are tiny, and workers are forked

from campaign_bases import BASES
from campaign_damage import damage
from campaign_inputs import Kind, data_kinds, other_kinds, run_kinds
from campaign_kills import count_events, draw_nothing, kill_case, write_images
from campaign_workers import Case, Outcomes, run_cases

from mlp.commands.command_line import CommandLine
from mlp.engine.cpu.threads import usable_cores
from mlp.errors import MlpError
from mlp.experiments.hooks import SaveFigures

LONGEST = 1500  # characters of an error; commands show the first thousand
EXAMPLES = 3  # that are shown of each kind of wrong outcome


def input_case(case: Case, place: Path, *, kinds: dict[str, Kind], bases: Path, seed: int) -> str:
    """Damage a file and let all its readers read it; return the outcome."""
    name, number = case
    kind, folder = kinds[name], place / "input"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bases / kind.base, folder)
    damage(folder / kind.file, random.Random(f"{seed} {name} {number}"))
    outcomes = {outcome_of(partial(read, folder)) for read in kind.read}
    wrong = sorted(outcome for outcome in outcomes if outcome.startswith("WRONG"))
    return wrong[0] if wrong else "refused" if "refused" in outcomes else "read"


def outcome_of(action: Callable[[], Any]) -> str:
    """Return "read", "refused", or what went wrong."""
    try:
        action()
    except (MlpError, OSError) as error:
        if len(str(error)) > LONGEST:
            return f"WRONG: a message of {len(str(error)):,} characters"
        return "refused" if isinstance(error, MlpError) or error.strerror else f"WRONG: {error!r}"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return f"WRONG: {type(error).__name__} at {where} ({str(error)[:200]})"
    return "read"


def make_bases(place: Path, kinds: Mapping[str, Kind]) -> Path:
    """Write the good files of all kinds, and check that all of them can be read: otherwise nothing would be tested."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for base in dict.fromkeys(kind.base for kind in kinds.values()):
            BASES[base](place / base)
        for name, kind in kinds.items():
            for read in kind.read:
                if kind.base != "flags" and (outcome := outcome_of(partial(read, place / kind.base))) != "read":
                    raise MlpError(f"{name} is {outcome} before it is damaged")
    return place


def all_kinds() -> dict[str, Kind]:
    """Return every kind of input that can be made here; those of a package that is missing are left out."""
    return {**data_kinds(), **run_kinds(), **other_kinds()}


def malformed_inputs(place: Path, count: int, seed: int, jobs: int) -> Outcomes:
    """Return the outcomes of `count` inputs, spread evenly over the kinds."""
    kinds = all_kinds()
    bases = make_bases(place / "bases", kinds)
    names = list(kinds)
    cases = [(names[number % len(names)], number // len(names)) for number in range(count)]
    do = partial(input_case, kinds=kinds, bases=bases, seed=seed)
    return run_cases(cases, do, place, jobs=jobs, patience=60.0, title="inputs")


def kills(place: Path, count: int, seed: int, jobs: int) -> Outcomes:
    """Return the outcomes of `count` kills: half of them at file events, half at random moments."""
    data = place / "own.npz"
    write_images(data)
    begin = time.monotonic()
    events = count_events(place, data)
    seconds = time.monotonic() - begin
    do = partial(kill_case, seed=seed, data=data, whole=place / "whole", events=events, seconds=seconds)
    outcomes: Outcomes = {}
    done = dict.fromkeys(("event", "random"), 0)
    while (missing := count - sum("ended before" not in outcome for outcome in outcomes.values())) > 0:
        cases: list[Case] = []
        for kind, share in (("event", missing - missing // 2), ("random", missing // 2)):
            cases += [(kind, done[kind] + number) for number in range(share)]
            done[kind] += share
        outcomes |= run_cases(cases, do, place, jobs=jobs, patience=120.0, title=f"kills-{len(outcomes)}")
    print(f"a whole run: {events} file events, {seconds:.1f} s")
    return outcomes


def report(outcomes: Outcomes) -> int:
    """Print how often each outcome happened; return how many cases are wrong."""
    counts = Counter((kind, outcome.partition(" (")[0]) for (kind, _), outcome in outcomes.items())
    for (kind, outcome), times in sorted(counts.items()):
        print(f"{times:6,}  {kind:20}  {outcome}")
    shown: Counter[str] = Counter()
    for (kind, number), outcome in outcomes.items():
        if outcome.startswith("WRONG"):
            key = re.sub(r"\d+", "", outcome.partition(" (")[0])
            shown[key] += 1
            if shown[key] <= EXAMPLES:
                print(f"        {kind}:{number}  {outcome}")
    return sum(shown.values())


def repeat_case(text: str, seed: int) -> int:
    """Repeat one input in this process, and show its errors."""
    name, _, number = text.rpartition(":")
    kinds = all_kinds()
    with tempfile.TemporaryDirectory() as place:
        folder = make_bases(Path(place) / "bases", {name: kinds[name]}) / kinds[name].base
        damage(folder / kinds[name].file, random.Random(f"{seed} {name} {number}"))
        file = folder / kinds[name].file
        print(f"{file.name}: {file.read_bytes()[:500] if file.is_file() else 'no file, but something else'!r}")
        for read in kinds[name].read:
            try:
                print(read(folder))
            except BaseException:
                traceback.print_exc()
    return 0


def main() -> int:
    parser = CommandLine(__doc__)
    parser.add_argument("--inputs", type=int, default=1000, metavar="N", help="malformed inputs (default: 1000)")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="kills (default: 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything that is drawn (default: 0)")
    parser.add_argument("--jobs", type=int, default=usable_cores(), metavar="N", help="workers (default: the cores)")
    parser.add_argument("--case", metavar="KIND:N", help="repeat one malformed input and show its errors")
    arguments = parser.parse_args()
    SaveFigures.draw = draw_nothing  # type: ignore[method-assign]  # a second each
    if arguments.case:
        return repeat_case(arguments.case, arguments.seed)
    begin, wrong = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as place:
        for what, count in ((malformed_inputs, arguments.inputs), (kills, arguments.kills)):
            folder = Path(place) / what.__name__
            folder.mkdir()
            since = time.monotonic()
            outcomes = what(folder, count, arguments.seed, max(1, arguments.jobs)) if count else {}
            wrong += report(outcomes)
            print(f"{len(outcomes):,} {what.__name__.replace('_', ' ')}, {time.monotonic() - since:.0f} s\n")
    print(f"{wrong} wrong, seed {arguments.seed}, {time.monotonic() - begin:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    start(main)
