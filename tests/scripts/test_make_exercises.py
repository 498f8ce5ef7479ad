"""Copies of lessons for students, for teachers and for otter: students' copies give nothing away."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import make_exercises
import nbformat
import pytest

import mlp

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
SCRIPTS = Path(__file__).parents[2] / "scripts"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def cells_with_code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@each_notebook
def test_a_student_copy_has_no_solutions(path):
    for mine, theirs in zip(read(path).cells, make_exercises.student_copy(read(path)).cells, strict=True):
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


def exercise_with_hidden_tests(
    check="assert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(3) == 9\n### END HIDDEN TESTS\n",
):
    """Return a notebook with one exercise, whose solution and check were run."""
    solution = "def f(x):\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"
    printed = nbformat.v4.new_output("stream", text="passed")
    cells = []
    for kind, source in (("", solution), ("-check", check)):
        marks = {"grade_id": f"exercise-1{kind}", "solution": not kind, "grade": bool(kind)}
        cell = nbformat.v4.new_code_cell(source, metadata={"nbgrader": marks}, outputs=[printed], execution_count=1)
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("### Exercise 1: Square"), *cells])


def test_students_see_no_hidden_tests_and_no_outputs():
    notebook = exercise_with_hidden_tests()
    _, mine, check = make_exercises.student_copy(notebook).cells
    assert check.source == "assert f(1) == 1\n"
    assert (mine.outputs, check.outputs) == ([], [])
    _, solution, check = make_exercises.solution_copy(notebook).cells
    assert "f(3) == 9" in check.source
    assert "###" not in check.source + solution.source
    names = {}
    exec(solution.source + "\n" + check.source, names)  # the copy with the solution passes its hidden tests
    assert names["f"](4) == 16


def test_otter_gets_hidden_tests_in_a_cell_of_their_own():
    cells = make_exercises.otter_master(exercise_with_hidden_tests()).cells
    first = next(i for i, cell in enumerate(cells) if cell.source == "# BEGIN TESTS")
    shown, hidden = cells[first + 1 : first + 3]
    assert "f(3)" not in shown.source
    assert hidden.source.startswith("# HIDDEN\n")
    assert "f(3) == 9" in hidden.source
    assert "###" not in shown.source + hidden.source


@pytest.mark.parametrize(
    "check", ["### BEGIN HIDDEN TESTS\nassert f(3) == 9\n", "### END HIDDEN TESTS\n", "### BEGIN SOLUTION\n1"]
)
def test_a_mark_without_its_partner_is_no_student_copy(check):
    with pytest.raises(mlp.errors.ConfigurationError, match="Each BEGIN needs its END"):
        make_exercises.student_copy(exercise_with_hidden_tests(check))


def test_own_notebooks_become_copies(tmp_path, capsys):
    source = tmp_path / "course"
    source.mkdir()
    nbformat.write(exercise_with_hidden_tests(), source / "week1.ipynb")
    make_exercises.main(["--notebooks", str(source), "--out", str(tmp_path / "out")])
    assert "f(3)" not in (tmp_path / "out" / "student" / "week1.ipynb").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        make_exercises.main(["--notebooks", str(tmp_path / "out"), "--out", str(tmp_path / "out")])
    assert "there are no notebooks in" in capsys.readouterr().err


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


def test_the_metadata_of_the_page_are_enough(tmp_path):
    """docs/teaching.md asks for these two keys in each cell; a locked cell of nbgrader's has neither."""
    notebook = exercise_with_hidden_tests()
    _, solution, check = notebook.cells
    solution.metadata = {"nbgrader": {"grade_id": "exercise-1", "solution": True}}
    check.metadata = {"nbgrader": {"grade_id": "exercise-1-check", "grade": True}}
    locked = nbformat.v4.new_code_cell("import numpy", metadata={"nbgrader": {"grade_id": "given", "locked": True}})
    notebook.cells = [*notebook.cells[1:], *exercise_with_hidden_tests().cells[1:], locked]  # no text between them
    (tmp_path / "course").mkdir()
    nbformat.write(nbformat.from_dict(notebook), tmp_path / "course" / "week1.ipynb")
    make_exercises.main(["--notebooks", str(tmp_path / "course"), "--out", str(tmp_path / "out")])
    assert "NotImplementedError" in (tmp_path / "out" / "student" / "week1.ipynb").read_text(encoding="utf-8")
    raw = [cell.source.splitlines()[0] for cell in read(tmp_path / "out" / "otter" / "week1.ipynb").cells[:-1]]
    raw = [line for line in raw if line.startswith(("# BEGIN", "# END")) or "CONFIG" in line]
    question = [f"# {end} {part}" for part in ("SOLUTION", "TESTS") for end in ("BEGIN", "END")]
    assert raw == ["# ASSIGNMENT CONFIG", *2 * ["# BEGIN QUESTION", *question, "# END QUESTION"]]


MISTAKES = {
    "no end": ("def f(x):\n    ### BEGIN SOLUTION\n    return x * x", "still has the mark '### BEGIN SOLUTION'"),
    "spelled": ("def f(x):\n    ## begin  solution\n    return x\n### END SOLUTION", "the mark '## begin  solution'"),
    "no marks": ("def f(x):\n    return x * x", "nothing in it is between ### BEGIN SOLUTION"),
    "one of two": ("### BEGIN SOLUTION\n1\n### END SOLUTION\n# BEGIN SOLUTION\n2", "the mark '# BEGIN SOLUTION'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_one_notebook_leaves_nothing_behind(tmp_path, mistake):
    """The notebook is of a form in which cells have no ids, as older editors write it."""
    source, message = MISTAKES[mistake]
    for name in ("a", "b"):
        notebook = exercise_with_hidden_tests()
        notebook.nbformat_minor = 4
        for cell in notebook.cells:
            del cell["id"]
        if name == "b":
            notebook.cells[1].source = source
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    with pytest.raises(mlp.errors.ConfigurationError) as caught:
        make_exercises.main(["--notebooks", str(tmp_path), "--out", str(tmp_path / "out")])
    assert f"{tmp_path / 'b.ipynb'}: cell 2 (exercise-1) " in str(caught.value)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    (tmp_path / "a.ipynb").write_text("hello", encoding="utf-8")
    with pytest.raises(mlp.errors.MlpError, match="a.ipynb is not a notebook"):
        make_exercises.main(["--notebooks", str(tmp_path), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    "script, package, extra",
    [
        ("make_exercises", "nbformat", "lessons"),
        ("render_lessons", "nbformat", "lessons"),
        ("make_docs", "pdoc", "docs"),
    ],
)
def test_a_missing_package_is_one_line_that_says_what_to_type(script, package, extra):
    code = (
        "import importlib.util as util, runpy, sys\nfind = util.find_spec\n"
        f"util.find_spec = lambda name, *rest: None if name == {package!r} else find(name, *rest)\n"
        f"path = sys.argv[0] = {str(SCRIPTS / script)!r} + '.py'\nrunpy.run_path(path, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert re.search(rf'not installed: .*{package}.*pip install -e "\.\[{extra}\]"', done.stderr)
