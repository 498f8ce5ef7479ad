"""The page of a run in a real browser: it loads, the slider moves the picture, nothing is wrong in the console."""

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from mlp.experiments.config import RunConfig
from mlp.experiments.page.content import RunReport, layer_chart
from mlp.experiments.page.write import write_page
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.facts import Facts
from mlp.training.history import History

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")]

VISIT = """
const seen = {errors}, figures = [...document.querySelectorAll("figure.layers")];
const [figure, other] = figures, slider = figure.querySelector("input");
const look = where => { seen[where] = {
  line: figure.querySelector("path.now").getAttribute("d"), dot: figure.querySelector("circle").getAttribute("cy"),
  epoch: figure.querySelector("output").textContent, other: other.querySelector("output").textContent,
  readout: figure.querySelector(".readout").textContent,
  axes: [...figure.querySelectorAll("g.axis")].map(axis => axis.style.display) } };
look("last");
slider.value = 0; slider.dispatchEvent(new Event("input")); look("first");
figure.querySelectorAll("rect")[1].dispatchEvent(new PointerEvent("pointerenter")); look("hover");
const select = figure.querySelector("select");
select.value = 1; select.dispatchEvent(new Event("change")); look("l2");
seen.visible = !figure.querySelector(".controls").hidden;
const pre = document.createElement("pre"); pre.id = "seen"; pre.textContent = JSON.stringify(seen);
document.body.replaceChildren(pre);
"""


def visit(page):
    """Open a copy of a page that looks at itself; return (what it saw, what the browser printed)."""
    watch = "<script>const errors = []; addEventListener('error', e => errors.push(e.message));</script>"
    text = page.read_text().replace("<head>", f"<head>{watch}").replace("</body>", f"<script>{VISIT}</script></body>")
    page.write_text(text)
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run([*words, profile, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(html.unescape(re.search('<pre id="seen">(.*)</pre>', done.stdout, re.S)[1])), done.stderr


def test_the_slider_changes_the_picture_without_an_error(tmp_path):
    rng, history, names = np.random.default_rng(0), History(), ["input.<w>", "stage.w", "head.w"]
    for epoch in range(1, 4):
        row = {"epoch": epoch, "train_loss": 1.0, "train_acc": 0.5, "val_loss": 1.0, "val_acc": 0.4}
        history.rows.append({**row, "learning_rate": 1e-3})
        numbers = {key: np.exp(rng.normal(-9, 3, 3)) for key in ("mean_abs", "l2", "max_abs")}
        history.add_row("gradient_flow", names, numbers)
        history.add_row("update_ratio", names, {"update_ratio": np.array([1e-3, np.nan, 0.0])})
    chart = layer_chart("gradient_flow", history.tables["gradient_flow"])
    drawn = ElementTree.fromstring(str(chart.picture()))
    first = next(path.get("d") for path in drawn.iter("path") if path.get("class") == "first")

    seen, printed = visit(write_page(RunReport(RunFolder(tmp_path), RunConfig(), Facts(), history)))
    assert seen["errors"] == []
    assert "CONSOLE" not in printed
    assert seen["visible"]
    assert [seen[where]["epoch"] for where in ("last", "first")] == ["3", "1"]
    assert seen["first"]["other"] == "1"  # the sliders move together
    assert seen["first"]["line"] != seen["last"]["line"]
    assert seen["first"]["dot"] != seen["last"]["dot"]
    # The script draws what Python drew, within what the short numbers lose.
    here, there = ([float(number) for number in re.findall(r"[\d.]+", path)] for path in (seen["first"]["line"], first))
    assert here == pytest.approx(there, abs=1)
    assert seen["first"]["readout"].startswith("Epoch 1, mean |gradient|: smallest ")
    value = history.tables["gradient_flow"]["mean_abs"][0, 1]
    name, _, number = seen["hover"]["readout"].partition(": ")
    assert name == "stage.w"
    assert float(number) == pytest.approx(value, rel=0.07)
    assert seen["l2"]["axes"] == ["none", "", "none"]
    assert seen["l2"]["line"] != seen["first"]["line"]
