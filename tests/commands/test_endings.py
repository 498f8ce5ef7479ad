"""However a command ends, it says so in one line, with the exit status that goes with it."""

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from mlp.commands.command_line import LONGEST, one_line, run_command
from mlp.commands.shared.paths import file_argument, folder_argument
from mlp.errors import ConfigurationError

ROOT = Path(__file__).parents[2]

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX descriptors and signals")

# A program that ends as commands do; its work is the code that is given.
PROGRAM = """
import signal, sys, threading, time
from mlp.commands.shared.begin import start
from mlp import errors
def main():
    {}
start(main)
"""


def program(tmp_path, code):
    """Return the command line of a program whose main() has the given code."""
    path = tmp_path / "tool.py"
    path.write_text(PROGRAM.format(code.replace("\n", "\n    ")))
    return [sys.executable, str(path)]


def run(tmp_path, code, shell="", **environment):
    """Run such a program, with redirections as the shell writes them; return (status, output, error)."""
    words = " ".join(f"'{word}'" for word in program(tmp_path, code))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{words} {shell}"],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
        timeout=600,
    )
    return done.returncode, done.stdout.decode("latin1"), done.stderr.decode("latin1")


ERRORS = {
    "errors.DataError('no data')": "no data",
    "errors.DataError('two\\n  lines')": "two lines",
    "FileNotFoundError(2, 'No such file or directory', 'a.npz')": "a.npz: No such file or directory",
    "OSError(28, 'No space left on device')": "No space left on device",
    "BlockingIOError(11, 'Resource temporarily unavailable')": "the system cannot start more processes: end other "
    "programs, use fewer --jobs, or raise ulimit -u",
    "OSError(24, 'Too many open files', 'a.npz')": "a.npz: Too many open files: end other programs, or raise ulimit -n",
    "MemoryError('Unable to allocate 4 TiB')": "not enough memory: Unable to allocate 4 TiB, line 7 of tool.py",
    'RuntimeError("can\'t start new thread")': "the system cannot start more threads: use --threads 1, end other "
    "programs, or raise ulimit -u",
    "RecursionError('maximum depth')": "something is nested too deeply: maximum depth, line 7 of tool.py",
    "ZeroDivisionError('0')": "ZeroDivisionError: 0, line 7 of tool.py; with MLP_TRACEBACK=1 all of it is shown",
    "UnicodeEncodeError('ascii', 'x', 0, 1, 'no')": "UnicodeEncodeError: 'ascii' codec can't encode character "
    "'\\x78' in position 0: no, line 7 of tool.py; with MLP_TRACEBACK=1 all of it is shown",
}


def test_an_error_of_any_kind_is_one_line_and_status_2(tmp_path):
    """One process for all of them, and one for the status of a process."""
    code = f"""def fail(error):
    raise error
from mlp.commands.command_line import run_command
for error in [{", ".join(ERRORS)}]:
    assert run_command(lambda: fail(error)) == 2"""
    assert run(tmp_path, code) == (0, "", "".join(f"tool.py: {line}\n" for line in ERRORS.values()))
    assert run(tmp_path, "raise errors.DataError('no data')") == (2, "", "tool.py: no data\n")


@posix
def test_a_working_folder_that_is_gone(tmp_path):
    code = "import os, pathlib, shutil; os.chdir('gone'); shutil.rmtree('../gone'); pathlib.Path('x').resolve()"
    (tmp_path / "gone").mkdir()
    status, _, error = run(tmp_path, f"import os; os.chdir({str(tmp_path)!r}); {code}")
    assert (status, error) == (
        2,
        "tool.py: the working folder is gone, somebody has deleted it: cd to one that exists\n",
    )


def test_the_whole_traceback_is_shown_when_asked_for(tmp_path):
    _, _, error = run(tmp_path, "1 / 0", MLP_TRACEBACK="1")
    assert "Traceback" in error
    assert error.endswith(
        "ZeroDivisionError: division by zero, line 6 of tool.py; with MLP_TRACEBACK=1 all of it is shown\n"
    )


def test_an_error_whose_text_cannot_be_made(tmp_path):
    status, _, error = run(tmp_path, "class E(Exception):\n    def __str__(self): raise ValueError\nraise E")
    assert (status, error.count("\n")) == (2, 1)


@pytest.mark.parametrize(("code", "status"), [("sys.exit()", 0), ("sys.exit(3)", 3), ("return 75", 75), ("pass", 0)])
def test_other_statuses_pass_through(tmp_path, code, status):
    assert run(tmp_path, code) == (status, "", "")


def test_an_error_may_have_a_status_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr(ConfigurationError, "exit_status", 73)

    def main():
        raise ConfigurationError("busy")

    assert run_command(main) == 73
    assert capsys.readouterr().err.endswith(": busy\n")


def test_messages_are_short_and_harmless():
    assert one_line("a\n\n  b\tc\x1b[31m\x07 \u202e") == "a b\tc\\x1b[31m\\x07 \\u202e"
    long = one_line("x" * 100_000 + "end")
    assert len(long) <= LONGEST
    assert long.endswith("end")


# --- outputs that cannot be written -----------------------------------------------------------------------------------

PRINTS = "for i in range(20000): print(i)"


@posix
@pytest.mark.parametrize("shell", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_stop_nothing(tmp_path, shell):
    code = f"print('hello', file=sys.stderr)\n{PRINTS}\nopen({str(tmp_path / 'done')!r}, 'w').close()"
    status, _, error = run(tmp_path, code, shell)
    assert (status, error.strip()) == (0, "" if "2>&-" in shell else "hello")
    assert (tmp_path / "done").exists()


@posix
def test_a_closed_descriptor_is_not_given_to_the_next_file(tmp_path):
    code = f"file = open({str(tmp_path / 'file')!r}, 'wb', 0)\nimport os\nos.write(2, b'noise')\nos.write(1, b'noise')"
    assert run(tmp_path, code, ">&- 2>&-")[0] == 0
    assert (tmp_path / "file").read_bytes() == b""


@posix
def test_lines_reach_a_file_when_they_end(tmp_path):
    """Otherwise a log would have what is printed later on the other stream before it."""
    code = "print('a')\nprint('b', file=sys.stderr)\nprint('c')"
    assert run(tmp_path, code, "2>&1") == (0, "a\nb\nc\n", "")


@posix
def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path):
    code = f"{PRINTS}\nopen({str(tmp_path / 'done')!r}, 'w').close()"
    assert run(tmp_path, code, "| head -1") == (0, "0\n", "")
    assert not (tmp_path / "done").exists()


@posix
def test_a_reader_that_leaves_does_not_end_a_command_whose_files_count(tmp_path, monkeypatch):
    code = f"""
sys.stdout.buffer.raw.ends_with_reader = False
{PRINTS}
open({str(tmp_path / "done")!r}, 'w').close()"""
    assert run(tmp_path, code, "| head -1") == (0, "0\n", "")
    assert (tmp_path / "done").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("code", [PRINTS, "print('hello')", "sys.stdout.write('hello')", "print('a')\nsys.exit(0)"])
def test_a_full_disk_under_the_output_is_told(tmp_path, code):
    line = "tool.py: standard output: No space left on device: what was to be printed is lost\n"
    assert run(tmp_path, code, ">/dev/full") == (2, "", line)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_errors_is_not_told(tmp_path):
    assert run(tmp_path, PRINTS, "2>/dev/full")[0] == 0
    assert run(tmp_path, PRINTS, ">/dev/full 2>/dev/full")[0] == 2


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", "caf\\xe9 \\u732b \\xb1"), ("cp1252", "caf\xe9 \\u732b \xb1"), ("utf-8", "café 猫 ±")],
)
def test_letters_that_the_terminal_cannot_write_are_escaped(tmp_path, encoding, written):
    code = "print('caf\\xe9 \\u732b \\xb1')\nprint('caf\\xe9 \\u732b \\xb1', file=sys.stderr)"
    status, output, error = run(tmp_path, code, PYTHONIOENCODING=encoding)
    expected = written.encode("utf-8" if encoding == "utf-8" else "latin1").decode("latin1") + "\n"
    assert (status, output, error) == (0, expected, expected)


def test_names_that_are_no_text_are_written_out(tmp_path):
    assert run(tmp_path, "print('a\\udcffb')") == (0, "a\\udcffb\n", "")
    assert run(tmp_path, "raise errors.DataError('a\\udcffb')") == (2, "", "tool.py: a\\udcffb\n")


def test_names_cannot_command_the_terminal_but_progress_bars_can(tmp_path):
    code = "print('a\\x1b[31mb\\rc\\td\\u202e')\nprint('\\rbar\\x1b[A', 'a\\x1b[31m', file=sys.stderr)"
    assert run(tmp_path, code, PYTHONIOENCODING="utf-8") == (
        0,
        "a\\x1b[31mb\\rc\td\\u202e\n",
        "\rbar\x1b[A a\\x1b[31m\n",
    )


# --- signals ----------------------------------------------------------------------------------------------------------


def signalled(tmp_path, code, number, times=1):
    """Start a program, send it a signal once it has said that it is ready; return (status, error)."""
    process = subprocess.Popen(program(tmp_path, code), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.02)
    _, error = process.communicate(timeout=600)
    return process.returncode, error


# Short sleeps: a signal that comes just before a sleep begins is only seen when that sleep ends.
SLEEPS = "for _ in range(6000): time.sleep(0.01)"
WAITS = f"print('ready', flush=True)\n{SLEEPS}"


@posix
@pytest.mark.parametrize(
    ("name", "status", "line", "times"),
    [
        ("SIGINT", 130, "interrupted", 1),
        ("SIGINT", 130, "interrupted", 5),
        ("SIGTERM", 143, "ended by SIGTERM", 5),
        ("SIGHUP", 129, "ended by SIGHUP", 5),
    ],
)
def test_signals_end_a_command_with_a_line(tmp_path, name, status, line, times):
    assert signalled(tmp_path, WAITS, getattr(signal, name), times) == (status, f"\n{line}\n")


DELETES = f"""class Slow:
    def __del__(self):
        print('ready', flush=True)
        for _ in range(100): time.sleep(0.01)
Slow()
{SLEEPS}"""


@posix
@pytest.mark.parametrize(
    ("name", "status", "line"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "ended by SIGTERM")]
)
def test_a_signal_while_an_object_is_deleted_is_not_lost(tmp_path, name, status, line):
    """Python ignores what is raised in __del__, and would continue."""
    assert signalled(tmp_path, DELETES, getattr(signal, name)) == (status, f"\n{line}\n")


LOADS = f"""
import time
from mlp.commands import command_line
from mlp.commands.shared.begin import start
def load_slowly(name):
    print("ready", flush=True)
    {SLEEPS}
command_line.import_module = load_slowly
start("train")
"""


@posix
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_modules_are_loaded_is_a_line(tmp_path, name, status):
    path = tmp_path / "tool.py"
    path.write_text(LOADS)
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        _, error = process.communicate(timeout=600)
    line = "interrupted" if name == "SIGINT" else f"ended by {name}"
    assert (process.returncode, error) == (status, f"\n{line}\n")


SLOW_MODULE = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == {!r}:
            print("ready", flush=True)
            for _ in range(6000): time.sleep(0.01)
sys.meta_path.insert(0, Slow())
"""


@posix
@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["scripts/train.py"], "argparse"),  # before there is any command
        (["-m", "mlp", "compare"], "mlp.errors"),
        (["scripts/compare.py"], "numpy"),
        (["scripts/demo.py"], "mlp.files"),  # a script that imports before its main()
        (["scripts/campaign.py"], "campaign_damage"),
    ],
)
def test_an_interrupt_while_a_module_is_loaded_is_a_line(words, module, tmp_path):
    """Python loads sitecustomize before the program; this one makes the loading of a module slow."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_MODULE.format(module))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=600)
    assert (process.returncode, error) == (130, "\ninterrupted\n")


def test_what_stands_before_a_command_is_loaded_quickly():
    """A Ctrl-C before `begin` would be a traceback: little is loaded for it; and no NumPy for the command line."""
    code = "import sys, mlp.commands.shared.begin; early = len(sys.modules); import mlp.commands.command_line; "
    code += "print(['too many'] * (early > 80) + [n for n in ('numpy', 'matplotlib') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


@posix
def test_an_ignored_signal_stays_ignored(tmp_path):
    code = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(0.3)"
    assert signalled(tmp_path, code, signal.SIGHUP) == (0, "")


@posix
def test_in_another_thread_a_command_runs_without_signals(tmp_path):
    code = """from mlp.commands.command_line import run_command
thread = threading.Thread(target=run_command, args=[lambda: print('x')])
thread.start()
thread.join()"""
    assert run(tmp_path, code) == (0, "x\n", "")


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--out", ""],
        ["train", "--data-dir", " "],
        ["evaluate", ""],
        ["predict", "run", ""],
        ["compare", "run", "--out", ""],
        ["data", "mnist", "--data-dir", ""],
        ["reproduce", "report", "--out", ""],
    ],
)
def test_an_empty_path_is_an_error_that_names_the_flag(words, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", words)
    assert run_command(words[0]) == 2
    error = capsys.readouterr().err
    assert "it is empty" in error
    assert error.count("\n") == 1


def test_a_wrong_value_of_any_length_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train", "--epochs", "9" * 100_000])
    assert run_command("train") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert len(error) <= LONGEST + 1


# --- places to write to -----------------------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder with a file, a folder, a pipe and a link that leads nowhere."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    Path("link").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")


NO_FOLDER = {
    "file": "file is a file, but it must be a folder: choose another name",
    "link": "link is a link that leads nowhere",
    "file/inner/x": "cannot be made, because ",
    "x" * 300: "name too long",
}
NO_FILE = {
    "folder": "folder is a folder, but it must be a file: folder/NAME",
    "new/": "new/ is a folder, but it must be a file: new/NAME",
    "file/x.json": "cannot be made, because ",
    "pipe": "pipe is a device or a pipe",
    "x" * 253: "name too long",  # with .part at its end, that is
}


@posix
@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [(folder_argument, *pair) for pair in NO_FOLDER.items()] + [(file_argument, *pair) for pair in NO_FILE.items()],
)
def test_a_place_that_cannot_be_written_is_told_with_the_reason(places, parse, text, reason):
    with pytest.raises(ArgumentTypeError) as error:
        parse(text)
    assert reason in str(error.value)


@posix
@pytest.mark.parametrize("parse", [folder_argument, file_argument])
def test_a_place_where_the_user_may_not_write(places, parse, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path("folder").absolute())
    with pytest.raises(ArgumentTypeError, match="you may not write in .*folder: choose another place"):
        parse("folder/new/x")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "a\nb", "-x"])
def test_a_landscape_has_a_name_that_stays_in_its_folder(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["landscape", "runs/none", f"--name={name}"])
    assert run_command("landscape") == 2
    assert "--name must be a name, not a path" in capsys.readouterr().err


@posix
def test_places_that_can_be_written(places):
    assert [folder_argument(text) for text in (".", "..", "folder", "folder/", "new/deep")] == [
        Path(text) for text in (".", "..", "folder", "folder", "new/deep")
    ]
    assert [file_argument(text) for text in ("file", "folder/x.json", "new/x.json", "link")] == [
        Path(text) for text in ("file", "folder/x.json", "new/x.json", "link")
    ]


@posix
@pytest.mark.parametrize(
    "words",
    [
        ["train", "--out", "file"],
        ["compare", "folder", "--out", "file"],
        ["sweep", "--out", "file"],
        ["smoothness", "--out", "file"],
        ["landscape", "folder", "--out", "file"],
        ["gradient-correlation", "--out", "file"],
        ["reproduce", "report", "--out", "file"],
        ["reproduce", "table", "story", "--out", "folder"],
        ["predict", "folder", "x.png", "--out", "folder"],
        ["evaluate", "folder", "--out", "folder"],
        ["check", "x.py", "--name", "X", "--class-report", "folder"],
    ],
)
def test_every_command_tells_of_a_wrong_place_in_one_line(words, places, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", words)
    assert run_command(words[0].replace("-", "_")) == 2
    error = capsys.readouterr().err
    assert f"argument {words[-2]}: {words[-1]} is a " in error
    assert error.count("\n") == 1
