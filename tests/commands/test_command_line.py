"""Command lines tell those who mistype a flag which one they may have meant."""

import sys

import pytest

from mlp.commands.command_line import CommandLine, run_command
from mlp.commands.shared.main import main
from mlp.commands.train import make_train_parser


def command_line():
    """Return one with flags of its own, and a command with others."""
    parser = CommandLine("First line.\n\n    python example.py    # indented as it stands")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument_group("paths").add_argument("--out")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run it").add_argument("--device")
    return parser


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rte=0.1"], "--learning-rte=0.1 (did you mean --learning-rate?)"),
        (["--ot"], "--ot (did you mean --out?)"),
        (["run", "--dvice", "cpu"], "--dvice (did you mean --device?) cpu"),
        (["run", "--something-else"], "unrecognized arguments: --something-else\n"),
    ],
)
def test_unknown_flags_have_a_suggestion(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line().parse_args(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_known_flags_are_parsed():
    options = command_line().parse_args(["--learning-rate", "0.1", "--out", "x", "run", "--device", "cpu"])
    assert (options.learning_rate, options.out, options.command, options.device) == (0.1, "x", "run", "cpu")


def test_negative_numbers_are_no_flags():
    parser = CommandLine("")
    parser.add_argument("--range", type=float, nargs=2)
    assert parser.parse_args(["--range", "-5e-1", "-.25"]).range == [-0.5, -0.25]


def test_help_keeps_the_lines_of_the_description():
    assert "    python example.py    # indented as it stands\n" in command_line().format_help()


def test_help_has_the_words_of_who_asks_and_no_wall_of_flags(monkeypatch, capsys):
    for called, shown, other in (
        ("mlp train", "mlp train --model vgg08", "scripts/"),
        ("train.py", "scripts/", "mlp "),
    ):
        monkeypatch.setattr(sys, "argv", [called, "--help"])
        with pytest.raises(SystemExit):
            make_train_parser().parse_args()
        text = capsys.readouterr().out
        assert shown in text and other not in text.partition("options:")[0]
        assert text.startswith(f"usage: {called} [--flag value ...]\n\nTrain a network")
        assert "  --learning-rate FLOAT, --lr FLOAT\n" in text


@pytest.mark.parametrize(
    ("called", "advice"),
    [
        ("mlp train", "Get it with mlp data cifar100 ("),
        ("train.py", "Get it with python scripts/download_data.py cifar"),
    ],
)
def test_errors_have_the_words_of_who_asks(called, advice, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", [called, "--data-dir", str(tmp_path), "--out", str(tmp_path / "run")])
    assert run_command("train") == 2
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("check_gradients", "check"),
        ("check-gradients", "check"),
        ("download_data.py", "data"),
        ("gradient_correlation", "gradient-correlation"),
        ("trian", "train"),
    ],
)
def test_names_of_scripts_lead_to_their_commands(word, command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mlp", word])
    assert main() == 2
    assert f"there is no command {word!r}: did you mean `mlp {command}`?\n" in capsys.readouterr().err
