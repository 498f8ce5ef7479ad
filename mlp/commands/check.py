"""Check every backward pass of `mlp` against finite differences, or a layer, loss or rule in a file of your own."""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mlp.checks import within
from mlp.commands.command_line import CommandLine
from mlp.commands.shared.flags import number_argument
from mlp.commands.shared.paths import file_argument
from mlp.diagnostics import check_layer, check_loss, check_model, check_rule
from mlp.diagnostics.class_report.limits import LEAST_MEMORY, LONGEST_TIME, most_memory
from mlp.diagnostics.class_report.results import check_replaceable, write_report
from mlp.diagnostics.class_report.submissions import Outcome, Task, run_all
from mlp.diagnostics.gradients.layer_cases import CASES, LayerCase
from mlp.diagnostics.gradients.own_file import check_file
from mlp.diagnostics.gradients.report import GradientReport
from mlp.engine.cpu.threads import at_once
from mlp.learning_rules import RULES
from mlp.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.rng import generator
from mlp.typing import Array

DESCRIPTION = """\
Check backward passes against finite differences: all of mlp, or one in your own file.

    python scripts/check_gradients.py
    python scripts/check_gradients.py my_file.py:MyLayer --args "3, 4, kernel_size=3" --input-shape 4,6,6,3

A backward pass is written by hand from a formula. A finite difference needs no formula: move one number of an array by
a tiny step h up and down, run forward both times, and divide the change of the outputs by 2h. If the two disagree, the
backward pass is wrong (or forward does not compute what you think), and the report says what is probably wrong.

The error of an array is |analytic - numeric| / |numeric|, with norms over the array. Correct formulas stay below 1e-7
in float64; a wrong factor, sign or index gives 1e-3 to 2. Each row shows the worst array of a layer, in training and
in evaluation mode. Whole networks come last: each layer may be right, and the way they are joined wrong.

Your file may hold a layer with forward(x, training=False) and backward(grad_outputs), or fprop, bprop and
grads_wrt_params, or a loss, or a learning rule; or two functions, FILE.py:conv_forward,conv_backward or
FILE.py:mse,mse_prime. For a class:

    mlp check --class-report class.html --name Conv submissions/*.py

In Python:

    from mlp.diagnostics import check_layer
    print(check_layer(MyLayer(), input_shape=(4, 6, 6, 3)))
"""

MOST_POINTS = 1e6

NETWORKS: dict[str, dict[str, Any]] = {
    "VGG14 plain": {},
    "VGG14 BN": {"norm": "batch"},
    "VGG14 BN+RC": {"norm": "batch", "residual": True, "reduction_shortcut": "avgpool"},
    "VGG14 LayerNorm": {"norm": "layer", "norm_position": "after"},
    "VGG14 InstanceNorm": {"norm": "instance", "residual": True, "reduction_shortcut": "strided"},
    "VGG14 GroupNorm": {"norm": "group", "norm_groups": 2, "residual": True, "reduction_shortcut": "projection"},
    "VGG14 BN+RC, all projected": {"norm": "batch", "residual": True, "reduction_shortcut": "projection_everywhere"},
    "VGG14 BN+RC, Dropout": {"norm": "batch", "residual": True, "dropout": 0.2},
}


def checks_of_everything(seed: int) -> dict[str, Callable[[], GradientReport]]:
    """Return {label: function that checks} for all layers, losses and learning rules, and a few networks."""
    checks: dict[str, Callable[[], GradientReport]] = {case.label: partial(check_case, case, seed) for case in CASES}
    numbers = generator(seed, "probe").random((5, 7))  # targets between 0 and 1
    losses: list[tuple[str, Loss, Array | None]] = [
        ("SoftmaxCrossEntropy", SoftmaxCrossEntropy(), None),
        ("SoftmaxCrossEntropy, smoothed", SoftmaxCrossEntropy(label_smoothing=0.1), None),
        ("MeanSquaredError", MeanSquaredError(), numbers),
        ("BinaryCrossEntropy", BinaryCrossEntropy(), numbers),
    ]
    for label, loss, targets in losses:
        checks[label] = partial(check_loss, loss, (5, 7), targets, seed=seed)
    for kind in RULES.values():
        checks[kind.__name__] = partial(check_rule, kind(), seed=seed)
    for label, keywords in NETWORKS.items():
        checks[label] = partial(check_network, keywords, seed)
    return checks


def check_case(case: LayerCase, seed: int) -> GradientReport:
    """Check a layer."""
    return check_layer(case.make(), case.input_shape, seed=seed)


def check_network(keywords: Mapping[str, Any], seed: int) -> GradientReport:
    """Check a small VGG14 with these settings."""
    size = 16 if keywords.get("norm") in ("instance", "group") else 8  # 8 would be halved to 1: too few pixels
    return check_model(vgg(depth=14, filters=4, num_classes=10, **keywords), (4, size, size, 3), seed=seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all checks; return 0 if they pass, 1 if one fails."""
    parser = make_check_parser()
    options, unknown = parser.parse_known_intermixed_args(arguments)
    if options.input_shape and any(part.strip(",").isdigit() for part in (*unknown, *options.targets)):
        parser.error("--input-shape is one word: commas without spaces, --input-shape 4,6,6,3")
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.seed < 0 or options.seeds < 1:
        parser.error(f"--seed must be 0 or greater and --seeds 1 or greater, got {options.seed} and {options.seeds}")
    if options.class_report:
        return report_class(parser, options)
    if len(options.targets) > 1:
        parser.error("one FILE.py:NAME is checked at a time; for a class, add --class-report class.html")
    if options.targets:
        return check_own(options)
    if options.args or options.input_shape:
        parser.error(
            "--args and --input-shape are for your own class: python scripts/check_gradients.py FILE.py:NAME --args ..."
        )
    at_seeds = [checks_of_everything(options.seed + i) for i in range(options.seeds)]
    labels = [label for label in at_seeds[0] if options.only.lower() in label.lower()]
    checks = {label: [checks_at[label] for checks_at in at_seeds] for label in labels}
    if not checks:
        parser.error(f"no check has {options.only!r} in its label")
    return run_checks(checks, details=options.details)


def make_check_parser() -> CommandLine:
    parser = CommandLine(DESCRIPTION)
    add = parser.add_argument
    add("targets", nargs="*", metavar="FILE.py:NAME", help="your own class (default: all of mlp)")
    add("--args", default="", help='arguments of its constructor, as in Python: "3, 4, kernel_size=3"')
    add("--input-shape", type=shape_of, metavar="N,..", help="batch first: 4,6,6,3 (default: found by trying)")
    add("--seed", type=int, default=0, help="seed of the random points that are checked (default 0)")
    add("--seeds", type=int, default=1, metavar="N", help="check all of mlp at N seeds, from --seed on (default 1)")
    add("--only", default="", metavar="TEXT", help="only checks with TEXT in the label (Conv2d)")
    add("--details", action="store_true", help="print the error of every array, not only of failures")
    add_class_options(parser)
    return parser


def run_checks(checks: Mapping[str, Sequence[Callable[[], GradientReport]]], *, details: bool) -> int:
    """Run checks, each at several seeds, and print a line for each; return the exit status.

    The line has the worst errors of all seeds. The report follows if a check fails, or with `details`.
    """
    start = time.perf_counter()
    print(f"{'layer, loss or network':30}  {'training':>9}  {'evaluation':>10}")
    errors, failed, alarms, runs = {}, [], 0, 0
    for label, at_seeds in checks.items():
        reports = [check() for check in at_seeds]
        wrong = [report for report in reports if not report.passed]
        worst = max(reports, key=lambda report: report.worst)
        modes = {row.mode for row in worst.rows}
        training = worst_in(worst, next(iter(modes)) if modes in ({"loss"}, {"rule"}) else "training")
        evaluation = worst_in(worst, "evaluation")
        print(f"{label:30}  {training:>9}  {evaluation:>10}  {'FAILED' if wrong else 'ok'}", flush=True)
        errors[label] = worst.worst
        failed += [label] if wrong else []
        alarms, runs = alarms + len(wrong), runs + len(reports)
        for report in wrong or ([worst] if details else []):
            print(f"\n{report}\n")

    label = max(errors, key=lambda label: errors[label])
    seconds = time.perf_counter() - start
    print(f"Worst error {errors[label]:.1e} ({label}); {runs} checks in {seconds:.0f} s, ", end="")
    print(f"{alarms} FAILED: {', '.join(failed)}" if failed else "all passed.")
    return 1 if failed else 0


def add_class_options(parser: CommandLine) -> None:
    """Add the flags of a report about the solutions of a class."""
    text = (
        "each file runs in its own process; PAGE.csv, PAGE-scores.csv and PAGE-scores.json are written next to "
        "PAGE.html, and only files of earlier reports are overwritten"
    )
    add = parser.add_argument_group("for a class", text).add_argument
    add("--class-report", type=file_argument, metavar="PAGE.html", help="check many files and write a page about them")
    add("--name", default="", help="the class or function that each file must have (Conv)")
    text = "for a correct solution; each part earns a share (default 10)"
    add("--points", type=number_argument, default=10.0, help=text)
    add("--seconds", type=number_argument, default=60.0, help="time limit for a file (default 60)")
    add("--megabytes", type=int, default=3000, help="memory limit for a file (default 3000)")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="files checked at a time (default: one per core)")


def report_class(parser: CommandLine, options: Any) -> int:
    """Write the report about the solutions of a class; return 0."""
    if not options.name or not options.targets:
        parser.error("--class-report needs --name NAME and the files: --class-report class.html --name Conv work/*.py")
    if options.class_report.suffix not in (".html", ".htm"):
        parser.error(f"--class-report must end in .html (its table will be next to it), got {options.class_report}")
    at_once("--jobs", options.jobs)
    for flag, value, most in (("seconds", options.seconds, LONGEST_TIME), ("points", options.points, MOST_POINTS)):
        if not 0 < value <= most:
            parser.error(f"--{flag} must be greater than 0 and at most {most:,.0f}, got {value:g}")
    within("--megabytes", options.megabytes, LEAST_MEMORY, most_memory())
    check_replaceable(options.class_report)
    task = Task(options.name, options.args, options.input_shape, options.seed, options.seconds, options.megabytes)

    def tell(outcome: Outcome) -> None:
        verdict = "passed" if outcome.passed else outcome.mistake or "unknown"
        print(f"{outcome.student:30}  {verdict:30}  {outcome.seconds:5.1f} s", flush=True)

    outcomes = run_all([Path(target) for target in options.targets], task, options.jobs, tell)
    files = write_report(options.class_report, outcomes, task, options.points)
    passed = sum(outcome.passed for outcome in outcomes)
    print(f"{passed} of {len(outcomes)} passed; written: {', '.join(map(str, files))}")
    return 0


def check_own(options: Any) -> int:
    """Print the report about a class in a file; return 0 if it passed, 1 if not."""
    report = check_file(options.targets[0], options.args, options.input_shape, options.seed)
    print(report)
    return 0 if report.passed else 1


def shape_of(text: str) -> tuple[int, ...]:
    """Return the shape that "4,6,6,3", "4x6x6x3" or "(4, 6)" means."""
    parts = [part.strip() for part in text.strip("() ").replace("x", ",").split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        ends = "; it ends with a comma: write it without spaces" if text.endswith(",") else ""
        raise argparse.ArgumentTypeError(
            f"expected whole numbers of at least 1 with commas, such as 4,6,6,3, got {text!r}{ends}"
        )
    return tuple(int(part) for part in parts)


def worst_in(report: GradientReport, mode: str) -> str:
    """Return the largest error among the rows of one mode as text; "-" without such rows."""
    errors = [row.error for row in report.rows if row.mode == mode]
    return f"{max(errors):.1e}" if errors else "-"
