"""Lessons run from top to bottom in quick mode; a copy for students stops at the first exercise, in friendly words."""

import ast
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import make_exercises
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
QUICK = {**os.environ, "MLP_LESSON": "quick"}
pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="no notebooks")
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def execute(notebook):
    """Return the notebook with its outputs in quick mode, up to the first cell that fails."""
    command = [sys.executable, str(Path(__file__).parent / "execute_notebook.py"), str(NOTEBOOKS[0].parent)]
    run = subprocess.run(command, input=nbformat.writes(notebook), capture_output=True, text=True, env=QUICK)
    assert run.returncode == 0, run.stderr
    return nbformat.reads(run.stdout, as_version=4)


@pytest.fixture(scope="module")
def runs(request):
    """{path: future of the executed `lesson_with_an_attempt`} for all lessons that were selected, two at a time."""
    wanted = {
        item.callspec.params["path"]
        for item in request.session.items
        if item.path == Path(__file__) and "runs" in item.fixturenames
    }
    with ThreadPoolExecutor(2) as pool:
        yield {path: pool.submit(execute, lesson_with_an_attempt(path)) for path in sorted(wanted)}


def student(path):
    return make_exercises.student_copy(read(path))


def lesson_with_an_attempt(path):
    """Return a lesson in which a student's cells of exercise 1 are run, and fail, before those with the solution.

    Up to there a student's copy is the lesson (a test below sees to that), so one run shows what both do.
    """
    lesson, attempt = read(path), student(path)
    first = next(i for i, cell in enumerate(lesson.cells) if make_exercises.is_solution(cell))
    for cell in attempt.cells[first : first + 2]:
        cell.id = f"student-{cell.id}"
        cell.metadata["tags"] = ["raises-exception"]
    lesson.cells[first:first] = attempt.cells[first : first + 2]
    return lesson


def cells_with_code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook, student=False):
    """Return (cell, output) for all outputs of the lesson, or of the student's attempt in it."""
    cells = [cell for cell in cells_with_code(notebook) if cell.id.startswith("student-") == student]
    return [(cell.id, output) for cell in cells for output in cell.outputs]


def errors(outputs):
    return [(cell, f"{o.ename}: {o.evalue}") for cell, o in outputs if o.output_type == "error"]


def warnings(outputs):
    """Return (cell, text) of everything that went to standard error, or looks like a warning."""
    texts = [(cell, o.get("name"), o.get("text") or str(o.get("data", {}).get("text/plain"))) for cell, o in outputs]
    return [(cell, text) for cell, name, text in texts if name == "stderr" or "Warning" in text]


@pytest.mark.slow
@each_notebook
def test_a_lesson_runs(path, runs):
    notebook = runs[path].result()
    assert errors(outputs(notebook)) == []
    assert warnings(outputs(notebook)) == []
    assert all(cell.execution_count for cell in cells_with_code(notebook))


@pytest.mark.slow
@each_notebook
def test_a_student_copy_stops_at_the_first_exercise(path, runs):
    (_, error), *_ = errors(outputs(runs[path].result(), student=True))
    assert "Exercise 1 is yours: put your code in place of this line." in error  # alone, or in a report of check_layer


def test_what_goes_wrong_is_found():
    sources = ("import warnings; warnings.warn('old')", "import sys; print('oh', file=sys.stderr)", "1 / 0", "2")
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    notebook = execute(nbformat.v4.new_notebook(cells=cells))
    assert [cell for cell, _ in warnings(outputs(notebook))] == ["cell-0", "cell-1"]
    assert errors(outputs(notebook)) == [("cell-2", "ZeroDivisionError: division by zero")]
    assert cells_with_code(notebook)[-1].execution_count is None  # it was not run any more


@each_notebook
def test_a_student_copy_has_no_solutions(path):
    for mine, theirs in zip(read(path).cells, student(path).cells, strict=True):
        if not make_exercises.is_solution(mine):
            assert mine == theirs
            continue
        solutions = [body for _, body in make_exercises.SOLUTION.findall(mine.source)]
        assert solutions
        assert not [text for text in solutions if text in theirs.source]
        assert "SOLUTION" not in theirs.source
        assert theirs.source.count("raise NotImplementedError") == len(solutions)
        ast.parse(theirs.source)


@each_notebook
def test_a_solution_copy_is_the_lesson_that_runs(path):
    """The same code but for comments: so the solution copies run through as the lessons do."""
    lesson = read(path)
    solved = make_exercises.solution_copy(lesson)
    assert "SOLUTION" not in "".join(cell.source for cell in solved.cells)
    for mine, theirs in zip(lesson.cells, solved.cells, strict=True):
        if make_exercises.is_solution(mine):
            assert ast.dump(ast.parse(mine.source)) == ast.dump(ast.parse(theirs.source))
        else:
            assert mine == theirs


@each_notebook
def test_the_form_of_a_lesson(path):
    notebook = read(path)
    nbformat.validate(notebook)
    cells = cells_with_code(notebook)
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count is not None] == [], "strip the outputs"
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}
    assert [cell.id for cell in cells if "environ" in cell.source] == ["preset"]
    title, *_ = notebook.cells
    assert re.match(rf"# {path.stem[:2]} \w", title.source)
    assert "## What you will learn" in title.source


@each_notebook
def test_exercises_have_text_solution_and_check(path):
    notebook = read(path)
    places = [i for i, cell in enumerate(notebook.cells) if make_exercises.is_solution(cell)]
    assert 3 <= len(places) <= 5
    for number, place in enumerate(places, start=1):
        text, solution, check = notebook.cells[place - 1 : place + 2]
        assert text.source.startswith(f"### Exercise {number}: ")
        assert "<summary>Hint" in text.source
        assert make_exercises.grade_id(solution) == f"exercise-{number}"
        assert make_exercises.grade_id(check) == f"exercise-{number}-check"
        assert "assert" in check.source
        assert check.metadata.nbgrader.grade
    marked = [cell for cell in notebook.cells if "## BEGIN SOLUTION" in cell.source]
    assert len(marked) == len(places)


@each_notebook
def test_checks_stand_by_themselves(path):
    """What a check assigns is used by no other cell: nbgrader and otter may run it elsewhere, or not at all."""
    written_by = {}
    for cell in cells_with_code(read(path)):
        tree = ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE))
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        stored |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        borrowed = {node.id: written_by.get(node.id, "") for node in names}
        from_checks = {n: by for n, by in borrowed.items() if by.endswith("-check") and n not in stored}
        assert from_checks == {}, f"{cell.id} uses names of a check"
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        written_by |= dict.fromkeys(stored | defined, make_exercises.grade_id(cell))


def test_make_exercises_writes_all_copies(tmp_path):
    make_exercises.main(["--out", str(tmp_path)])
    names = [path.name for path in NOTEBOOKS]
    for form in ("student", "solution", "otter"):
        assert sorted(path.name for path in (tmp_path / form).iterdir()) == names
        for name in names:
            nbformat.validate(read(tmp_path / form / name))


@each_notebook
def test_a_master_for_otter_has_its_marks(path):
    cells = make_exercises.otter_master(read(path)).cells
    raw = [cell.source.splitlines()[0] for cell in cells if cell.cell_type == "raw"]
    exercise = [
        "# BEGIN QUESTION",
        "# BEGIN SOLUTION",
        "# END SOLUTION",
        "# BEGIN TESTS",
        "# END TESTS",
        "# END QUESTION",
    ]
    assert raw[0] == "# ASSIGNMENT CONFIG"
    assert raw[1:] == exercise * (len(raw) // len(exercise))
    assert "###" not in "".join(cell.source for cell in cells_with_code(make_exercises.otter_master(read(path))))
