"""Commands from Python: the known answers of the tool's own tests, and its errors in Python's words."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import dsasim

TRACES = pathlib.Path(__file__).parents[2] / "traces"
TRACE = TRACES / "paper128-req_0.dsat"


@pytest.mark.parametrize(("policy", "misses"), [("lru", 45614), ("fifo", 69171), ("belady", 25019), ("hisparse", 42472)])
def test_replay_counts_what_is_known(policy, misses):
    result = dsasim.replay(TRACE, policy=policy, capacity="2x")
    assert result.totals["misses"] == misses
    assert result.layers["misses"].sum() == misses
    assert result.requests["misses"].tolist() == [misses]


def test_tables_are_exact_and_keep_what_is_not_known_apart():
    layers = dsasim.replay(TRACE, capacity="2x").layers
    assert layers["misses"].dtype == np.int64
    assert layers.shape == (16,)
    unpriced = dsasim.replay(TRACE, capacity="2x", per_step=True)
    rows = unpriced.per_step
    assert rows.shape == (16 * 200,)
    assert rows["misses"].sum() == unpriced.totals["misses"]
    assert rows["misses"].dtype == np.int64
    assert np.isnan(rows["fetched_bytes"]).all()
    priced = dsasim.replay(TRACE, capacity="2x", per_step=True, entry_bytes=100)
    assert priced.per_step["fetched_bytes"].sum() == priced.totals["fetched_bytes"]
    with pytest.raises(AttributeError, match="per_step=True"):
        dsasim.replay(TRACE).per_step


def test_a_curve_is_what_replays_count():
    points = dsasim.curve(TRACE, policy="lru", capacities=["128", 256, "4x"]).points
    assert points["misses"].tolist() == [215426, 45614, 19624]


def test_a_prediction_has_rows_by_predictor_and_guess():
    rows = dsasim.predict(TRACE, predictors=["previous", "history"], guesses=["64", "1x"]).rows
    assert rows["predictor"].tolist() == ["previous", "previous", "history", "history"]
    assert rows["guess_entries"].tolist() == [64, 128, 64, 128]
    assert (rows["held"] <= rows["entries"]).all() and (rows["held"][1] > rows["held"][0])


def test_lists_repeat_an_option_and_tables_become_frames():
    frame = dsasim.compare([TRACE, dsasim.Trace(TRACES / "k512-req_0.dsat")], policies="hisparse,lru",
                           capacities=["1x", "2x"]).to_pandas()
    assert set(frame["policy"]) == {"hisparse", "lru", "belady,atomic=access,bypass=0", "belady,atomic=step,bypass=0"}
    assert frame[(frame.policy == "lru") & (frame.capacity == "2x") & (frame.trace == str(TRACE))].misses.item() == 45614
    knees = dsasim.knee(TRACE, "miss_ratio=0.2", policy=["lru", "hisparse"]).knees
    assert knees["policy"].tolist() == ["lru", "hisparse"]


def test_a_document_without_tables_is_one_row():
    result = dsasim.step(model="deepseek-v3.2", gpu="h200", tp=8, batch=16, context=65536)
    assert result.tpot_ns > 1e6
    assert result.to_pandas().shape[0] >= 1
    assert "<table>" in result._repr_html_()


def test_markup_in_a_document_stays_text():
    result = dsasim.Result({"schema": "x", "rows": [{"<b>": "</td><script>"}]})
    assert "<script>" not in result._repr_html_()
    assert "<b>" not in result._repr_html_()


def test_results_are_those_of_the_tool(tmp_path):
    file = tmp_path / "tool.json"
    subprocess.run([sys.executable, "-c", "from dsasim._tool import main; main()", "replay", TRACE, "--json", file],
                   check=True)
    assert json.loads(dsasim.replay(TRACE).to_json()) == json.loads(file.read_text())
    assert dsasim.diff(dsasim.replay(TRACE), file).equal
    other = dsasim.diff(dsasim.replay(TRACE, policy="fifo"), file)
    assert not other.equal
    assert len(other.differences) > 0


@pytest.mark.parametrize(("options", "words"), [
    ({"capacity": "2y"}, r"`capacity`.*2y"),
    ({"new_token": "soon"}, r"`new_token`.*demand"),
    ({"policy": "lru,a=1"}, "unknown parameter"),
    ({"capcity": "2x"}, r"unknown option.*`capcity`.*`capacity`"),
])
def test_wrong_options_name_keywords(options, words):
    with pytest.raises(dsasim.ConfigError, match=words):
        dsasim.replay(TRACE, **options)


def test_files_that_are_no_traces(tmp_path):
    empty = tmp_path / "empty.dsat"
    empty.touch()
    with pytest.raises(dsasim.ConfigError, match="empty.dsat"):
        dsasim.replay(empty)
    with pytest.raises(dsasim.TraceError, match="empty.dsat"):
        dsasim.Trace(empty)
    with pytest.raises(dsasim.SystemError, match="absent.dsat"):
        dsasim.verify(tmp_path / "absent.dsat")


def test_sweeps_yield_their_rows(tmp_path):
    grid = tmp_path / "grid.json"
    grid.write_text(json.dumps({"trace": str(TRACE), "policy": ["lru", "hisparse"], "capacity": ["2x", "4x"]}))
    rows = list(dsasim.sweep(grid, tmp_path / "out.csv"))
    assert [row["misses"] for row in rows] == ["45614", "19624", "42472", "19266"]


def test_generated_and_imported_traces_open(tmp_path):
    made = dsasim.generate(tmp_path / "made.dsat", preset="glm-5.1", layers=2, steps=5, context=4096, top_k=64)
    assert (made.layers, made.steps, made.top_k) == (2, 5, 64)
    dsasim.export(made, tmp_path / "made.npz", to="npz")
    again = dsasim.import_capture(tmp_path / "made.npz", tmp_path / "again.dsat", from_="npz")
    assert again.digest() == made.digest()


def test_pictures_of_a_result(tmp_path):
    page = tmp_path / "page.html"
    dsasim.report([dsasim.curve(TRACE, policy="lru"), TRACE], page, capacity="2x")
    assert page.read_text().lower().startswith("<!doctype html>")
