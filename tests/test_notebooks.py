"""Lessons run from top to bottom in quick mode; a copy for students stops at the first exercise, in friendly words."""

import ast
import copy
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import make_exercises
import nbformat
import pytest
from wrong_answers import WRONG_ANSWERS

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
    """{path: future of the executed `lesson_with_attempts`} for all lessons that were selected, two at a time."""
    wanted = {
        item.callspec.params["path"]
        for item in request.session.items
        if item.path == Path(__file__) and "runs" in item.fixturenames
    }
    with ThreadPoolExecutor(2) as pool:
        yield {path: pool.submit(execute, lesson_with_attempts(path)) for path in sorted(wanted)}


def student(path):
    return make_exercises.student_copy(read(path))


def lesson_with_attempts(path):
    """Return a lesson in which other answers are run, and checked, before the solution of each exercise.

    Before that of exercise 1 a student's cells, which fail: up to there a student's copy is the lesson (a test below
    sees to that), so one run shows what both do. Then the wrong answers, each with its check.
    """
    lesson, attempt = read(path), student(path)
    places = [i for i, cell in enumerate(lesson.cells) if make_exercises.is_solution(cell)]
    for number, place in reversed(list(enumerate(places, start=1))):
        solution, check = lesson.cells[place : place + 2]
        attempts = [("student", cell) for cell in attempt.cells[place : place + 2] if number == 1]
        for k, source in enumerate(wrong_sources(path, number, solution)):
            wrong = nbformat.v4.new_code_cell(source, id=solution.id)
            attempts += [(f"wrong{k}", wrong), (f"wrong{k}", copy.deepcopy(check))]
        for kind, cell in attempts:
            cell.id = f"{kind}-{number}-{cell.id}"
            cell.metadata["tags"] = ["raises-exception"]
        lesson.cells[place:place] = [cell for _, cell in attempts]
    return lesson


def wrong_sources(path, number, solution):
    """Return the cell of an exercise with each of the wrong answers in place of the solution."""
    for right, wrong, _ in WRONG_ANSWERS[path.stem[:2], number]:
        assert solution.source.count(right) == 1, f"exercise {number} has not once: {right}"
        yield solution.source.replace(right, wrong)


def cells_with_code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


ATTEMPT = re.compile(r"(student|wrong\d)-(\d)-")


def outputs(notebook, attempt=None):
    """Return (cell, output) for all outputs of the lesson, or of an attempt, ("student" or "wrong0", exercise)."""
    cells = [cell for cell in cells_with_code(notebook) if attempt_of(cell) == attempt]
    return [(cell.id, output) for cell in cells for output in cell.outputs]


def attempt_of(cell):
    """Return which attempt a cell belongs to, None for the lesson's own."""
    found = ATTEMPT.match(cell.id)
    return (found[1], int(found[2])) if found else None


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
    (_, error), *_ = errors(outputs(runs[path].result(), ("student", 1)))
    assert "Exercise 1 is yours: put your code in place of this line." in error  # alone, or in a report of check_layer


@pytest.mark.slow
@each_notebook
def test_checks_refuse_wrong_answers_and_say_why(path, runs):
    notebook = runs[path].result()
    for (lesson, number), answers in WRONG_ANSWERS.items():
        for k, (_, wrong, words) in enumerate(answers if lesson == path.stem[:2] else ()):
            found = errors(outputs(notebook, (f"wrong{k}", number)))
            assert len(found) == 1, f"exercise {number}, {wrong!r} passes, or does not run: {found}"
            ((_, error),) = found
            assert error.startswith("AssertionError: "), f"exercise {number}, {wrong!r}: {error}"
            assert words in error, f"exercise {number}, {wrong!r}: {error}"


def test_each_exercise_has_wrong_answers():
    exercises = {
        (path.stem[:2], number)
        for path in NOTEBOOKS
        for number in range(1, 1 + sum(map(make_exercises.is_solution, read(path).cells)))
    }
    assert set(WRONG_ANSWERS) == exercises


def test_what_goes_wrong_is_found():
    sources = ("import warnings; warnings.warn('old')", "import sys; print('oh', file=sys.stderr)", "1 / 0", "2")
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    notebook = execute(nbformat.v4.new_notebook(cells=cells))
    assert [cell for cell, _ in warnings(outputs(notebook))] == ["cell-0", "cell-1"]
    assert errors(outputs(notebook)) == [("cell-2", "ZeroDivisionError: division by zero")]
    assert cells_with_code(notebook)[-1].execution_count is None  # it was not run any more


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
