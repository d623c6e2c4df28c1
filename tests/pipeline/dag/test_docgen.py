"""The page about cache keys is what the code says."""

from pipeline.dag.docgen import PAGE_FILE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE_FILE.read_text() == page(), "python -m pipeline.dag.docgen"


def test_every_step_names_what_its_key_covers() -> None:
    rows = {line.split("|")[1].strip(): line for line in page().splitlines() if line[:2] == "| "}
    assert "condition" in rows["shards"]
    assert "served_condition" in rows["Trainer"]
    assert "leakage" not in rows["Trainer"]
    assert "report.html.jinja" in rows["Report"]
    assert "keras" in rows["Trainer"]
