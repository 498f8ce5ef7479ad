"""The demo, shortened: it runs, and ends with a picture, a table and their paths."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"


@pytest.mark.slow
def test_demo_tells_the_story(tmp_path):
    command = [sys.executable, str(SCRIPT), "--epochs", "1", "--out", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "story.png").stat().st_size > 10_000
    table = (tmp_path / "story.md").read_text()
    assert table in result.stdout
    assert str(tmp_path / "story.png") in result.stdout
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:5]]
    assert [row[0] for row in cells] == ["VGG08, plain", "VGG38, plain", "VGG38, BN + RC"]
    at_the_input = [float(row[4]) for row in cells]
    assert at_the_input[1] < 1e-12 < 1e-4 < min(at_the_input[0], at_the_input[2])
    assert abs(float(cells[1][2]) - 2.996) < 0.1  # chance


def test_epochs_below_one_are_refused(tmp_path):
    command = [sys.executable, str(SCRIPT), "--epochs", "0", "--out", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--epochs must be at least 1" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_found_before_anything_is_trained(tmp_path):
    (tmp_path / "out").write_text("a file")
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 2
    assert "is a file, but it must be a folder" in result.stderr
    assert "epoch" not in result.stdout
