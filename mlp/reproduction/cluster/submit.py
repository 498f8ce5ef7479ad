"""Submit runs to Slurm: a list of tasks and a script for sbatch."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import mlp.reproduction.cluster as here
from mlp.engine.cpu.blas import THREAD_LIMITS
from mlp.errors import ConfigurationError, FolderInUseError, MlpError
from mlp.experiments.settings.naming import name_of
from mlp.files import write_text
from mlp.files.locks import only_writer
from mlp.reproduction.cluster.slurm import Task, largest_array, queued_tasks, submit_script
from mlp.reproduction.cluster.wishes import Wishes, longest_epoch, margin_of, warnings_of
from mlp.reproduction.index import PlannedRun, RunIndex
from mlp.reproduction.work import Outcome, divide, train_command, words_of, write_planned
from mlp.training.attempts import COLUMNS
from mlp.typing import PathLike

FOLDER = "slurm"  # below the root
PATIENCE = 3  # attempts in a row without a finished epoch, after which a job gives up


@dataclass(frozen=True)
class Array:
    """An array of tasks: its folder, the texts of tasks.txt and array.sh, and the number of its tasks."""

    folder: Path
    tasks: str
    script: str
    size: int


def submit(
    planned: Sequence[PlannedRun], root: PathLike, wishes: Wishes, data_dir: PathLike | None, *, dry_run: bool = False
) -> list[str]:
    """Submit the runs that are neither finished nor queued.

    Args:
        root: the folder that has, or gets, a folder for each run; all nodes must see it.
        data_dir: for `mlp train`. dry_run: submit and write nothing.

    Returns:
        Lines for people: what was submitted, and what was not, and why.

    Raises:
        ConfigurationError: there is no Slurm here. MlpError: sbatch refused; what it said.
    """
    root = Path(root).absolute()
    with nullcontext() if dry_run else only_submitter(root):
        index = RunIndex(root)
        done, waiting = divide(planned, index)
        silent = ""
        try:
            queued = tasks_by_folder(queued_tasks(), root)
        except MlpError as error:
            if not dry_run:
                raise
            queued, silent = {}, str(error)  # a dry run works on any machine
        tasks = [queued.get(outcome.folder.resolve()) for outcome in waiting]
        to_do = [outcome for outcome, task in zip(waiting, tasks, strict=True) if task is None]
        lines = [f"failed: {outcome.folder}: {outcome.message}" for outcome in done if outcome.status == "failed"]
        held = [task.id for task in tasks if task is not None and task.held]
        lines += [f"held: scontrol release {task} lets it run" for task in dict.fromkeys(held)]
        lines.append(f"{len(done)} finished, {len(waiting) - len(to_do)} queued, {len(to_do)} to be submitted")
        if not to_do:
            return lines
        epoch = longest_epoch(index)
        wishes = replace(wishes, margin=margin_of(wishes, epoch))
        lines += warnings_of(wishes, epoch)
        arrays = make_arrays(to_do, root, wishes, data_dir)
        if dry_run:
            first = arrays[0]
            return [
                *([f"this takes no run as queued: {silent}"] if silent else []),
                *lines,
                f"{first.folder / 'array.sh'}:",
                first.script,
                "the first line of tasks.txt:",
                first.tasks.partition("\n")[0],
            ]
        write_planned(root, [*done, *waiting])
        for array in arrays:
            job = submit_array(array)
            lines.append(f"submitted: job {job}, {array.size} tasks; logs of the runs: log.txt in each folder")
    return lines


@contextmanager
def only_submitter(root: Path) -> Iterator[None]:
    """Let only one command submit at a time: two would both see the same runs as not queued."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with only_writer(folder / "lock"):
            yield
    except FolderInUseError:
        raise FolderInUseError(f"another command is submitting runs of {root}: wait until it ends") from None


def tasks_by_folder(tasks: Sequence[Task], root: Path) -> dict[Path, Task]:
    """Return {folder of a run, links resolved: the task that does it or will}, of tasks with scripts below the root.

    The list of runs lies beside the script, so nothing is lost if a submission died before it wrote down the job's id.
    """
    root = root.resolve()
    found: dict[Path, Task] = {}
    lists: dict[Path, tuple[int, list[Path]]] = {}
    for task in tasks:
        folder = task.script.parent
        if task.script.name != "array.sh" or root not in task.script.resolve().parents:
            continue
        if folder not in lists:
            lists[folder] = read_tasks(folder)
        each, runs = lists[folder]
        for run in runs[task.number * each : (task.number + 1) * each]:
            found[run.resolve()] = task
    return found


def read_tasks(folder: Path) -> tuple[int, list[Path]]:
    """Return (number of runs in a task, folders of all runs) from the folder of an array; (1, []) if it is gone."""
    try:
        rows = (folder / "tasks.txt").read_text(encoding="utf-8").splitlines()
        script = (folder / "array.sh").read_text(encoding="utf-8")
        each = int(script.partition("A task does ")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return 1, []
    return each, [Path(row.partition("\t")[0]) for row in rows]


def make_arrays(outcomes: Sequence[Outcome], root: Path, wishes: Wishes, data_dir: PathLike | None) -> list[Array]:
    """Return the arrays that do these runs: several if Slurm allows fewer tasks in one."""
    command = train_command()
    place = None if data_dir is None else Path(data_dir).absolute()
    rows = []
    for outcome in outcomes:
        words = shlex.join(words_of(outcome, command, wishes.cores, place))
        if "\n" in words or "\t" in words or "\n" in str(outcome.folder):
            raise ConfigurationError(f"{outcome.run.name}: its command has a tab or a line feed in it: {words!r}")
        rows.append(f"{outcome.folder}\t{words}\n")
    most = largest_array() * wishes.runs_per_task
    pieces = [rows[begin : begin + most] for begin in range(0, len(rows), most)]
    if wishes.at_once is not None:  # shared by the arrays
        wishes = replace(wishes, at_once=max(1, wishes.at_once // len(pieces)))
    stamp, arrays = time.strftime("%Y%m%d-%H%M%S"), []
    for number, piece in enumerate(pieces):
        folder = free_folder(root / FOLDER, f"{stamp}-{number + 1}" if len(pieces) > 1 else stamp)
        size = -(-len(piece) // wishes.runs_per_task)
        arrays.append(Array(folder, "".join(piece), script_of(folder, size, wishes, name=root.name), size))
    return arrays


def free_folder(parent: Path, name: str) -> Path:
    """Return a folder that is not there yet."""
    number, folder = 2, parent / name
    while folder.exists():
        folder, number = parent / f"{name}.{number}", number + 1
    return folder


def script_of(folder: Path, size: int, wishes: Wishes, name: str) -> str:
    """Return the text of array.sh."""
    options = [
        f"--job-name=mlp-{name_of({}, first=name)}",
        f"--array=0-{size - 1}" + ("" if wishes.at_once is None else f"%{wishes.at_once}"),
        f"--output={str(folder).replace('%', '%%')}/log/%A_%a.txt",
        "--open-mode=append",
        "--requeue",
        f"--signal=B:USR2@{wishes.margin}",
        f"--chdir={Path.cwd()}",
        f"--cpus-per-task={wishes.cores}",
        f"--mem={wishes.memory}",
        *([f"--time={wishes.time}"] if wishes.time else []),
        *([f"--gres=gpu:{wishes.gpus}"] if wishes.gpus else []),
        *([f"--partition={wishes.partition}"] if wishes.partition else []),
        *wishes.sbatch,
    ]
    values = {
        "OPTIONS": "\n".join(f"#SBATCH {shlex.quote(option)}" for option in options),
        "FOLDER": shlex.quote(str(folder)),
        "EACH": str(wishes.runs_per_task),
        "CORES": str(wishes.cores),
        "PATIENCE": str(PATIENCE),
        "PYTHONPATH": shlex.quote(str(Path(here.__file__).parents[3])),
        "THREAD_LIMITS": " ".join(THREAD_LIMITS),
        "COLUMNS": "\\t".join(COLUMNS),
    }
    text = files(here).joinpath("array.sh").read_text(encoding="utf-8")
    for word, value in values.items():
        text = text.replace(f"@{word}@", value)
    return text


def submit_array(array: Array) -> str:
    """Write the files of an array and give it to sbatch; return the id of its job."""
    (array.folder / "log").mkdir(parents=True)  # a job whose log cannot be written fails without a trace
    write_text(array.folder / "tasks.txt", array.tasks)
    write_text(array.folder / "array.sh", array.script)
    try:
        job = submit_script(array.folder / "array.sh")
    except MlpError as error:
        raise type(error)(f"{error}; nothing of {array.folder} was submitted") from None
    write_text(array.folder / "job", job + "\n")
    return job
