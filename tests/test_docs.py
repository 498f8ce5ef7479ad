"""What the README and the pages in docs/ say can be typed, works."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mlp.models import report_label
from mlp.reproduction.plan import plan_runs
from mlp.reproduction.reports import select
from mlp.reproduction.scale import FULL, QUICK
from mlp.reproduction.sweep.grid import combine, idle_lines, plan_sweep, read_values

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))
}
BLOCKS = {page: re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) for page, text in PAGES.items()}
CHECKING = next(block for block in BLOCKS[Path("README.md")] if "class Square" in block)
FROM_PYTHON = next(block for block in BLOCKS[Path("README.md")] if "Trainer(" in block)
EXAMINE = next(block for block in BLOCKS[Path("README.md")] if "examine(" in block)
OWN_LAYER, OWN_CHECK, OWN_MODEL = BLOCKS[Path("docs/own_layer.md")]
COMMANDS = {command for text in PAGES.values() for command in re.findall(r"python scripts/(\w+\.py)([^#\n`]*)", text)}


def test_the_layer_of_ones_own_is_found_to_be_wrong(capsys):
    exec(compile(CHECKING, "README.md", "exec"), {"__name__": "__main__"})
    output = capsys.readouterr().out
    assert "FAILED" in output
    assert "0.5 times" in output


@pytest.mark.slow
def test_the_code_from_python_runs(tmp_path, monkeypatch, capsys):
    """As it stands, but on few made-up images and with a shallow network."""
    monkeypatch.chdir(tmp_path)
    code = FROM_PYTHON
    for old, new in (
        ('load_dataset("cifar100")', 'load_dataset("synthetic", limit_train=40, limit_valid=20)'),
        ("batch_size=100", "batch_size=20"),
        ("depth=38", "depth=8, filters=2"),
        ("epochs=10", "epochs=1"),
    ):
        assert old in code
        code = code.replace(old, new)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert (tmp_path / "flow.png").stat().st_size > 1000
    exec(compile(EXAMINE, "README.md", "exec"), names)
    assert " in 180 steps" in capsys.readouterr().out


def test_the_layer_of_the_page_about_own_layers_passes_its_check(tmp_path, monkeypatch, capsys):
    (tmp_path / "prelu.py").write_text(OWN_LAYER + OWN_MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "prelu", raising=False)
    exec(compile(OWN_CHECK, "own_layer.md", "exec"), {})
    output = capsys.readouterr().out
    assert "PReLU" in output
    assert "FAILED" not in output


@pytest.mark.slow
def test_the_model_of_the_page_about_own_layers_trains(tmp_path):
    (tmp_path / "prelu.py").write_text(OWN_LAYER + OWN_MODEL)
    command = "--model prelu.py:small --dataset synthetic --epochs 1 --limit-train 100 --limit-valid 50 --out run"
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "train.py"), *command.split()], cwd=tmp_path, check=True, timeout=600
    )
    assert (tmp_path / "run" / "test.json").exists()


def help_of(script, words, call):
    """Return what a script prints with --help; commands of the package run in this process, which is quicker."""
    path = ROOT / "scripts" / script
    command = re.search(r'start\("(\w+)"\)', path.read_text(encoding="utf-8"))
    if command:
        status, text, _ = call(import_module(f"mlp.commands.{command[1]}"), *words, "--help")
        assert status == 0
        return text
    return subprocess.run([sys.executable, path, *words, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("script", sorted({script for script, _ in COMMANDS}))
def test_every_flag_in_a_command_exists(script, call):
    used = {arguments for s, arguments in COMMANDS if s == script}
    subcommands = {arguments.split()[0] for arguments in used} if script == "reproduce.py" else {""}
    for subcommand in subcommands:
        text = help_of(script, subcommand.split(), call)
        for arguments in used:
            if arguments.strip().startswith(subcommand):
                assert set(re.findall(r"--[a-z-]+", arguments)) <= set(re.findall(r"--[a-z-]+", text))


def test_every_python_file_in_a_command_is_one_that_a_page_writes():
    """`square.py:Square` is there if a page says to save it under this name."""
    for text in PAGES.values():
        for name in re.findall(r"python scripts/.*?(\w+\.py):\w+", text):
            assert any(re.search(rf"(Save this as|Put this into a file) `{name}`", page) for page in PAGES.values()), (
                name
            )


def test_one_folder_is_one_run():
    """Two commands that train into one folder are the same, or the second one is refused."""
    found = {}
    for text in PAGES.values():
        for words in re.findall(r"python scripts/train\.py ([^#\n`]*)", text):
            if (folder := re.search(r"--out (\S+)", words)) and "--resume" not in words:
                assert found.setdefault(folder[1], words.split()) == words.split(), folder[1]
    assert "runs/best" in found


def test_the_page_about_a_thousand_runs_counts_them_rightly():
    page = PAGES[Path("docs/from_one_run_to_a_thousand.md")].replace("\n", " ")
    rows = select(["all"])
    runs, quick = len(plan_runs(rows, FULL, [0, 1, 2, 3, 4])), len(plan_runs(rows, QUICK))
    assert f"{len(rows)} rows, of which {sum(row.can_run for row in rows)} train something" in page
    assert f"so there are {runs} different ones" in page
    assert f"| all {runs} |" in page
    assert f"{runs} tasks, 32 at a time" in page
    assert f"{-(-runs // 10)} tasks, 8 at a time" in page
    assert f"{quick} runs (one seed)" in page
    assert f"{-(-quick // 10)} tasks |" in page
    words = re.search(r"python scripts/sweep.py (--model .*?) --out runs/sweep --jobs 2", page)[1].replace("\\", "")
    values = {}
    for flag in re.split(r"\s*--", words)[1:]:
        name, *given = flag.split()
        values[name.replace("-", "_")] = read_values(name.replace("-", "_"), given)
    planned, left_out = plan_sweep(combine(values), values)
    assert (left_out, idle_lines(planned)) == ([], [])
    assert f"All combinations are run, {len(planned)} here" in page


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_that_is_linked_exists(page):
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert target.startswith("https://") or (ROOT / page.parent / target).exists(), target


def test_the_glossary_maps_our_names_of_layers_to_the_reports_labels():
    text = (ROOT / "docs" / "glossary.md").read_text()
    pairs = re.findall(r"^\| `((?:input|stage|head)[\w.]+)` \| `(\w+)`", text, re.MULTILINE)
    assert len(pairs) == 7
    for ours, label in pairs:
        suffix = ".gamma" if "norm" in ours else ".weight"
        assert report_label(ours + suffix) == label
