"""The report: self-contained, escaped, complete for every kind of space, the same every time."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.contracts.space import array_space, digits_space, table_space

from zscape.measures.doctor import diagnose
from zscape.measures.measurement import measure
from zscape.measures.report import report
from zscape.space.space import Space

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</style><script>alert(1)</script>",
    "<!-- -->",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "\u202eevil",
    "a\x00b",
]
VOID = {"meta", "img", "source", "br"}
LOG = [
    {
        "step": step,
        "epoch": step // 100,
        "loss": 200 - step / 10,
        "seconds": step / 50,
        "parts": {
            "elbo": -200 + step / 10,
            "rate": 5 + step / 100,
            "distortion": 190 - step / 10,
            **({"validation_elbo": -190.0 + step / 20} if step % 100 == 0 else {}),
        },
    }
    for step in range(50, 1001, 50)
]
STUDY = {
    "zscape": "0.1.0",
    "recipe": "vae",
    "options": {"latent": 6, "beta": 1.0},
    "training": {"epochs": 5},
    "seed": 7,
    "data": {"source": "digits"},
    "versions": {"torch": "2.x"},
}


class Reader(HTMLParser):
    """Checks that tags are closed in order, and gathers tags, attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


SPACES = {
    "vae": digits_space,
    "ae": lambda: digits_space("ae"),
    "rows": table_space,
    "one unit": array_space,
}


@pytest.mark.parametrize("kind", SPACES)
def test_pages_are_complete_and_self_contained(kind):
    page = report(SPACES[kind](), LOG, study=STUDY, notes=["400 pictures", "grey"])
    reader = read(page)
    assert "http://" not in page and "https://" not in page
    assert not {"script", "link", "iframe", "object", "form", "a"} & set(reader.tags)
    for tag, name, value in reader.attributes:
        assert not name.startswith("on")
        if name in ("src", "srcset"):
            assert value.startswith("data:image/png;base64,"), (tag, name)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert any(name == "content" and policy in value for _, name, value in reader.attributes)
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == [
        "In numbers",
        "What was asked",
        "Training",
        "What each unit carries",
        "Samples",
        "Reconstructions",
        "Interpolations",
        "What single units do",
        "Map",
    ]
    assert page.count('<p class="lead">') == len(titles) + 1


def test_hostile_words_are_text():
    space = digits_space()
    names = (*HOSTILE, "x" * 5000)
    hostile = Space(
        space.model,
        space.modality,
        space.codes,
        space.items,
        space.kept,
        np.asarray(space.labels) % len(names),
        names,
    )
    for slot in HOSTILE:
        study = {
            "zscape": slot,
            "recipe": slot,
            "options": {slot: slot},
            "training": {slot: [slot]},
            "data": {"source": slot},
            "versions": {slot: slot},
            "seed": slot,
        }
        log = [{"step": 1, "parts": {slot: 1.0}}, {"step": 2, "parts": {slot: 2.0}}]
        page = report(hostile, log, study=study, notes=[slot] * 12)
        reader = read(page)
        assert not {"script", "a", "b2"} & set(reader.tags)
        assert reader.tags.count("style") == 1
        assert not [a for a in reader.attributes if a[1].startswith("on")]
        assert "\u202e" not in page and "\x00" not in page
    assert "<script" not in page


def test_hostile_cells_and_columns_are_text():
    page = report(table_space(), [], study={}, notes=[])
    reader = read(page)
    assert "script" not in reader.tags
    assert all(not name.startswith("on") for _, name, _ in reader.attributes)
    assert "<img src=x onerror=alert(1)>" in reader.words
    assert "<script>alert(2)</script>" in reader.words


def test_nothing_known_is_enough():
    page = report(digits_space(), [], study={})
    assert "<h2>Training</h2>" not in page and "<h1>model</h1>" in page


def test_pages_repeat():
    assert report(digits_space(), LOG, study=STUDY) == report(digits_space(), LOG, study=STUDY)


def test_numbers_say_what_they_are():
    page = report(digits_space(), LOG, study=STUDY)
    for words in ("nats (binarised) · bound", "nats · exact", "units · estimate"):
        assert words in page
    assert "undefined" not in page
    assert "nats (density) · bound" in report(array_space(), LOG, study=STUDY)
    point = report(digits_space("ae"), LOG, study=STUDY)
    assert "its rate, and so the ELBO, are undefined" in point


def test_spaces_without_labels_have_no_legend():
    space = digits_space()
    bare = Space(space.model, space.modality, space.codes, space.items, space.kept)
    assert '<div class="legend">' in report(space, [], study={})
    assert '<div class="legend">' not in report(bare, [], study={})


def test_collapse_is_said():
    space = digits_space()
    before = {name: tensor.clone() for name, tensor in space.model.state_dict().items()}
    posterior = space.model.levels[0].posterior
    try:
        for tensor in posterior.parameters():
            tensor.data.zero_()
        diagnosis = diagnose(space)
        page = report(space, [], study={}, diagnosis=diagnosis)
    finally:
        space.model.load_state_dict(before)
    assert diagnosis.named("posterior collapse") is not None
    assert "serious: posterior collapse" in page and "Likely cause:" in page
    assert "<b>0<small> of 6</small>" in page
    assert "posterior collapse" not in report(space, [], study={})


def test_measures_stand_in_tables_with_their_kinds_and_floors():
    report_ = measure(table_space(), draws=2)
    page = report(table_space(), [], study={}, measured=report_)
    read(page)
    assert "How good is it?" in page and "real against real" in page
    assert page.count("<h3>Likelihood</h3>") == 1 and ">bound</td>" in page
