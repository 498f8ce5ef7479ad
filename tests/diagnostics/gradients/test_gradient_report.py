"""The report as text, as HTML, and as an assertion; how diagnoses are merged."""

from html.parser import HTMLParser

import pytest

from mlp.diagnostics import Diagnosis, check_layer
from mlp.diagnostics.gradients.diagnoses import merged
from mlp.diagnostics.gradients.gallery.affine import BiasGradientAveraged, WeightGradientTransposed
from mlp.layers import Affine


def test_the_report_prints_what_is_likely_wrong_within_the_width_of_a_terminal():
    report = check_layer(BiasGradientAveraged(3, 4), (5, 3))
    text = str(report)
    assert "What is likely wrong, most likely first:\n 1. mean over the batch: bias (training, evaluation): " in text
    assert max(len(line) for line in text.splitlines()) <= 100
    with pytest.raises(AssertionError) as failure:
        report.raise_if_failed()
    assert str(failure.value) == text
    assert "likely" not in str(check_layer(Affine(3, 4), (5, 3)))


class Tags(HTMLParser):
    """Checks that every tag is closed, and collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_report_is_html_in_a_notebook():
    for layer in (BiasGradientAveraged(3, 4), WeightGradientTransposed(3, 4), Affine(3, 4)):
        report = check_layer(layer, (5, 3))
        report.remarks.append("1 < 2 & so on")
        tags = Tags()
        tags.feed(report._repr_html_())
        assert tags.open == []
        assert report.verdict in tags.text
        assert "1 < 2 & so on" in tags.text
        for row in report.rows:
            assert row.array in tags.text
        for diagnosis in report.diagnoses:
            assert diagnosis.sentence in tags.text


def test_what_holds_for_several_arrays_and_modes_is_said_once():
    found = [
        Diagnosis("sign", "weight", "training", "turn it round", "error 2"),
        Diagnosis("sign", "bias", "training", "turn it round"),
        Diagnosis("factor", "bias", "training", "half"),
        Diagnosis("sign", "weight", "evaluation", "turn it round"),
        Diagnosis("sign", "weight", "evaluation", "turn it round", subject="conv"),
    ]
    first, second, third = merged(found)
    assert (first.array, first.mode, first.evidence) == ("weight, bias", "training, evaluation", "error 2")
    assert second.name == "factor"
    assert str(third) == "sign: layer 'conv', weight (evaluation): turn it round"
