"""Run the experiments of five reports, and compare the results with the published numbers.

    python scripts/reproduce.py list                        a line for each row; --long has settings and numbers
    python scripts/reproduce.py run s0-7 --scale quick      one row at a small scale: about a minute
    python scripts/reproduce.py run all --scale quick --jobs 2
    python scripts/reproduce.py run s0 --seeds 0 256 512 --device cuda:0
    python scripts/reproduce.py run s0 --cluster slurm --time 2:00:00 --cores 4     see scripts/sweep.py --help
    python scripts/reproduce.py status --watch              the state of each run
    python scripts/reproduce.py table s0-tab1               our numbers, the published ones, and a verdict
    python scripts/reproduce.py figure s0-fig1              one of the reports' figures, as PNG and PDF
    python scripts/reproduce.py findings                    what the reports found, and whether our runs show it
    python scripts/reproduce.py report x-6                  one row's page: the loss around networks, all measurements
    python scripts/reproduce.py report                      a page with all tables and figures, as HTML and Markdown

s0 ... s4 are the reports, and x holds experiments that follow from several of them. s0-7 is a row; s0-tab1 and s4-fig7
are tables and figures of the reports. A row may need several runs, and rows may share runs; each run is done once.
Repeat a command after Ctrl-C or a failure: finished runs are skipped, interrupted ones continue. A run is a folder like
those of scripts/train.py.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlp.commands.command_line import CommandLine, spoken
from mlp.commands.shared.paths import file_argument, folder_argument, path_argument
from mlp.commands.shared.running import add_machine_flags, add_watch_flag, do_runs, show_states
from mlp.data import SCENES
from mlp.data.formats.sources import MissingDataError
from mlp.errors import ConfigurationError
from mlp.experiments.config import RunConfig
from mlp.files import write_text
from mlp.pages.markdown import markdown
from mlp.reproduction.cluster.states import cancel
from mlp.reproduction.costs import how_to_make
from mlp.reproduction.figures import save
from mlp.reproduction.findings import check_findings
from mlp.reproduction.formats import FORMATS, format_table
from mlp.reproduction.index import RunIndex
from mlp.reproduction.listing import list_rows, rows_as_json
from mlp.reproduction.page.markdown import findings_text
from mlp.reproduction.page.write import write_report
from mlp.reproduction.plan import RUNS, command_for, plan_runs
from mlp.reproduction.probes.compute import measure_rows
from mlp.reproduction.reports import select
from mlp.reproduction.scale import QUICK, SCALES, WHERE, Scale, choose_dataset, find_scale, without_missing_scenes
from mlp.reproduction.tables import make_table


def show_rows(arguments: Namespace) -> None:
    rows = select([arguments.report])
    print(rows_as_json(rows) if arguments.json else list_rows(rows, long=arguments.long or len(rows) == 1))
    if not (arguments.json or arguments.long) and len(rows) > 1:
        print("to see settings, published numbers and findings too, name a row or add --long")


def run_rows(arguments: Namespace) -> int:
    scale = find_scale(arguments.scale)
    device = "cuda:0" if arguments.devices else arguments.device  # each run sees one GPU, which is its first
    rows = select(arguments.rows)
    for row in rows if len(rows) < 10 else ():
        if not row.can_run:
            print(f"nothing to run for {row.id}, it is {row.state}: {row.test or row.note or row.title}")
    if not any(row.can_run for row in rows):
        return 0
    try:
        scenes_alone = all(run.settings.get("dataset") in SCENES for row in rows for run in row.runs)
        dataset = RunConfig.dataset if scenes_alone else choose_dataset(scale, arguments.data_dir)
    except MissingDataError as error:  # its advice has a flag of train.py
        raise MissingDataError(
            f"{error.text}Get it with python scripts/download_data.py cifar100, or say where it is ({WHERE}), or take "
            "--scale quick, which can use made-up images."
        ) from None
    planned = plan_runs(rows, scale, arguments.seeds, dataset, device)
    planned = without_missing_scenes(planned, arguments.data_dir, say=lambda line: print(spoken(line)))
    root = arguments.out / scale.name
    status = do_runs(planned, root, f"{scale.label}; {dataset} images", arguments) if planned else 0
    if arguments.estimate or arguments.cluster:
        if arguments.cluster and any(row.probes for row in rows):
            print("when the runs are done, repeat the command without --cluster: it measures the loss around them")
        return status
    options = {"dataset": dataset, "data_dir": arguments.data_dir, "jobs": arguments.jobs or 1}
    failed = measure_rows(rows, planned, root, scale, **options)
    print("".join(f"failed: {line}\n" for line in failed), file=sys.stderr, end="")
    return status or (1 if failed else 0)


@contextmanager
def runs_and_scale(arguments: Namespace) -> Iterator[tuple[RunIndex, Scale | None]]:
    """Yield (RunIndex of --runs, Scale of --scale or None); at the end, name the runs that are damaged."""
    if arguments.runs != RUNS and not Path(arguments.runs).is_dir():
        raise ConfigurationError(f"--runs: there is no folder {arguments.runs}")
    index = RunIndex(arguments.runs)
    try:
        yield index, None if arguments.scale is None else find_scale(arguments.scale)
    finally:
        for message in dict.fromkeys(index.damaged):
            print(f"damaged: {message}", file=sys.stderr)


def show_table(arguments: Namespace) -> None:
    with runs_and_scale(arguments) as (index, scale):
        table = make_table(arguments.id, index, scale, arguments.seeds)
    text = format_table(table, arguments.format)
    if not index.damaged and not any(line.result.records for line in table.lines):
        print(f"no runs yet; they are made by: {spoken(how_to_make(arguments.id, scale, index.root))}", file=sys.stderr)
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(arguments.out, text)
        print(arguments.out)


def show_findings(arguments: Namespace) -> None:
    with runs_and_scale(arguments) as (index, scale):
        checked = check_findings(index, scale, arguments.seeds)
    if scale is None and checked.scale is QUICK and checked.judged:
        print("note: these are runs at the quick scale: at full scale fewer claims can be judged", file=sys.stderr)
    if checked.judged:
        print(findings_text(checked))
    elif checked.unfinished:
        command = command_for(" ".join(checked.unfinished), checked.scale, arguments.runs)
        print(f"no row has complete runs yet ({checked.scale.label}); this finishes those that are begun: ", end="")
        print(spoken(command))
    elif not index.damaged:
        print(f"no runs yet; they are made by: {spoken(command_for('all', scale or QUICK, arguments.runs))}")


def draw_figures(arguments: Namespace) -> None:
    out = arguments.out or Path(arguments.runs) / "figures"
    with runs_and_scale(arguments) as (index, scale):
        for name in arguments.ids:
            drawing, paths = save(name, out, index, scale, arguments.seeds)
            print("\n".join(map(str, paths)))
            if drawing.numbers:
                print(markdown(drawing.numbers[0], drawing.numbers[1:]))
            for line in drawing.left_out:
                print(f"not complete: {line}", file=sys.stderr)


def write_page(arguments: Namespace) -> None:
    out = arguments.out or Path(arguments.runs) / "report"
    with runs_and_scale(arguments) as (index, scale):
        rows = [row.id for row in select(arguments.rows)] if arguments.rows else []
        paths = write_report(out, index, scale, arguments.seeds, say=print, rows=rows)
    print("\n".join(map(str, paths)))


def main() -> int:
    parser = CommandLine(__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    add_commands_about_runs(commands)
    add_commands_about_results(commands)
    arguments = parser.parse_args()
    if arguments.command is None:
        parser.print_help()
        return 2
    return arguments.function(arguments) or 0


def add_command(commands: Any, name: str, function: Callable[[Any], Any], text: str) -> CommandLine:
    """Add a command that calls `function`; return its parser."""
    added: CommandLine = commands.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
    added.set_defaults(function=function)
    return added


def add_commands_about_runs(commands: Any) -> None:
    """Add list, run, status and cancel."""
    listing = add_command(commands, "list", show_rows, "list the rows, a line each: state, title, tables and figures")
    listing.add_argument("report", nargs="?", default="all", help="a report, row, table or figure (default: all)")
    text = "also settings, published numbers and findings of each row"
    listing.add_argument("--long", action="store_true", help=text)
    listing.add_argument("--json", action="store_true", help="all that is known about the rows, as JSON")

    text = "make the runs of rows; skip finished ones, resume interrupted ones"
    running = add_command(commands, "run", run_rows, text)
    running.add_argument("rows", nargs="+", metavar="ROW", help="s0-7, s0-tab1 (all its rows), s0, or all")
    running.add_argument("--scale", default="full", metavar="NAME", help=f"{', '.join(SCALES)} (default: full)")
    running.add_argument("--seeds", type=int, nargs="+", metavar="N", help="seeds (default: those of the report)")
    running.add_argument("--device", default="cpu", help="cpu, or cuda:0 for a GPU (default: cpu)")
    text = f"where the runs go (default: {RUNS})"
    running.add_argument("--out", type=folder_argument, default=RUNS, metavar="DIR", help=text)
    add_machine_flags(running)

    text = "show the state of each run, such as finished or running"
    watching = add_command(commands, "status", lambda given: show_states(given.folder, given.watch), text)
    text = "take the runs of a folder out of a cluster's queue"
    cancelling = add_command(commands, "cancel", lambda given: print(cancel(given.folder)), text)
    text = f"where the runs are (default: {RUNS})"
    for command in (watching, cancelling):
        command.add_argument("folder", nargs="?", type=path_argument, default=RUNS, metavar="DIR", help=text)
    add_watch_flag(watching)


def add_commands_about_results(commands: Any) -> None:
    """Add table, findings, figure and report."""
    tabling = add_command(commands, "table", show_table, "print a table: our numbers, the published ones, verdicts")
    tabling.add_argument("id", metavar="ID", help="a table (s0-tab1) or a row (s0-7)")
    text = f"{', '.join(FORMATS)} (default: markdown)"
    tabling.add_argument("--format", default="markdown", metavar="NAME", help=text)
    tabling.add_argument("--out", type=file_argument, metavar="FILE", help="write to a file (default: print)")

    text = "say what the reports found, and whether our runs show it"
    finding = add_command(commands, "findings", show_findings, text)

    drawing = add_command(commands, "figure", draw_figures, "draw figures as PNG and PDF")
    drawing.add_argument("ids", nargs="+", metavar="ID", help="s0-fig1; list shows all of them")
    text = "folder to write to (default: figures/ in the folder of the runs)"
    drawing.add_argument("--out", type=folder_argument, metavar="DIR", help=text)

    reporting = add_command(commands, "report", write_page, "write a page with all tables and figures so far")
    reporting.add_argument("rows", nargs="*", metavar="ROW", help="only these rows, such as x-6 (default: all)")
    text = "folder to write to (default: report/ in the folder of the runs)"
    reporting.add_argument("--out", type=folder_argument, metavar="DIR", help=text)

    text, first = f"where the runs are (default: {RUNS})", "full if there are such runs"
    defaults = {tabling: first, finding: "the one that can judge more claims", drawing: first, reporting: "both"}
    for command, scale in defaults.items():
        command.add_argument("--runs", type=path_argument, default=RUNS, metavar="DIR", help=text)
        command.add_argument("--scale", metavar="NAME", help=f"full or quick (default: {scale})")
        command.add_argument("--seeds", type=int, nargs="+", metavar="N", help="seeds (default: those of the report)")


def after_interrupt() -> str:
    return "repeat the command to continue; finished runs are skipped"
