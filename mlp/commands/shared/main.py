"""mlp: train networks, see how gradients flow through them, and check backward passes written by hand.

    mlp train        train a network and keep everything about the run in one folder
    mlp evaluate     loss, accuracy, hardest and easiest classes of a run's model
    mlp predict      what the model of a run sees in your pictures
    mlp compare      compare runs: a table, curves, gradient flow
    mlp report       a run on one page, to be opened in a browser
    mlp sweep        many runs: all combinations of settings, on this machine or a cluster
    mlp landscape    draw the loss around a run's network
    mlp smoothness   how well the gradient predicts the loss nearby, during training
    mlp gradient-correlation   how similar the gradients of different images are, by depth
    mlp reproduce    the experiments of five reports, compared with the published numbers
    mlp check        check backward passes, ours or yours, against finite differences
    mlp data         download a data set
    mlp devices      what this machine can compute on

`mlp COMMAND --help` explains a command.
"""

import sys
from difflib import get_close_matches

from mlp.commands.command_line import SCRIPTS, outcome_of

COMMANDS = (
    *("train", "evaluate", "predict", "compare", "report", "sweep", "landscape", "smoothness", "gradient-correlation"),
    *("reproduce", "check", "data", "devices"),
)


def main() -> int:
    """Run the command that the first word names; return its exit status."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0 if words else 2
    name = words[0]
    if name not in COMMANDS:
        script = name.removesuffix(".py").replace("_", "-")
        similar = [SCRIPTS[script]] if script in SCRIPTS else get_close_matches(script, COMMANDS, n=1)
        hint = f"did you mean `mlp {similar[0]}`?" if similar else f"the commands are {', '.join(COMMANDS)}"
        print(f"mlp: there is no command {name!r}: {hint}", file=sys.stderr)
        return 2
    sys.argv = [f"mlp {name}", *words[1:]]
    return outcome_of(name.replace("-", "_"))
