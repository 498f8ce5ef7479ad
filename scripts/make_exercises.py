"""Write what teachers hand out: of each lesson a copy for students, one with solutions, and a master for otter.

A lesson in notebooks/ contains its solutions, between two lines:

    def square(x):
        ### BEGIN SOLUTION
        return x * x
        ### END SOLUTION

A check may have tests that students do not see, between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS.

    student/    each solution is replaced by a line that asks for one; hidden tests are left out
    solution/   solutions and hidden tests, without the lines BEGIN and END
    otter/      the master that otter-grader's `otter assign` reads, with otter's own marks in cells of their own

nbgrader reads the lessons in notebooks/ as they are. Only student/ is for students.
"""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, start

    begin()

import copy
import re
from pathlib import Path

import nbformat

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.paths import folder_argument
from mlp.errors import ConfigurationError

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", flags=re.MULTILINE | re.DOTALL)
# otter takes everything that a test prints for a failure
QUIET = "import contextlib\nimport io\n\nwith contextlib.redirect_stdout(io.StringIO()):\n"
MARKS = re.compile(r"^ *### (BEGIN|END) (SOLUTION|HIDDEN TESTS)\n?", flags=re.MULTILINE)
HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS\n(.*?)^ *### END HIDDEN TESTS\n?", flags=re.MULTILINE | re.DOTALL)


def grade_id(cell):
    """Return the name of an exercise ("exercise-1") or of its check ("exercise-1-check"); "" for any other cell."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_solution(cell):
    return bool(grade_id(cell)) and cell.metadata.nbgrader.solution


def student_copy(lesson):
    """Return the lesson without its solutions, hidden tests and outputs.

    Raises:
        ConfigurationError: a BEGIN has no END, or an END no BEGIN, so that something would be given away.
    """
    lesson = copy.deepcopy(lesson)
    for cell in lesson.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None  # the report about a solution would give it away
            cell.source = HIDDEN.sub("", cell.source)
    for cell in filter(is_solution, lesson.cells):
        name = grade_id(cell).replace("-", " ").capitalize()
        stub = (
            f'# {name}: your code\nraise NotImplementedError("{name} is yours: put your code in place of this line.")'
        )
        cell.source = SOLUTION.sub(lambda match, stub=stub: indented(stub, match[1]), cell.source)
    for cell in lesson.cells:
        if cell.cell_type == "code" and MARKS.search(cell.source):
            raise ConfigurationError(
                f"the cell {cell.id!r} of a student's copy still has a mark: {MARKS.search(cell.source)[0].strip()!r}. "
                "Each BEGIN needs its END, and a cell with a solution needs nbgrader's metadata"
            )
    return lesson


def solution_copy(lesson):
    """Return the lesson with its solutions and hidden tests, without the marks."""
    lesson = copy.deepcopy(lesson)
    for cell in filter(grade_id, lesson.cells):
        cell.source = MARKS.sub("", cell.source)
    return lesson


def otter_master(lesson):
    """Return the lesson as `otter assign` reads it: exercises are questions, with raw cells around their parts."""
    lesson = copy.deepcopy(lesson)
    raw = nbformat.v4.new_raw_cell
    cells = [raw("# ASSIGNMENT CONFIG\nexport_cell: false\nfiles: []")]
    for cell in lesson.cells:
        if is_solution(cell):
            cell.source = cell.source.replace("### BEGIN SOLUTION", "# BEGIN SOLUTION")
            cell.source = cell.source.replace("### END SOLUTION", "# END SOLUTION")
            question = raw(f"# BEGIN QUESTION\nname: {grade_id(cell)}\npoints: 1")
            cells.insert(-1, question)  # in front of the text of the exercise
            cells += [raw("# BEGIN SOLUTION"), cell, raw("# END SOLUTION")]
        elif grade_id(cell):
            cells += [raw("# BEGIN TESTS"), *otter_tests(cell), raw("# END TESTS"), raw("# END QUESTION")]
        else:
            cells.append(cell)
    lesson.cells = cells
    return lesson


def otter_tests(check):
    """Return the cells of a check: one that everybody sees and, if it has hidden tests, one with otter's mark."""
    shown, hidden = copy.deepcopy(check), nbformat.v4.new_code_cell()
    shown.source = QUIET + indented(HIDDEN.sub("", check.source), "    ")
    whole = MARKS.sub("", check.source)  # hidden tests need the lines before them
    hidden.source = "# HIDDEN\n" + QUIET + indented(whole, "    ")
    return [shown, hidden] if HIDDEN.search(check.source) else [shown]


def indented(text, indent):
    return "\n".join(indent + line for line in text.splitlines())


FORMS = {"student": student_copy, "solution": solution_copy, "otter": otter_master}


def main(arguments=None):
    parser = CommandLine(__doc__)
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="folder with the lessons; default: ours")
    parser.add_argument(
        "--out", type=folder_argument, default=NOTEBOOKS.parent / "build" / "exercises", help="folder to write to"
    )
    options = parser.parse_args(arguments)
    paths = sorted(options.notebooks.glob("*.ipynb"))
    if not paths:
        parser.error(f"--notebooks: there are no notebooks in {options.notebooks}")
    for form, make in FORMS.items():
        folder = options.out / form
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            nbformat.write(make(nbformat.read(path, as_version=4)), folder / path.name)
        print(f"{folder}: {len(list(folder.glob('*.ipynb')))} notebooks")


if __name__ == "__main__":
    start(main)
