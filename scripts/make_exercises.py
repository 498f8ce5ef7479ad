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

nbgrader reads the lessons in notebooks/ as they are. Only student/ is for students. Needs nbformat:
pip install -e ".[lessons]".
"""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, require, start

    begin()
    require("lessons", "nbformat")

import copy
import re
from pathlib import Path

import nbformat

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.paths import folder_argument
from mlp.errors import ConfigurationError, MlpError

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", flags=re.MULTILINE | re.DOTALL)
# otter takes everything that a test prints for a failure
QUIET = "import contextlib\nimport io\n\nwith contextlib.redirect_stdout(io.StringIO()):\n"
MARKS = re.compile(r"^ *### (BEGIN|END) (SOLUTION|HIDDEN TESTS)\n?", flags=re.MULTILINE)
LEFT = re.compile(r"^.*\b(BEGIN|END)\s+(SOLUTION|HIDDEN)\b.*$", flags=re.MULTILINE | re.IGNORECASE)
HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS\n(.*?)^ *### END HIDDEN TESTS\n?", flags=re.MULTILINE | re.DOTALL)


def marks(cell):
    """Return nbgrader's metadata of a cell, {} for a cell of no exercise."""
    return cell.metadata.get("nbgrader", {})


def grade_id(cell):
    """Return the name of an exercise ("exercise-1") or of its check ("exercise-1-check"); "" for any other cell."""
    return marks(cell).get("grade_id", "")


def is_solution(cell):
    return bool(grade_id(cell) and marks(cell).get("solution"))


def is_check(cell):
    return bool(grade_id(cell) and marks(cell).get("grade") and not marks(cell).get("solution"))


def student_copy(lesson):
    """Return the lesson without its solutions, hidden tests and outputs.

    Raises:
        ConfigurationError: a BEGIN has no END, or an END no BEGIN, so that something would be given away.
    """
    lesson = copy.deepcopy(lesson)
    for number, cell in enumerate(lesson.cells, start=1):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None  # the report about a solution would give it away
            cell.source = HIDDEN.sub("", cell.source)
        count = 0
        if is_solution(cell):
            cell.source, count = SOLUTION.subn(lambda match, cell=cell: stub(cell, match[1]), cell.source)
        if cell.cell_type == "code" and (left := LEFT.search(cell.source)):
            raise ConfigurationError(
                f"{place(cell, number)} still has the mark {left[0].strip()!r} in the students' copy. Each BEGIN needs "
                "its END, written as ### BEGIN SOLUTION, and a cell with a solution needs nbgrader's metadata"
            )
        if is_solution(cell) and not count:
            raise ConfigurationError(
                f"{place(cell, number)} is a solution by its metadata, but nothing in it is between ### BEGIN SOLUTION "
                "and ### END SOLUTION, each in a line of its own"
            )
    return lesson


def stub(cell, indent):
    """Return the lines that ask for the solution."""
    name = grade_id(cell).replace("-", " ").capitalize()
    text = f'# {name}: your code\nraise NotImplementedError("{name} is yours: put your code in place of this line.")'
    return indented(text, indent)


def place(cell, number):
    """Say which cell it is: its number, as a reader counts, and its name or its first line."""
    first_line = cell.source.strip().partition("\n")[0]
    return f"cell {number} ({grade_id(cell) or first_line})"


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
            text = [cells.pop()] if cells[-1].cell_type == "markdown" else []  # the text belongs to the question
            cells += [question, *text, raw("# BEGIN SOLUTION"), cell, raw("# END SOLUTION")]
        elif is_check(cell):
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
    lessons = {path: read_lesson(path) for path in paths}
    copies = {(form, path): make_copy(form, path, lesson) for form in FORMS for path, lesson in lessons.items()}
    for (form, path), lesson in copies.items():  # all are made: an error leaves nothing behind
        folder = options.out / form
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(lesson, folder / path.name)
    for form in FORMS:
        print(f"{options.out / form}: {len(paths)} notebooks")


def read_lesson(path):
    """Return a notebook; MlpError if the file is none."""
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError) as error:  # NotJSONError is a ValueError
        raise MlpError(f"{path} is not a notebook: {error}") from error


def make_copy(form, path, lesson):
    """Return one of the copies of a notebook; an error names the notebook."""
    try:
        return FORMS[form](lesson)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


if __name__ == "__main__":
    start(main)
