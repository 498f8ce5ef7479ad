"""Check every backward pass of `mlp` against finite differences."""

import argparse
import sys
import time

from mlp.diagnostics import check_layer, check_loss, check_model
from mlp.diagnostics.layer_cases import CASES
from mlp.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.rng import generator

DESCRIPTION = """\
Check every backward pass of mlp against finite differences.

A backward pass is written by hand from a formula. A finite difference needs no formula: move one number of an array by
a tiny step h up and down, run forward both times, and divide the change of the outputs by 2h. If the two disagree, the
backward pass is wrong (or the forward pass is not what you think).

The error of an array is |analytic - numeric| / |numeric|, with norms over the array. Right formulas stay below 1e-7
in float64; a wrong factor, sign or index gives 1e-3 to 2. Each row shows the worst array of a layer, in training and
in evaluation mode. Whole networks are checked at the end: each layer may be right and their wiring wrong.

To check a layer of your own:

    from mlp.diagnostics import check_layer
    print(check_layer(MyLayer(), input_shape=(4, 6, 6, 3)))
"""

NETWORKS = {
    "VGG14 plain": {},
    "VGG14 BN": {"norm": "batch"},
    "VGG14 BN+RC": {"norm": "batch", "residual": True, "reduction_shortcut": "avgpool"},
}


def main(arguments=None):
    """Run all checks; return 0 if they pass, 1 if one fails."""
    parser = argparse.ArgumentParser(description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the random points that are checked (default 0)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks with TEXT in the label (Conv2d)")
    parser.add_argument("--details", action="store_true", help="print the error of every array, not only of failures")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"--seed must be 0 or greater, got {options.seed}")

    checks = {
        case.label: lambda case=case: check_layer(case.make(), case.input_shape, seed=options.seed) for case in CASES
    }
    numbers = generator(options.seed, "probe").random((5, 7))  # targets between 0 and 1
    for label, (loss, targets) in {
        "SoftmaxCrossEntropy": (SoftmaxCrossEntropy(), None),
        "SoftmaxCrossEntropy, smoothed": (SoftmaxCrossEntropy(label_smoothing=0.1), None),
        "MeanSquaredError": (MeanSquaredError(), numbers),
        "BinaryCrossEntropy": (BinaryCrossEntropy(), numbers),
    }.items():
        checks[label] = lambda loss=loss, targets=targets: check_loss(loss, (5, 7), targets, seed=options.seed)
    for label, keywords in NETWORKS.items():
        checks[label] = lambda keywords=keywords: check_model(
            vgg(depth=14, filters=4, num_classes=10, **keywords), (4, 8, 8, 3), seed=options.seed
        )
    checks = {label: check for label, check in checks.items() if options.only.lower() in label.lower()}
    if not checks:
        parser.error(f"no check has {options.only!r} in its label")

    start = time.perf_counter()
    print(f"{'layer, loss or network':30}  {'training':>9}  {'evaluation':>10}")
    reports = {}
    for label, check in checks.items():
        report = reports[label] = check()
        modes = {row.mode for row in report.rows}
        training = worst_in(report, "loss" if modes == {"loss"} else "training")
        evaluation = worst_in(report, "evaluation")
        print(f"{label:30}  {training:>9}  {evaluation:>10}  {'ok' if report.passed else 'FAILED'}", flush=True)
        if options.details or not report.passed:
            print(f"\n{report}\n")

    failed = [label for label, report in reports.items() if not report.passed]
    worst = max(reports, key=lambda label: reports[label].worst)
    seconds = time.perf_counter() - start
    print(f"Worst error {reports[worst].worst:.1e} ({worst}); {len(reports)} checks in {seconds:.0f} s, ", end="")
    print(f"FAILED: {', '.join(failed)}" if failed else "all passed.")
    return 1 if failed else 0


def worst_in(report, mode):
    """Return the largest error among the rows of one mode, as text."""
    errors = [row.error for row in report.rows if row.mode == mode]
    return f"{max(errors):.1e}" if errors else "-"


if __name__ == "__main__":
    sys.exit(main())
