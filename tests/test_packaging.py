"""What a wheel contains, and an editable install of a clone that is called `mlp`, seen from its parent folder."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="70.1")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is installed, in a folder called mlp."""
    folder = tmp_path_factory.mktemp("parent") / "mlp"
    shutil.copytree(ROOT / "mlp", folder / "mlp", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def wheel_of(clone: Path, command: str, out: Path) -> zipfile.ZipFile:
    """Build a wheel by a command of setup.py, as pip does."""
    words = [sys.executable, "setup.py", "-q", command, "--dist-dir", str(out)]
    subprocess.run(words, cwd=clone, check=True, capture_output=True, timeout=300)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_a_wheel_has_all_files_of_the_package(clone: Path, tmp_path: Path) -> None:
    names = set(wheel_of(clone, "bdist_wheel", tmp_path).namelist())
    folder = clone / "mlp"
    expected = {path.relative_to(clone).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name for name in expected if "__pycache__" not in name} <= names


def test_a_clone_called_mlp_is_found_from_its_parent_folder(clone: Path, tmp_path: Path) -> None:
    wheel_of(clone, "editable_wheel", tmp_path / "wheel").extractall(tmp_path / "site")
    code = f"import site; site.addsitedir({str(tmp_path / 'site')!r}); import mlp; print(mlp.models.vgg.__name__)"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=clone.parent, capture_output=True, text=True, env={}, timeout=120)
    assert (done.stdout, done.stderr) == ("vgg\n", "")
