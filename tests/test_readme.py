"""What the README says can be typed, works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
CHECKING = next(block for block in BLOCKS if "class Square" in block)
FROM_PYTHON = next(block for block in BLOCKS if "Trainer(" in block)
COMMANDS = re.findall(r"^python scripts/(\w+\.py)([^#\n]*)", README, flags=re.MULTILINE)


def test_the_layer_of_ones_own_is_found_to_be_wrong(capsys):
    exec(compile(CHECKING, "README.md", "exec"), {})
    output = capsys.readouterr().out
    assert "FAILED" in output
    assert "0.5 times" in output


def test_the_code_from_python_runs(tmp_path, monkeypatch):
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
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "flow.png").stat().st_size > 1000


@pytest.mark.parametrize(("script", "arguments"), sorted(set(COMMANDS)))
def test_every_flag_in_a_command_exists(script, arguments):
    assert (ROOT / "scripts" / script).exists()
    command = [sys.executable, str(ROOT / "scripts" / script), "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for flag in re.findall(r"--[a-z-]+", arguments):
        assert flag in text


def test_every_file_that_is_linked_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
