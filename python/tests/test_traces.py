"""Traces as arrays, there and back."""

import pathlib

import numpy as np
import pytest

import dsasim

TRACES = pathlib.Path(__file__).parents[2] / "traces"
TRACE = TRACES / "paper128-req_0.dsat"


def test_what_a_trace_says_of_itself():
    trace = dsasim.Trace(TRACE)
    assert (trace.requests, trace.layers, trace.steps, trace.top_k, trace.accesses) == (1, 16, 200, 128, 409600)
    assert trace.steps_of(0) == 200
    assert "200 steps" in repr(trace)


def test_steps_in_any_order_are_the_same():
    trace = dsasim.Trace(TRACE)
    in_order = [step.ids.copy() for step in trace.request(0)]
    for number in (199, 3, 4, 0, 100):
        assert (dsasim.Trace(TRACE).step(0, number).ids == in_order[number]).all()
        assert (trace.step(0, number).ids == in_order[number]).all()


def test_selections_are_views_of_their_step():
    trace = dsasim.Trace(TRACE)
    step = trace.step(0, 7)
    assert step[3].base is not None
    assert np.shares_memory(step[3], step.ids)
    assert (trace.selection(0, 7, 3) == step[3]).all()
    assert sum(len(step[layer]) for layer in range(16)) == len(step.ids)
    assert (step[-1] == step[15]).all()
    kept = step[3].copy()
    del step
    selection = trace.selection(0, 7, 3)
    trace.step(0, 8)
    del trace
    assert (selection == kept).all()  # arrays own what they show


@pytest.mark.parametrize(("request_number", "step", "layer"), [(1, 0, 0), (0, 200, 0), (0, 0, 16), (0, 0, -17)])
def test_places_that_are_not_there(request_number, step, layer):
    with pytest.raises(IndexError):
        dsasim.Trace(TRACE).selection(request_number, step, layer)


def test_a_first_in_first_out_cache_by_hand_counts_what_the_tool_counts():
    """One cache a layer of 256 entries, an access at a time: the definition, in Python."""
    trace = dsasim.Trace(TRACE)
    misses = 0
    caches = [{} for _ in range(trace.layers)]
    for step in trace.request(0):
        for layer, cache in enumerate(caches):
            for entry in step[layer].tolist():
                if entry not in cache:
                    misses += 1
                    if len(cache) == 256:
                        del cache[next(iter(cache))]
                    cache[entry] = None
    assert misses == dsasim.replay(TRACE, policy="fifo", capacity="256").totals["misses"] == 69171


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / "new.dsat"
    selections = [[[1, 5, 99], np.array([7, 8, 100], dtype=np.int64)], [[2], []]]
    scores = [[[0.5, 1.0, -2.0], [1, 2, 3]], [[0.25], []]]
    with dsasim.TraceWriter(file, layers=2, prompt_tokens=[100], entry_bytes=656, scores=True, model="toy") as writer:
        for ids, values in zip(selections, scores):
            writer.append(0, ids, values)
    trace = dsasim.Trace(file)
    assert (trace.model, trace.entry_bytes, trace.prompt_tokens, trace.steps) == ("toy", 656, [100], 2)
    for number, (ids, values) in enumerate(zip(selections, scores)):
        for layer in range(2):
            assert trace.selection(0, number, layer).tolist() == list(ids[layer])
            assert trace.step(0, number).scores(layer).tolist() == list(values[layer])
    dsasim.verify(file)
    assert dsasim.replay(trace, capacity=2).totals["accesses"] == 7


@pytest.mark.parametrize(("selections", "error", "words"), [
    ([[1]], dsasim.ConfigError, "each of 2 layers"),
    ([[1], [1, 1]], dsasim.TraceError, "twice"),
    ([[1], [101]], dsasim.TraceError, "101"),
    ([[1], [-1]], dsasim.ConfigError, "from 0"),
    ([[1], [0.5]], dsasim.ConfigError, "whole numbers"),
    ([[1], [[2]]], dsasim.ConfigError, "one dimension"),
])
def test_selections_that_no_trace_can_have(tmp_path, selections, error, words):
    writer = dsasim.TraceWriter(tmp_path / "new.dsat", layers=2, prompt_tokens=[100])
    with pytest.raises(error, match=words):
        writer.append(0, selections)


def test_without_its_end_a_trace_counts_as_cut_off(tmp_path):
    file = tmp_path / "cut.dsat"
    with pytest.raises(KeyboardInterrupt):
        with dsasim.TraceWriter(file, layers=1, prompt_tokens=[100]) as writer:
            writer.append(0, [[1, 2]])
            raise KeyboardInterrupt
    with pytest.raises(dsasim.TraceError, match="cut off"):
        dsasim.Trace(file)


def test_steps_of_several_queries_and_rejected_drafts(tmp_path):
    """Prompt 10; a step of three queries at positions 10 to 12, of which two are accepted; a pause; position 12 again."""
    file = tmp_path / "drafts.dsat"
    with dsasim.TraceWriter(file, layers=1, prompt_tokens=[10], queries=True) as writer:
        writer.append_queries(0, [[[1, 10]], [[1, 11]], [[1, 12]]], accepted=2)
        writer.append_queries(0, [], accepted=0)
        writer.append_queries(0, [[[1, 12]]], accepted=1)
    first, pause, last = dsasim.Trace(file).request(0)
    assert (first.queries, first.accepted, pause.queries, last.queries) == (3, 2, 0, 1)
    assert [first.selection(0, query).tolist() for query in range(3)] == [[1, 10], [1, 11], [1, 12]]
    assert last[0].tolist() == [1, 12]
    with pytest.raises(IndexError, match="has 0"):
        pause[0]
    totals = dsasim.replay(file, policy="hisparse", capacity=6).totals
    assert (totals["accesses"], totals["misses"]) == (8, 5)  # 1, 10, 11, 12; the entry at 12 was rejected, then new


def test_traces_of_one_query_refuse_several(tmp_path):
    writer = dsasim.TraceWriter(tmp_path / "new.dsat", layers=1, prompt_tokens=[10])
    with pytest.raises(dsasim.ConfigError, match="queries=True"):
        writer.append_queries(0, [[[1]]], accepted=1)
