"""Write the page of a run: curves, gradient flow epoch by epoch, settings, the images it finds hardest, commands.

    python scripts/report.py runs/best                     writes runs/best/report.html
    python scripts/report.py docs/results/vgg08_bn         kept results, too, and runs of older versions
    python scripts/report.py their/run --out page.html     the run of somebody else, where you may not write

A run writes its page by itself, while it trains and at its end, unless you call scripts/train.py with --no-page. The
page is a single file that needs nothing else: open it in a browser, keep it, send it.
"""

from mlp.commands.command_line import CommandLine, mention_left_out, spoken
from mlp.commands.shared.flags import add_data_flag, add_runs_argument, add_trust_flag, named_runs
from mlp.commands.shared.paths import file_argument, output_file
from mlp.errors import ConfigurationError, each_of
from mlp.experiments.page.write import PAGE, report_run
from mlp.typing import PathLike


def main() -> int:
    parser = CommandLine(__doc__)
    add_runs_argument(parser)
    add_data_flag(parser)
    add_trust_flag(parser)
    text = "where to write the page of one run (default: RUN/report.html)"
    parser.add_argument("--out", type=file_argument, metavar="FILE", help=text)
    arguments = parser.parse_args()
    runs = named_runs(arguments.runs)
    if arguments.out is not None and len(runs) > 1:
        raise ConfigurationError(f"--out is for the page of one run, got {len(runs)} runs")

    def write(run: PathLike) -> None:
        out = output_file(arguments.out, str(run), PAGE)
        path, reason = report_run(run, arguments.data_dir, out=out, trust_code=arguments.trust_code)
        print(f"written: {path}{reason and f' (without the hardest images: {spoken(reason)})'}")

    return mention_left_out(each_of(runs, write)[1])
