"""Write the page of a run: curves, gradient flow epoch by epoch, settings, the images it finds hardest, commands.

    python scripts/report.py runs/best                     writes runs/best/report.html
    python scripts/report.py docs/results/vgg08_bn         kept results, too, and runs of older versions

A run writes its page by itself, while it trains and at its end, unless you call scripts/train.py with --no-page. The
page is a single file that needs nothing else: open it in a browser, keep it, send it.
"""

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.flags import add_data_flag, add_runs_argument, add_trust_flag, named_runs
from mlp.experiments.page.write import report_run


def main() -> int:
    parser = CommandLine(__doc__)
    add_runs_argument(parser)
    add_data_flag(parser)
    add_trust_flag(parser)
    arguments = parser.parse_args()
    for run in named_runs(arguments.runs):
        path, reason = report_run(run, arguments.data_dir, trust_code=arguments.trust_code)
        print(f"written: {path}{reason and f' (without the hardest images: {reason})'}")
    return 0
