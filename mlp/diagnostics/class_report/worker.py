"""The check of one file, in a process of its own: python -m mlp.diagnostics.class_report.worker SETTINGS.

When its limits are set it prints READY, and nothing more: what goes wrong before is not the student's fault. At the
end it writes what it found to a file, as JSON. If the student's code ends the process or hangs, there is no such file,
which `submissions` understands.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from mlp.diagnostics.class_report.limits import end_with_starter, set_limits, to_nowhere
from mlp.diagnostics.gradients.own_file import check_file
from mlp.diagnostics.gradients.report import GradientReport
from mlp.errors import MlpError

LONGEST = 2000  # characters of a text
READY = "ready: the limits are set"
# names of diagnoses about forward
FORWARD = {
    "forward",
    "exception in forward",
    "no self",
    "no outputs",
    "inputs changed",
    "not deterministic",
    "overflow",
}


def main(arguments: list[str]) -> None:
    """Check one file and write what was found."""
    settings = json.loads(arguments[0])
    end_with_starter()
    set_limits(settings["seconds"], settings["megabytes"])
    print(READY, flush=True)
    to_nowhere(1, 2)
    try:
        shape = settings["input_shape"]
        report = check_file(f"{settings['path']}:{settings['name']}", settings["args"], shape, settings["seed"])
        found = told(report)
    except MlpError as error:
        found = {"error": str(error)[:LONGEST]}
    except MemoryError:
        found = {"error": f"it asked for more than {settings['megabytes']} MB of memory"}
    out = Path(settings["out"])
    part = out.with_name(out.name + ".part")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(out)
    os._exit(0)  # so that threads of the student's code do not keep the process alive


def told(report: GradientReport) -> dict[str, Any]:
    """Return what the class report needs from the report of a check."""
    first = report.diagnoses[0] if report.diagnoses else None
    return {
        "passed": report.passed,
        "parts": parts_of(report),
        "mistake": first.name if first else "",
        "sentence": (f"{first.array}: {first.sentence}" if first else "")[:LONGEST],
        "remarks": [remark[:LONGEST] for remark in report.remarks],
    }


def parts_of(report: GradientReport) -> dict[str, bool]:
    """Return {part of a solution: whether it is right}; each part earns a share of the points.

    A layer has forward, the gradient of the inputs and of each parameter, and evaluation; a loss has its value and
    its gradient; a rule its first step and the later ones.
    """
    rows = report.rows
    if report.kind == "Rule check":
        steps = [row for row in rows if row.array.startswith("step")]
        return {"first step": bool(steps) and steps[0].passed, "later steps": bool(steps) and report.passed}
    if any(row.mode == "loss" for row in rows):
        known = [row for row in rows if row.mode == "loss"]
        return {"value": all(row.error < float("inf") for row in known), "gradient": report.passed}
    wrong = {diagnosis.name for diagnosis in report.diagnoses}
    parts = {"forward": not wrong & FORWARD and all(row.passed for row in rows if row.array == "outputs")}
    for name in dict.fromkeys(["inputs", *(row.array for row in rows if row.array not in ("outputs", "grad_outputs"))]):
        mine = [row for row in rows if row.array == name and row.mode == "training"]
        parts[f"gradient of {name}"] = bool(mine) and all(row.passed for row in mine)
    right = {name.removeprefix("gradient of ") for name, passed in parts.items() if passed}  # in training
    if parts["forward"]:
        right.add("outputs")
    later = [row for row in rows if "evaluation" in row.mode and row.array in right]
    parts["evaluation"] = bool(later) and all(row.passed for row in later)  # a mistake in both modes costs only once
    return parts


if __name__ == "__main__":
    main(sys.argv[1:])
