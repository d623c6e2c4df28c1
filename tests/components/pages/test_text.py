"""Names in Markdown and HTML are shown as they are; an independent reader of Markdown says so."""

import html
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from pushed import make_card, make_verdict

from components.pages.section import html_environment
from components.pages.text import escape_markdown, markdown_environment
from components.pusher.card import render_card
from components.tasks.classify.charts import labelled_confusion_png
from schemas.reports.model_card import TrainingData
from schemas.text import visible

NAMES = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))", "![a](b)",
    "**a**", "_unknown_", "a_b_c", "`a`", "# a", "- a", "+ a", "1. a", "1) a", "> a", "a | b",
    "~~a~~", "&lt;b&gt;", "\\*a*", "a\n\n# b", "a\r- b", "\u202ea", "\x1b[31ma",
    "$\\frac{1}$", "===",
    "---", "<a@b.c>",
    "<https://a.b>", "[/b]", "ü 左", "-0.1 (x)", "[x]: http://a", "    code", "&amp;", "*",
    "__init__",
]  # fmt: skip
# GitHub's and MLflow's kind of Markdown, HTML allowed.
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def shown(markdown: str) -> str:
    """What a page shows of it, its own elements told by what they leave."""
    return READER.render(markdown)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frame", ["{}", "- {}", "| a |\n|---|\n| {} |", "## {}", "so {}, so"])
def test_a_name_is_a_name_wherever_it_stands(name: str, frame: str) -> None:
    page = shown(frame.format(escape_markdown(name)))
    plain = shown(frame.format("PLAIN"))
    wanted = html.escape(visible(name.strip()), quote=False)
    found = page.replace("&quot;", '"')
    assert found.split() == plain.replace("PLAIN", wanted).split(), found


def test_the_card_escapes_all_of_them() -> None:
    labels = NAMES[:8]
    verdict = make_verdict().model_copy(update={"remarks": NAMES})
    data = TrainingData(clips=9, speakers=1, licences=dict.fromkeys(NAMES, 1))
    text = render_card(make_card(labels=labels, data=data), verdict)
    page = shown(text)
    assert not re.search(r"<(script|img|a|em|strong|s|code)\b", page), page
    for name in NAMES:
        assert html.escape(visible(name.strip()), quote=False) in page.replace("&quot;", '"')
    assert page.count("<h2>") == text.count("\n## ")


def test_templates_escape_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{{ name }} {{ made|markdown }} {{ number }}")
    written = markdown_environment(tmp_path).get_template("x")
    assert written.render(name="*a*", made="*b*", number=1.5) == "\\*a\\* *b* 1.5"
    assert escape_markdown(", ") == ", "


def test_a_page_shows_what_turns_a_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("<p title='{{ name }}'>{{ name }}</p>")
    page = html_environment(tmp_path).get_template("x").render(name="<b>'\u202e\x1b[2J")
    assert page == ("<p title='&lt;b&gt;&#39;\\u202e\\x1b[2J'>&lt;b&gt;&#39;\\u202e\\x1b[2J</p>")


def test_a_label_is_no_formula() -> None:
    labels = ["$\\frac$", "\x1b", "左"]
    assert labelled_confusion_png(labels, [[1, 0, 0]] * 3)
