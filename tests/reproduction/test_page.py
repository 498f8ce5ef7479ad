"""The page of all reports: both forms say the same, everything run is on it, everything missing is named."""

import base64
import itertools
import re
from html.parser import HTMLParser

import pytest
from reproduction.made_up_runs import make_up_runs
from run_fixtures import sketching

from mlp.commands import reproduce
from mlp.errors import CheckpointError
from mlp.reproduction.findings import check_findings, findings_table
from mlp.reproduction.formats import as_markdown
from mlp.reproduction.index import RunIndex
from mlp.reproduction.page.write import write_report
from mlp.reproduction.plan import collect, plan_runs
from mlp.reproduction.reports import EXHIBITS, REPORTS, ROWS, rows_of, select
from mlp.reproduction.scale import FULL, QUICK
from mlp.reproduction.tables import make_table

EMPTY = ("meta", "img", "br")  # elements without an end


class Reader(HTMLParser):
    """Reads a page: its texts, pictures, links and anchors; an end that fits no beginning is an error."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.pictures, self.links, self.anchors = [], [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in EMPTY:
            self.open.append(tag)
        attributes = dict(attributes)
        if tag == "img":
            self.pictures.append(attributes["src"])
            assert attributes["alt"]
        if "href" in attributes:
            self.links.append(attributes["href"])
        if "id" in attributes:
            self.anchors.append(attributes["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())

    @property
    def text(self):
        return " ".join(self.texts)


@pytest.fixture(scope="module", autouse=True)
def quick_pictures():
    """What stands in a picture is tested with the figures; here it only has to arrive."""
    with sketching():
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A few runs: one table of s0 in part at full scale, and at the quick scale a table and a figure of s3 and s2."""
    root = tmp_path_factory.mktemp("runs")
    make_up_runs(root, select(["s0-4", "s0-5"]), FULL)
    make_up_runs(root, select(["s0-21", "s3-8", "s2-15"]), QUICK)
    return root


@pytest.fixture(scope="module")
def pages(root, tmp_path_factory):
    """(folder, HTML, Markdown) of the page about these runs."""
    out = tmp_path_factory.mktemp("report")
    paths = write_report(out, RunIndex(root), say=lambda line: None)
    assert [path.name for path in paths] == ["report.html", "report.md"]
    return out, *(path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.slow
def test_every_table_that_has_a_run_stands_in_both_forms(pages, root):
    _, html, text = pages
    reader, index, tables = Reader(html), RunIndex(root), 0
    for name, scale in itertools.product([name for name, e in EXHIBITS.items() if e.is_table], (FULL, QUICK)):
        there = any(result.records for result in collect(rows_of(name), index, scale))
        assert (f"{name}-{scale.name}" in reader.anchors) == there
        if there:
            table = make_table(name, index, scale)
            assert as_markdown(table).strip() in text
            assert {cell for row in table.cells() for cell in row[:-1]} <= set(reader.texts)
        tables += there
    assert tables >= 4  # s0-tab1, s0-16-tab, s0-21-tab, s3-tab2, ...


def test_pictures_are_embedded_in_one_form_and_lie_beside_the_other(pages):
    out, html, text = pages
    names = re.findall(r"!\[[^]]+\]\(figures/([^)]+)\)", text)
    assert "s0-21-fig-quick.png" in names
    assert sorted(path.name for path in (out / "figures").glob("*.png")) == sorted(names)
    pictures = Reader(html).pictures
    assert len(pictures) == len(names)
    for name, picture in zip(names, pictures, strict=True):
        head, _, data = picture.partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data) == (out / "figures" / name).read_bytes()
        assert (out / "figures" / name).with_suffix(".pdf").exists()


def test_the_page_needs_nothing_but_itself(pages):
    reader = Reader(pages[1])
    assert "<script" not in pages[1]
    assert all(link.startswith("#") and link[1:] in reader.anchors for link in reader.links)
    assert [link for link in reader.links if link == "#s3"]
    assert len(set(reader.anchors)) == len(reader.anchors)


def test_the_quick_scale_is_named_at_the_top_and_above_each_table(pages):
    _, html, text = pages
    caveat = (
        f"Tables and figures that say so are at the {QUICK.label}. They are not comparable with the published ones."
    )
    assert Reader(html).text.index(caveat) < Reader(html).text.index("s0:")
    assert text.startswith(f"# The experiments of five reports, ours beside the published ones\n\n> **{caveat}")
    reader = Reader(html)
    assert reader.texts.count("Quick scale" + QUICK.label.removeprefix("quick scale")) == sum(
        anchor.endswith("-tab-quick") or bool(re.search(r"-tab\d-quick$", anchor)) for anchor in reader.anchors
    )


def test_what_is_missing_is_named(pages):
    _, html, text = pages
    for page in (Reader(html).text, text):
        assert "VGG08 (s0-1, full scale): no run yet; python scripts/reproduce.py run s0-1" in page
        assert "(s3-9, quick scale): no run yet; python scripts/reproduce.py run s3-9 --scale quick" in page
        missing = re.findall(r"VGG38 BN, lr 1e-3 \(s0-\d+, full scale\): no run yet", page)
        assert missing == ["VGG38 BN, lr 1e-3 (s0-3, full scale): no run yet"]  # once, though rows share the run
        assert "Without any run yet" in page
        assert "python scripts/reproduce.py run s1 --scale quick" in page
        assert EXHIBITS["s1-fig10"].title in page
        for row in ROWS.values():
            if row.state in ("tested", "planned", "reviewed"):
                assert row.id + ": " + row.title in page


def test_the_overview_counts(pages):
    _, html, text = pages
    lines = [line for line in text.splitlines() if line.startswith("| s")]
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]}
    assert cells["s0"][2] == str(len(REPORTS["s0"].ROWS))
    assert cells["s0"][3].startswith("2 of ")
    assert cells["s0"][4].startswith("2 of ")
    assert cells["s4"][3:5] == [f"0 of {len(plan_runs(REPORTS['s4'].ROWS, scale))}" for scale in (FULL, QUICK)]
    for cell in cells["s0"]:
        assert cell in Reader(html).texts


def test_verdicts_have_a_sign_and_a_reason(pages, root):
    table = make_table("s0-tab1", RunIndex(root), FULL)
    words = {line.verdict.word for line in table.lines if line.result.records}
    text = Reader(pages[1]).text
    assert words <= {"inside", "outside"}
    for line in table.lines:
        if line.verdict.word == "outside":
            assert f"✗ outside {line.verdict.why}" in text
        if line.verdict.word == "inside":
            assert "✓ inside" in text
    assert "~ not comparable quick scale" in text
    assert "○ not run" in text


def test_findings_stand_at_the_top_at_scales_that_have_runs_for_them(pages, root):
    _, html, text = pages
    reader = Reader(html)
    assert "#findings" in reader.links
    checked, none = (check_findings(RunIndex(root), scale) for scale in (FULL, QUICK))
    assert checked.caption in reader.texts
    assert f"**{checked.caption}**" in text
    for row in findings_table(checked)[1]:
        assert {cell for cell in row[:-1] if cell} <= set(reader.texts)
    assert none.caption not in html + text
    assert reader.text.index("claims are shown") < reader.text.index("s0:")


def test_what_reports_saw_and_notes_stand_below_figures(pages):
    text = Reader(pages[1]).text
    (row,) = rows_of("s0-21-fig")
    assert f"{row.id}: {row.note}" in text


def test_damaged_runs_are_named(tmp_path):
    folder, _ = make_up_runs(tmp_path, select(["s3-9", "s3-15"]), QUICK)
    (folder / "metrics.csv").write_text("epoch,train_loss\n1,many\n")
    write_report(tmp_path / "report", RunIndex(tmp_path), say=lambda line: None)
    for name in ("report.html", "report.md"):
        text = (tmp_path / "report" / name).read_text(encoding="utf-8")
        assert "Runs that could not be read" in text
        assert "metrics.csv is damaged" in text


@pytest.mark.slow
def test_figures_that_cannot_be_drawn_are_named(tmp_path):
    folders = make_up_runs(tmp_path, select(["s3-1"]), QUICK)
    for folder in folders:
        (folder / "gradient_flow.npz").unlink()
    write_report(tmp_path / "report", RunIndex(tmp_path), say=lambda line: None)
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "s3-fig1" in text
    assert "- s3-fig2 has nothing to show: none of its quick-scale runs has a gradient_flow.npz" in text
    assert "`s3-fig2`:" not in text  # among those without any run


def test_without_any_run_there_is_nothing_to_report(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing to report.*run all --scale quick makes small ones"):
        write_report(tmp_path / "report", RunIndex(tmp_path), say=lambda line: None)
    assert not (tmp_path / "report").exists()


def test_the_command(tmp_path, call):
    make_up_runs(tmp_path / "runs", select(["s3-9"]), QUICK)
    status, text, error = call(reproduce, "report", "--runs", tmp_path / "runs", "--scale", "quick")
    assert (status, error) == (0, "")
    assert text.splitlines()[-2:] == [str(tmp_path / "runs" / "report" / f"report.{form}") for form in ("html", "md")]
    status, _, error = call(reproduce, "report", "--runs", tmp_path / "runs", "--scale", "full")
    assert status == 2
    assert "nothing to report" in error
