"""The command line as a script sees it: exit status, stdout, stderr and files.

    run.py REPOSITORY TOOL

A case is the arguments, what they should do, and, where needed, a configuration file. All run in one folder, which
holds t.dsat (one request), batch.dsat (four), and copies of it that were cut off or damaged. A case that ends
with status 2 must say why in one line on stderr and write nothing to stdout.
"""

import base64
import csv
import io
import json
import os
import pty
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Case:
    name: str
    arguments: str
    status: int = 0
    out: list[str] = field(default_factory=list)  # texts that stdout has; none: stdout is empty
    err: list[str] = field(default_factory=list)  # texts that stderr has; none: stderr is empty
    files: list[str] = field(default_factory=list)  # that appear
    config: str | None = None  # c.json
    stdin: str = os.devnull  # the file that stdin is
    check: object = None  # of the result, as a function of (folder, stdout)


def report(text: str) -> dict:
    document = json.loads(text)
    assert document["schema"] == "dsasim-report/1", document
    return document


def config_is(**wanted):
    """The effective configuration of the report on stdout has these values."""
    def check(_folder: Path, out: str) -> None:
        found = report(out)["config"]
        assert {key: found[key] for key in wanted} == wanted, found
    return check


def blocks_of_a_sweep(folder: Path, _out: str) -> None:
    entries, blocks, tokens = [line.split(",") for line in (folder / "o.csv").read_text().splitlines()[1:]]
    assert entries[-4] == blocks[-4] == "409600", entries
    assert blocks[-2] == entries[-2] == "ok" and blocks[-3] != entries[-3], blocks
    assert tokens[-2] == "refused", tokens


def misses_are(wanted: int):
    def check(_folder: Path, out: str) -> None:
        assert report(out)["totals"]["misses"] == wanted, report(out)["totals"]
    return check


def is_whole_report(folder: Path, _out: str) -> None:
    report((folder / "r.json").read_text())


def csv_adds_up(folder: Path, out: str) -> None:
    """rows.csv has a row for each counted step, layer and request, and adds up to the report on stdout."""
    rows = list(csv.DictReader(io.StringIO((folder / "rows.csv").read_text())))
    document = report(out)
    assert len(rows) == 8 * 16 * 4, len(rows)
    assert [(r["step"], r["layer"], r["request"]) for r in rows[:5]] == [
        ("102", "0", "0"), ("102", "0", "1"), ("102", "0", "2"), ("102", "0", "3"), ("102", "1", "0")], rows[:5]
    for column in list(rows[0])[3:]:
        total = sum(int(row[column]) for row in rows)
        assert total == document["totals"][column], (column, total)


def steps_are_a_part(_folder: Path, out: str) -> None:
    document = report(out)
    assert document["config"]["steps"] == [10, 20], document["config"]
    assert document["trace"]["steps"] == 200, document["trace"]  # of the trace, whatever part is replayed
    assert document["totals"]["accesses"] == 10 * 16 * 128, document["totals"]


def is_one_csv(_folder: Path, out: str) -> None:
    lines = out.splitlines()
    assert lines[0].startswith("step,layer,request,"), lines[0]
    assert len(lines) == 1 + 2 * 16, len(lines)


def is_still_a_device(folder: Path, _out: str) -> None:
    assert (folder / "null").is_symlink() and (folder / "null").is_char_device()


def is_link_to_report(folder: Path, _out: str) -> None:
    assert (folder / "link.json").is_symlink()
    report((folder / "linked.json").read_text())


def is_half_of_the_batch(_folder: Path, out: str) -> None:
    assert report(out)["totals"]["accesses"] == 2 * 200 * 16 * 256, report(out)["totals"]


def old_is_new(folder: Path, _out: str) -> None:
    report((folder / "old.json").read_text())


def is_whole_analysis(folder: Path, _out: str) -> None:
    """The document has the contract's metrics, each with its numbers, and every layer; the histograms count all samples."""
    document = json.loads((folder / "a.json").read_text())
    assert document["schema"] == "dsasim-analysis/1", document["schema"]
    assert [row["layer"] for row in document["layers"]] == list(range(16))
    for metrics in [document["metrics"]] + [row["metrics"] for row in document["layers"]]:
        assert set(metrics) >= {"working_set", "persistence", "lookback", "lookback_step_mean", "new_lookups",
                                "inter_layer_overlap", "page_utilisation"}, metrics.keys()
        for name, metric in metrics.items():
            assert sum(metric["histogram"]["counts"]) == metric["samples"], name
            assert (metric["mean"] is None) == (metric["samples"] == 0), name
            assert len(metric["histogram"]["edges"]) == len(metric["histogram"]["counts"]) + 1 or not metric["samples"]
    assert round(document["metrics"]["working_set"]["mean"], 4) == 3.8232, document["metrics"]["working_set"]
    assert document["metrics"]["persistence"]["runs_cut_off"] == 4081


def is_comparison(folder: Path, out: str) -> None:
    document = json.loads(out)
    assert document["schema"] == "dsasim-analysis-comparison/1", document["schema"]
    first, second = document["analyses"]
    for name, ratio in document["ratios"].items():
        wanted = second["metrics"][name]["mean"] / first["metrics"][name]["mean"]
        assert ratio["mean"] == wanted, (name, ratio)
    assert csv_rows(folder / "tables/metrics.csv")[0]["trace"] == "0"
    shutil.rmtree(folder / "tables")


def csv_rows(path: Path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def tables_are_the_analysis(folder: Path, out: str) -> None:
    """The tables hold the numbers of the document on stdout, to the last digit."""
    document = json.loads(out)
    metrics = {"all": document["metrics"]} | {str(row["layer"]): row["metrics"] for row in document["layers"]}
    rows = csv_rows(folder / "tables/metrics.csv")
    assert len(rows) == sum(len(group) for group in metrics.values()), len(rows)
    for row in rows:
        metric = metrics[row["layer"]][row["metric"]]
        for column in ("mean", "p95", "stddev"):
            assert (float(row[column]) if row[column] else None) == metric[column], (row, metric)
        assert row["unit"] == metric["unit"] and int(row["samples"]) == metric["samples"], (row, metric)
    bins = [row for row in csv_rows(folder / "tables/histograms.csv")
            if (row["layer"], row["metric"]) == ("3", "persistence")]
    histogram = metrics["3"]["persistence"]["histogram"]
    assert [int(row["samples"]) for row in bins] == histogram["counts"]
    assert [float(row["low"]) for row in bins] + [float(bins[-1]["high"])] == histogram["edges"]
    shutil.rmtree(folder / "tables")


def is_split(_folder: Path, out: str) -> None:
    document = json.loads(out)
    assert document["schema"] == "dsasim-allocation/1", document["schema"]
    assert document["splits"]["optimal"]["replayed"]["misses"] == document["splits"]["optimal"]["misses"] == 41_328
    assert sum(document["capacity_entries"]) == document["splits"]["optimal"]["entries"] <= 16 * 256


def are_counters(_folder: Path, out: str) -> None:
    lines = out.splitlines()
    assert len(lines) == 9 and all(line.startswith(("# HELP vllm:", "# TYPE vllm:", "vllm:")) for line in lines), out


def has_windows(_folder: Path, out: str) -> None:
    document = json.loads(out)
    assert document["config"]["windows"] == [20, 50] and document["config"]["page_tokens"] == [64], document["config"]
    assert set(document["metrics"]) >= {"working_set_20", "working_set", "page_utilisation_64"}


LRU = "replay t.dsat --policy lru --capacity 256"

# Arguments, the option that would do nothing, and what is said of it.
NO_EFFECT = [
    (arguments + f" {option} {value}", option, text)
    for arguments, options, text in [
        ("replay t.dsat", {"--tp": "1", "--overlap": "attention"}, "has no effect here; expected --model and --gpu"),
        ("report lru.json -o o.html", {"--policy": "lru", "--steps": "0:1", "--model": "glm-5.1"},
         "has no effect here; expected a trace among the inputs"),
        ("curve t.dsat", {"--plot": ""}, "has no effect here; expected a terminal as stdout"),
        ("diff lru.json lru.json", {"--since": "lru.txt", "--workers": "2"},
         "has no effect here; expected a scrape of a server's counters"),
        ("replay t.dsat", {"--step-times": "s.csv"}, "has no effect here; expected --model and --gpu"),
        ("replay t.dsat", {"--set-aside": "0", "--llc-stream": "0"}, "has no effect here; expected --llc"),
        ("replay t.dsat --memory h100 --entry-bytes 656", {"--miss-ns": "400"},
         "is of --memory serial alone; what a miss takes with h100 is --memory h100,hbm_ns=400"),
        ("replay t.dsat --model deepseek-v3.2 --gpu h200", {"--miss-ns": "200"}, "is of --memory serial alone"),
        ("replay t.dsat --model deepseek-v3.2 --gpu h200", {"--overlap": "none"},
         "has no effect here; expected --model and --gpu, and another --memory than the GPU's"),
        ("study t.dsat --model deepseek-v3.2 --gpu h200 --memory pcie5", {"--reservation-cost": "none"},
         "has no effect here; expected --model and --gpu with it, and the GPU's own memory"),
        ("replay t.dsat", {"--kernels": "roofline", "--ep": "2", "--kv-dtype": "bf16", "--expert-spread": "balanced",
                           "--host-ns": "5", "--reservation-cost": "none", "--energy": ""}, "has no effect here; expected --model and --gpu"),
        ("gather --memory h200 --rows 1 --row-bytes 64", {"--miss-ns": "200"}, "is of --memory serial alone"),
        ("gather --memory h200 --rows 1 --row-bytes 64", {"--pool-bytes": "1000000000", "--seed": "2"},
         "has no effect here; expected a --memory that plays the commands of DRAM"),
        ("study t.dsat --model deepseek-v3.2 --gpu h200", {"--miss-ns": "200"}, "is of --memory serial alone"),
        ("generate --list", {"--seed": "2", "--layers": "2", "--output": "out", "--preset": "levy", "--like": "t.dsat"},
         "has no effect here; expected no --list"),
        ("generate --preset levy --statistics",
         {"--seed": "2", "--steps": "2", "--output": "out", "--queries": "2", "--kv-stores": "0", "--unit-tokens": "2"},
         "has no effect here; expected no --list and no --statistics"),
        ("generate --preset levy -o out", {"--acceptance": "0.5"}, "has no effect here; expected --queries of 2 or more"),
        ("generate --preset levy -o out", {"--step-ms": "5", "--max-batch": "2"}, "has no effect here; expected --arrivals"),
        ("generate --like t.dsat -o out", {"--unit-tokens": "2"}, "has no effect here; expected --preset"),
        ("import slots.json -o out", {"--step-ms": "5", "--max-batch": "2"}, "has no effect here; expected --arrivals"),
        ("curve t.dsat", {"--histograms": ""}, "has no effect here; expected --json"),
        ("knee t.dsat --target miss_ratio=0.1", {"--memory": "h200", "--miss-ns": "300", "--llc": "60MiB"},
         "has no effect here; expected a --target of time"),
        ("knee t.dsat --target tpot_mean_ns=1 --model deepseek-v3.2 --gpu h200", {"--energy": ""},
         "has no effect here; expected --target known_joules_per_token"),
        ("knee t.dsat --target miss_ratio=0.1", {"--page-tokens": "16"},
         "has no effect here; expected --target missed_pages"),
        ("knee t.dsat --target gather_ns=1 --memory h200 --entry-bytes 656", {"--page-tokens": "16"},
         "has no effect here; expected --target missed_pages"),
        ("knee t.dsat --target miss_ratio=0.1 --model deepseek-v3.2 --gpu h200", {"--reservation-cost": "none"},
         "has no effect here; expected a --target of a token"),
        ("allocate t.dsat --budget 2x", {"--memory": "h200", "--miss-ns": "300", "--page-tokens": "4"},
         "has no effect here; expected --minimise gather_ns"),
        ("allocate t.dsat --budget 2x --json s.json --no-verify", {"--memory": "serial", "--page-tokens": "4"},
         "has no effect here; expected --minimise gather_ns"),
        *[(f"export --to {format} t.dsat -o out", dict.fromkeys(options, "1"), "has no effect here; expected")
          for format, options in {
              "csv": ["--capacity", "--budget", "--resident-blocks", "--granularity", "--entry-bytes", "--set-aside", "--llc-stream", "--tp",
                      "--warmup-steps"],
              "npz": ["--capacity", "--entry-bytes", "--tp", "--warmup-steps"],
              "oracle-general": ["--capacity", "--entry-bytes", "--tp", "--warmup-steps"],
              "addresses": ["--capacity", "--budget", "--granularity", "--set-aside", "--llc-stream"],
          }.items()],
        *[(f"export --to {format} t.dsat -o out", options, "has no effect here; expected")
          for format in ("csv", "npz", "oracle-general")
          for options in [{"--policy": "fifo", "--scope": "shared", "--warm": "first", "--new-token": "pinned",
                           "--pin": "sink=4", "--llc": "60MiB", "--model": "llama-3.1-8b", "--gpu": "h200", "--lines": "misses", "--kernels": "roofline",
                           "--kv-dtype": "bf16"}]],
        *[(f"export --to {format} t.dsat -o out", {"--order": "ascending"}, "has no effect here; expected")
          for format in ("csv", "npz")],
        ("export --to npz t.dsat -o out", {"--steps": "0:1"}, "has no effect here; expected a format other than npz"),
        ("export --to addresses t.dsat --entry-bytes 656 -o out",
         {"--policy": "fifo", "--scope": "shared", "--warm": "first", "--new-token": "pinned",
          "--llc": "60MiB"}, "has no effect here; expected"),
    ]
    for option, value in options.items()
]

CASES = [
    # ---- Where results go ----
    Case("a table goes to stdout", LRU, out=["45,614"]),
    Case("a report in a file takes the table's place", f"{LRU} --json r.json", files=["r.json"],
         check=is_whole_report),
    Case("a report on stdout is JSON and nothing else", f"{LRU} --json -", out=["{"], check=misses_are(45_614)),
    Case("rows in a file leave the table", f"{LRU} --steps 0:2 --per-step rows.csv", out=["total"],
         files=["rows.csv"]),
    Case("rows on stdout are CSV and nothing else", f"{LRU} --steps 0:2 --per-step -", out=["step,"],
         check=is_one_csv),
    Case("rows on stdout and a report in a file", f"{LRU} --steps 0:2 --per-step - --json r.json", out=["step,"],
         files=["r.json"], check=is_one_csv),
    Case("rows add up to the report, without warm-up steps",
         "replay batch.dsat --steps 100:110 --warmup-steps 2 --entry-bytes 656 --json - --per-step rows.csv",
         out=["{"],
         files=["rows.csv"], check=csv_adds_up),
    Case("counters in a file leave the table", f"{LRU} --prometheus counters.txt", out=["45,614"],
         files=["counters.txt"]),
    Case("counters on stdout and nothing else", f"{LRU} --entry-bytes 656 --prometheus -",
         out=["vllm:hisparse_cache_hits_total 363986", "vllm:hisparse_cache_misses_total 45614",
              "vllm:hisparse_host_to_device_bytes_total 29922784"], check=are_counters),
    Case("a device is written to and not replaced", f"{LRU} --json null", check=is_still_a_device),
    Case("a link is followed", f"{LRU} --json link.json", check=is_link_to_report),
    Case("an older report is replaced", f"{LRU} --json old.json", check=old_is_new),
    Case("a part of the steps", f"{LRU} --steps 10:20 --json -", out=["{"], check=steps_are_a_part),

    # ---- Outputs that cannot be: before the replay, so that nothing else appears ----
    Case("a folder that is not there", f"{LRU} --json no/r.json --per-step rows.csv", 2,
         err=["--json: no/r.json cannot be created"]),
    Case("a folder in the place of the file", f"{LRU} --json folder --per-step rows.csv", 2,
         err=["--json: folder cannot be created: Is a directory"]),
    Case("rows nowhere", f"{LRU} --json r.json --per-step no/rows.csv", 2,
         err=["--per-step: no/rows.csv cannot be created"]),
    Case("stdout for both", f"{LRU} --json - --per-step -", 2, err=["--per-step: stdout (-) is taken by --json"]),
    Case("one file for both", f"{LRU} --json r.json --per-step ./r.json", 2,
         err=["--per-step: ./r.json is already the file of --json"]),
    Case("the trace as output", f"{LRU} --json folder/../t.dsat", 2, err=['is already the input "trace"']),

    # ---- Mistakes on the command line ----
    Case("no command", "", 2, err=["command: expected one of import, export, info, verify, generate, analyze, replay, compare,", "found"]),
    Case("an unknown command", "reply t.dsat", 2, err=["expected one of import,", "found \"reply\" (did you mean \"replay\"?)"]),
    Case("an option before the command", "--polcy", 2, err=["command: expected one of import,", 'found "--polcy"']),
    Case("no trace", "replay", 2, err=["dsasim: trace: expected one, found none"]),
    Case("two traces", "replay t.dsat u.dsat", 2, err=['dsasim: replay: expected no further input, found "u.dsat"']),
    Case("three traces", "analyze t.dsat t.dsat t.dsat", 2, err=["dsasim: trace: expected at most 2, found 3"]),
    Case("an unknown option", "replay t.dsat --polcy lru", 2,
         err=['dsasim: replay: unknown option "--polcy" (did you mean "--policy"?); known: --policy, --scope, --capacity,']),
    Case("an option without its value", "replay t.dsat --capacity", 2,
         err=["dsasim: --capacity: expected a value, found none"]),
    Case("an option given twice", "replay t.dsat --capacity 1 --capacity 2", 2,
         err=["dsasim: --capacity: expected at most 1, found 2"]),
    Case("a flag that is neither", "replay t.dsat --allow-truncated=maybe", 2,
         err=['dsasim: --allow-truncated: expected true or false, found "maybe"']),
    Case("a negative capacity", "replay t.dsat --capacity -1", 2, err=["--capacity", "\"-1\""]),
    Case("a number that is none", "replay t.dsat --page-tokens 0x10", 2,
         err=["--page-tokens: expected a number from 1", "\"0x10\""]),
    Case("a time that is none", "replay t.dsat --miss-ns nan", 2, err=["--miss-ns", "\"nan\""]),
    Case("half a range", "replay t.dsat --steps 5:", 2, err=["--steps: expected a number"]),
    Case("three ends of a range", "replay t.dsat --steps 5:6:7", 2, err=["--steps: expected a number", "6:7"]),
    Case("a range backwards", "replay t.dsat --steps 6:5", 2, err=["--steps: expected A:B with A <= B <= 200", "6:5"]),
    Case("a missing trace", "replay none.dsat", 2, err=["none.dsat: cannot be opened: No such file"]),
    Case("a folder as trace", "replay folder", 2, err=["folder"]),
    Case("an empty file as trace", "replay empty", 2, err=["empty: is 0 bytes long, too short for a .dsat trace"]),
    Case("no place for Belady's future", "replay t.dsat --policy belady", 2, err=["$TMPDIR"], config="{}"),

    # ---- --config ----
    Case("a configuration sets options", "replay t.dsat --config c.json --json -", out=["{"],
         config='{"policy": "random,seed=7", "capacity": 300, "scope": "layer", "steps": "3:9", "miss-ns": 1.5}',
         check=config_is(policy="random,atomic=access,seed=7", capacity_entries=300, scope="layer", steps=[3, 9],
                         miss_ns=1.5)),
    Case("options win", "replay t.dsat --config c.json --capacity 256 --json -", out=["{"],
         config='{"policy": "fifo", "capacity": 4096}', check=misses_are(69_171)),
    Case("options win wherever they stand", "replay t.dsat --policy lru --json - --capacity 256 --config c.json",
         out=["{"],
         config='{"policy": "fifo"}', check=misses_are(45_614)),
    Case("a configuration can name the output", "replay t.dsat --config c.json", config='{"json": "r.json"}',
         files=["r.json"]),
    Case("comments", "replay t.dsat --config c.json --json -", out=["{"],
         config='{ // of the paper\n "capacity": 128}', check=misses_are(215_426)),
    Case("nothing to set", "replay t.dsat --config c.json --json -", out=["{"], config="{}", check=misses_are(45_614)),
    Case("a flag", "replay cut_end.dsat --config c.json --json -", out=["{"], err=["cut_end.dsat is cut off"],
         config='{"allow-truncated": true}'),
    Case("a flag that is off", "replay cut_end.dsat --config c.json", 2, err=["--allow-truncated"],
         config='{"allow-truncated": false}'),
    Case("for another command", "info t.dsat --config c.json", config='{"json": "i.json"}', files=["i.json"]),
    Case("an unknown key", "replay t.dsat --config c.json", 2,
         err=['c.json: unknown key "polcy" (did you mean "policy"?); known: policy, scope, capacity,'], config='{"polcy": "lru"}'),
    Case("a key of another command", "verify t.dsat --config c.json", 2, err=['c.json: unknown key "policy"'],
         config='{"policy": "lru"}'),
    Case("a key twice", "replay t.dsat --config c.json", 2, err=['c.json: duplicate key "policy"'],
         config='{"policy": "lru", "policy": "fifo"}'),
    Case("a wrong value", "replay t.dsat --config c.json", 2, err=["c.json: /policy", 'unknown policy "none"'],
         config='{"policy": "none"}'),
    Case("a negative number", "replay t.dsat --config c.json", 2, err=["c.json: /warmup-steps", '"-1"'],
         config='{"warmup-steps": -1}'),
    Case("null", "replay t.dsat --config c.json", 2, err=["c.json: /policy", "null"], config='{"policy": null}'),
    Case("several values for one", "replay t.dsat --config c.json", 2,
         err=["c.json: /capacity: --capacity: expected at most 1, found 2"],
         config='{"capacity": [1, 2]}'),
    Case("no value", "replay t.dsat --config c.json", 2, err=["c.json: /capacity"], config='{"capacity": []}'),
    Case("no object", "replay t.dsat --config c.json", 2,
         err=["c.json: expected an object, found array"], config="[]"),
    Case("no JSON", "replay t.dsat --config c.json", 2, err=["dsasim: c.json: parse error at line 1"],
         config="{policy: lru}"),
    Case("an empty configuration", "replay t.dsat --config c.json", 2, err=["c.json: ", "parse error"], config=""),
    Case("no file", "replay t.dsat --config none.json", 2, err=["none.json: cannot be opened"]),

    # ---- Damage ----
    Case("a whole trace is ok", "verify t.dsat", out=["ok: t.dsat: 1 chunks, 409600 ids"]),
    Case("a whole trace is ok, as JSON", "verify t.dsat --json -",
         out=['"schema": "dsasim-verify/1"', '"status": "ok"', '"chunks": 1', '"accesses": 409600', '"message": null']),
    Case("a damaged chunk, as JSON", "verify damaged.dsat --json -", 1,
         out=['"status": "damaged"', '"accesses": null', '"message": "damaged.dsat: ']),
    Case("a trace without its end, as rows", "verify cut_end.dsat --csv -", 1, out=["status", "truncated"]),
    Case("what was generated, as JSON", "generate --preset glm-5.1 --steps 2 --layers 1 -o made.dsat --json -", files=["made.dsat"],
         out=['"schema": "dsasim-generate/1"', '"requests": 1', '"layers": 1', '"steps": 2', '"digest"']),
    Case("a list of presets is no trace", "generate --list --json -", 2, err=["has no effect here; expected no --list and no --statistics"]),
    Case("what was imported, as JSON", "import slots.json --layers 1 --ids physical -o made.dsat --json -", files=["made.dsat"],
         out=['"schema": "dsasim-import/1"', '"ids": "physical"', '"warnings": []', '"accesses"']),
    Case("what was merged, as JSON", "merge part.csv -o made.csv --json -", files=["made.csv"],
         out=['"schema": "dsasim-merge/1"', '"parts": 1', '"without_result": 0']),
    Case("a trace without its end", "verify cut_end.dsat", 1,
         out=["truncated: cut_end.dsat: no end record; 4 whole chunks"]),
    Case("a trace that was cut off", "verify cut_half.dsat", 1,
         out=["truncated: cut_half.dsat: no end record; 2 whole chunks"]),
    Case("a damaged chunk", "verify damaged.dsat", 1, out=["damaged: damaged.dsat: "]),
    Case("a damaged header", "verify damaged_header.dsat", 1,
         out=["damaged: damaged_header.dsat: the header does not match its checksum"]),
    Case("verify of nothing", "verify none.dsat", 2, err=["none.dsat: cannot be opened"]),
    Case("replay refuses a cut trace", "replay cut_half.dsat", 2,
         err=["cut_half.dsat: is cut off after 2 whole chunks (no end record); --allow-truncated"]),
    Case("replay takes a cut trace if told to", "replay cut_half.dsat --allow-truncated --json -", out=["{"],
         err=["cut_half.dsat is cut off"],
         check=is_half_of_the_batch),
    Case("replay refuses a damaged trace", "replay damaged.dsat", 2, err=["damaged.dsat"]),
    Case("a damaged trace leaves no report", "replay damaged.dsat --json r.json", 2, err=["damaged.dsat"]),
    Case("a cut trace is described", "info cut_half.dsat", out=["truncated     true"]),

    # ---- analyze ----
    Case("an analysis as a table", "analyze t.dsat", out=["working_set", "3.8232", "layer 15"]),
    Case("an analysis in a file", "analyze t.dsat --json a.json", files=["a.json"], check=is_whole_analysis),
    Case("an analysis as tables", "analyze t.dsat --csv tables --json -", out=["{"], files=["tables"],
         check=tables_are_the_analysis),
    Case("two traces", "analyze t.dsat batch.dsat --csv tables --json -", out=["{"], files=["tables"],
         check=is_comparison),
    Case("lists in a configuration", "analyze t.dsat --config c.json --json -", out=["{"],
         config='{"windows": [20, 50], "page-tokens": "64"}', check=has_windows),
    Case("an empty list in a configuration", "analyze t.dsat --config c.json", 2, err=["c.json: /windows", "[]"],
         config='{"windows": []}'),
    Case("a list with a stray comma", "analyze t.dsat --windows 50,", 2, err=["--windows: expected a number", '""']),
    Case("three traces", "analyze t.dsat t.dsat t.dsat", 2, err=["trace"]),
    Case("a missing second trace", "analyze t.dsat none.dsat --json a.json", 2, err=["none.dsat: cannot be opened"]),
    Case("tables in the place of a file", "analyze t.dsat --csv old.json", 2, err=["--csv: old.json cannot be created"]),
    Case("tables in a missing folder", "analyze t.dsat --csv no/tables", 2, err=["--csv: no/tables cannot be created"]),
    Case("the report as one of the tables", "analyze t.dsat --csv folder --json folder/metrics.csv", 2,
         err=["--csv: folder/metrics.csv is already the file of --json"]),
    Case("the trace as an analysis", "analyze t.dsat --json ./t.dsat", 2, err=['--json: ./t.dsat is already the input "trace"']),
    Case("a damaged trace leaves no tables", "analyze damaged.dsat --csv tables --json a.json", 2, err=["damaged.dsat"]),
    Case("analyze refuses a cut trace", "analyze cut_half.dsat", 2, err=["cut_half.dsat: is cut off"]),
    Case("analyze takes a cut trace if told to", "analyze cut_half.dsat --allow-truncated", out=["requests 4"],
         err=["cut_half.dsat is cut off"]),

    # ---- times ----
    Case("decode steps are timed", "replay t.dsat --capacity 2x --model llama-3.1-8b --gpu h200 --kernels roofline",
         out=["A token of llama-3.1-8b on 1 x h200 takes at least", "a lower bound", "as if every row hit"]),
    Case("times by layer", "replay t.dsat --model llama-3.1-8b --gpu h200 --kernels roofline --step-times -",
         out=["step,layer,indexer_ns,topk_ns,gather_ns,stall_ns,attention_ns,set_aside_ns,rest_ns,total_ns"]),
    Case("times without a model", "replay t.dsat --step-times s.csv", 2, err=["--step-times: has no effect here; expected --model and --gpu"]),
    Case("a model without a GPU", "replay t.dsat --model llama-3.1-8b", 2, err=["--gpu: expected one"]),
    Case("an unknown model", "replay t.dsat --model llama --gpu h200", 2,
         err=['--model: unknown name "llama"; known: ', "llama-3.1-8b"]),
    Case("a last-level cache", "replay t.dsat --capacity 0 --entry-bytes 656 --llc 60MiB --llc-stream 64MiB",
         out=["The last-level cache held 1."], err=["warning: --memory serial prices all that the reservation misses"]),
    Case("a reservation that does not fit", "replay t.dsat --capacity 2x --entry-bytes 656 --llc 1MiB", 2,
         err=["--capacity: 2x reserves 2686976 bytes in all caches together, and --llc has 1048576"]),
    Case("a study without a GPU", "study t.dsat --model llama-3.1-8b", 2, err=["--gpu: expected one"]),

    # ---- Options that would do nothing: each, with something that makes it not apply ----
    *[Case(f"no effect: {arguments}", arguments, 2, err=[f"{option}: {text}"]) for arguments, option, text in NO_EFFECT],
    *[Case(f"export has no {option}", f"export --to csv t.dsat -o out {option} 1", 2, err=[f'unknown option "{option}"'])
      for option in ("--page-tokens", "--memory", "--miss-ns", "--overlap")],
    Case("a budget in the place of a capacity", "replay t.dsat --budget 4096 --json -", out=["{"],
         check=misses_are(45_614)),
    Case("a budget beside a capacity", "replay t.dsat --budget 4096 --capacity 256", 2,
         err=["--capacity excludes --budget"]),
    Case("a budget beside a split", "replay t.dsat --budget 4096 --capacities-from split.json", 2,
         err=["--budget excludes --capacities-from"]),
    Case("a budget wins over the capacity of a configuration", "replay t.dsat --budget 4096 --config c.json --json -",
         out=["{"], config='{"capacity": 4096, "policy": "lru"}', check=misses_are(45_614)),
    Case("a budget and a capacity in a configuration", "replay t.dsat --config c.json", 2,
         err=["--capacity: goes in the place of --budget, found both"], config='{"capacity": 256, "budget": 4096}'),
    Case("budgets beside capacities", "curve t.dsat --budgets 4096 --capacities 256", 2,
         err=["--capacities excludes --budgets"]),
    Case("budgets of a knee beside capacities", "knee t.dsat --target misses=1 --budgets 4096 --capacities 256", 2,
         err=["--capacities excludes --budgets"]),
    Case("budgets of a knee", "knee t.dsat --target miss_ratio=0.12 --policy fifo --budgets 2048,8192", out=["of all 16", "8,192"]),

    # ---- Granularity ----
    Case("blocks", "replay t.dsat --granularity 16 --capacity 1000 --json -", out=["{"],
         check=config_is(granularity=16, capacity="1000", capacity_entries=992)),
    Case("less than a block", "replay t.dsat --granularity 16 --capacity 8", out=["of 0 entries"],
         err=["--capacity 8 is less than a block for each cache: every access misses"]),
    Case("less than an entry", "replay t.dsat --budget 100B --entry-bytes 656", out=["of 0 entries"],
         err=["--budget 100B is less than an entry for each cache: every access misses"]),
    Case("blocks in the table", "replay t.dsat --granularity 16", out=["a cache for each request and layer, in blocks of 16 entries, of "]),
    Case("blocks in a configuration", "replay t.dsat --config c.json --json -", out=["{"],
         config='{"granularity": 16, "budget": "99850"}', check=config_is(granularity=16, capacity_entries=6240)),
    Case("blocks of a curve", "curve t.dsat --granularity 4 --capacities 2x --json -", out=['"granularity": 4']),
    Case("blocks of a knee", "knee t.dsat --granularity 16 --target misses=12000 --json -", out=['"granularity": 16']),
    Case("a granularity that is none", "replay t.dsat --granularity page", 2, err=["--granularity: expected", '"page"']),
    Case("blocks of nothing", "replay t.dsat --granularity 0", 2, err=["--granularity: "]),
    Case("tokens of tokens", "replay t.dsat --granularity tokens", 2,
         err=["--granularity: tokens: the entries of t.dsat are tokens; expected a number"]),
    Case("blocks beside pins", "replay t.dsat --granularity 16 --pin sink=1", 2,
         err=["--granularity: --pin is defined for entries; expected 1, found 16"]),
    Case("blocks of a policy that ranks entries", "replay t.dsat --granularity 16 --policy rt", 2,
         err=["--granularity: --policy rt is defined for entries; expected 1, found 16"]),
    Case("a selection of more blocks than a cache", "replay t.dsat --granularity 64 --policy hisparse", 2,
         err=["--capacity: hisparse keeps a whole selection: expected 0 or at least", "blocks of 64), found 256"]),
    Case("a study is of entries", "study t.dsat --model deepseek-v3.2 --gpu h200 --granularity 16", 2,
         err=['unknown option "--granularity"']),
    Case("blocks as an axis", "sweep c.json -o o.csv", 1, files=["o.csv", "o.csv.journal"], check=blocks_of_a_sweep,
         err=["1 of 3 points have no result; the first: --granularity: tokens: "],
         config='{"trace": "t.dsat", "granularity": [1, 16, "tokens"], "capacity": "4x", "columns": ["accesses", "misses"]}'),

    # ---- allocate, and replay with what it found ----
    Case("a split as a table", "allocate t.dsat --budget 2x", out=["optimal", "41,328", "Replayed: "]),
    Case("a split in a file leaves the table", "allocate t.dsat --budget 2x --json s.json --no-verify",
         out=["Not replayed"], files=["s.json"]),
    Case("a split on stdout is JSON and nothing else", "allocate t.dsat --budget 2x --json -", out=["{"],
         check=is_split),
    Case("a split is replayed", "replay t.dsat --capacities-from split.json --json -", out=["{"],
         check=misses_are(41_328)),
    Case("a split by stream is replayed", "replay batch.dsat --capacities-from streams.json --json -", out=["{"],
         check=misses_are(174_005)),
    Case("a split in a configuration", "replay t.dsat --config c.json --json -", out=["{"],
         config='{"capacities-from": "split.json"}', check=misses_are(41_328)),
    Case("capacities written by hand", "replay t.dsat --capacities-from c.json --scope layer --json -", out=["{"],
         config=json.dumps({"capacity_entries": [256] * 16}), check=config_is(capacity=None, capacity_entries=256)),
    Case("a split of another trace", "replay batch.dsat --capacities-from split.json --json -", out=["{"],
         err=["warning: split.json has capacities that were found for another trace"]),
    Case("a split and a capacity", "replay t.dsat --capacities-from split.json --capacity 2x", 2,
         err=["--capacity excludes --capacities-from"]),
    Case("a split of another scope", "replay t.dsat --capacities-from split.json --scope layer", 2,
         err=["--scope: split.json has capacities of scope stream, found layer"]),
    Case("a split of another shape", "replay t.dsat --capacities-from streams.json", 2,
         err=["--capacities-from: expected 16 capacities, one for each layer", "found 64"]),
    Case("a report as capacities", "replay t.dsat --capacities-from lru.json", 2, err=["lru.json: expected a key"]),
    Case("capacities that are none", "replay t.dsat --capacities-from c.json", 2,
         err=["c.json: /capacity_entries: expected an integer from 0"], config='{"capacity_entries": [1, -1]}'),
    Case("no capacities", "replay t.dsat --capacities-from c.json", 2,
         err=["c.json: /capacity_entries: expected at least one"], config='{"capacity_entries": []}'),
    Case("no budget", "allocate t.dsat", 2, err=["--budget: expected one, as in 0.2ctx"]),
    Case("a budget that is none", "allocate t.dsat --budget much", 2, err=["--budget", '"much"']),
    Case("a budget below the bounds", "allocate t.dsat --budget 100", 2, err=["--budget: 100 is 100 entries;"]),
    Case("bounds the wrong way round", "allocate t.dsat --budget 2x --min 300 --max 200", 2,
         err=["--granularity: no multiple of 16 lies between 300 (--min 300) and 200 (--max 200)"]),
    Case("nothing to split", "allocate t.dsat --budget 2x --scope shared", 2, err=["--scope: expected layer or stream"]),
    Case("the trace as a split", "allocate t.dsat --budget 2x --json ./t.dsat", 2, err=['is already the input "trace"']),

    # ---- knee ----
    Case("a knee", "knee t.dsat --target misses=45614", out=["exact", " 256 "]),
    Case("policies in a configuration", "knee t.dsat --config c.json", out=["fifo", "random,atomic=access,seed=3"],
         config='{"policy": ["fifo", "random,seed=3"], "target": "miss_ratio=0.2", "capacities": ["2x", "4x"]}'),
    Case("knees in a file", "knee t.dsat --target miss_ratio=0.2 --json k.json", files=["k.json"]),
    Case("a target that is never reached", "knee t.dsat --target misses=12091", out=["12092"]),
    Case("a time per token as target",
         "knee t.dsat --target tpot_ns=1e9 --policy lru --model llama-3.1-8b --gpu h200 --kernels roofline --capacities 1x,2x",
         out=["tpot_ns"]),
    Case("a time per token without a model", "knee t.dsat --target tpot_ns=1", 2,
         err=["--target: tpot_ns is not known here; expected --model and --gpu"]),
    Case("no target", "knee t.dsat", 2, err=["--target: expected one, as in miss_ratio=0.1"]),
    Case("an unknown target", "knee t.dsat --target mis=1", 2, err=["--target: expected FIELD=NUMBER, FIELD one of"]),
    Case("an unknown policy of several", "knee t.dsat --target misses=1 --policy lru --policy none", 2,
         err=['unknown policy "none"']),
    Case("capacities too small for a policy", "knee t.dsat --target misses=1 --policy hisparse --capacities 100", 2,
         err=["hisparse keeps a whole selection"]),

    # ---- diff ----
    Case("a report equals itself", "diff lru.json lru.json", out=["Equal: dsasim-report/1, "]),
    Case("two reports differ", "diff lru.json fifo.json", 1, out=["The config differs: policy.", "/layers[layer=6]/capacity_misses"]),
    Case("differences as JSON", "diff lru.json fifo.json --json -", 1, out=['"equal": false']),
    Case("differences in a file", "diff lru.json fifo.json --json d.json", 1, files=["d.json"]),
    Case("all that differs within a tolerance", "diff lru.json slow.json --ignore miss_ns --tolerance gather_ns=1%",
         out=["Equal", "within their tolerance"]),
    Case("tolerances in a configuration", "diff lru.json slow.json --config c.json", out=["Equal"],
         config='{"ignore": ["config"], "tolerance": ["0", "gather_ns=1%"]}'),
    Case("a tolerance that is exceeded", "diff lru.json slow.json --ignore miss_ns --tolerance gather_ns=0.1%", 1,
         out=["gather_ns"]),
    Case("a report and an analysis", "diff lru.json analysis.json", 1,
         out=["Nothing to compare: the first is dsasim-report/1, the second dsasim-analysis/1."]),
    Case("one document", "diff lru.json", 2, err=["second"]),
    Case("a missing document", "diff lru.json none.json", 2, err=["none.json: cannot be opened"]),
    Case("a trace as document", "diff t.dsat lru.json", 2, err=["t.dsat: ", "parse error"]),
    Case("a configuration as document", "diff lru.json c.json", 2, err=["c.json: expected a report of dsasim"],
         config='{"policy": "lru"}'),
    Case("an unknown field", "diff lru.json lru.json --tolerance gather_nz=5%", 2,
         err=['--tolerance: neither document has a field "gather_nz" (did you mean "gather_ns"?); known: accesses,']),
    Case("a tolerance that is none", "diff lru.json lru.json --tolerance much", 2,
         err=["--tolerance: expected 0.01, 5%,", '"much"']),
    Case("a document as output", "diff lru.json fifo.json --json ./fifo.json", 2,
         err=['--json: ./fifo.json is already the input "second"']),
    Case("the second document from stdin", "diff lru.json -", out=["Equal: dsasim-report/1, "], stdin="lru.json"),
    Case("the first document from stdin", "diff - fifo.json", 1, out=["The config differs: policy."], stdin="lru.json"),
    Case("an empty stdin", "diff lru.json -", 2, err=["stdin: ", "parse error"]),
    Case("a stdin without an end", "diff lru.json -", 2, err=["/dev/stdin: holds more than 67108864 bytes"], stdin="/dev/zero"),
    Case("stdin as both documents", "diff - -", 2, err=["second: stdin (-) is taken by first"], stdin="lru.json"),
    Case("a capture from stdin", "import - -o o.dsat", 2, stdin="slots.json",
         err=["input: import reads its input more than once, as stdin (-) cannot be; expected a file"]),
    Case("a trace from stdin", "replay - --policy lru", 2, stdin="t.dsat", err=["trace: replay reads its input more than once"]),
    Case("a report and its own counters", "diff lru.json lru.txt",
         out=["lru.txt: hits 363986, misses 45614 (11.14%)", "Equal: dsasim-counters/1, 4 values."]),
    Case("counters before a report", "diff lru.txt fifo.json", 1, out=["Different: dsasim-counters/1", "/misses"]),
    Case("counters within a tolerance", "diff lru.txt fifo.json --tolerance hits=100%,misses=100%,60%",
         out=["Equal", "within their tolerance"]),
    Case("counters since an earlier scrape", "diff lru.json lru.txt --since lru.txt", 1,
         out=["lru.txt: hits 0, misses 0, 0 bytes; 1 series of each counter, since lru.txt"]),
    Case("counters of several workers", "diff lru.json lru.txt --workers 2", 1, out=["hits 727972", "times 2 workers"]),
    Case("counters as JSON", "diff lru.json lru.txt --json -", out=['"equal": true', '"schema": "dsasim-counters/1"']),
    Case("counters from stdin", "diff lru.json -", out=["stdin: hits 363986", "Equal"], stdin="lru.txt"),
    Case("two scrapes", "diff lru.txt lru.txt", 2, err=["lru.txt: expected a report beside the scrape lru.txt"]),
    Case("a scrape without the counters", "diff lru.json up.txt", 2,
         err=["up.txt: expected the counter vllm:hisparse_cache_hits_total, which vLLM exports"]),
    Case("a scrape that is cut off", "diff lru.json cut.txt", 2,
         err=["cut.txt: line 9: expected the end of a line: the scrape is cut off"]),
    Case("an analysis beside a scrape", "diff analysis.json lru.txt", 2, err=["analysis.json: expected a report of"]),
    Case("a report before a scrape", "diff lru.json lru.txt --since fifo.json", 2,
         err=["fifo.json: line 1: expected the name of a metric"]),
    Case("no workers", "diff lru.json lru.txt --workers 0", 2, err=["--workers: expected a number from 1 to 65536"]),
    # ---- roofline ----
    Case("a configuration without an end", "replay t.dsat --config /dev/zero", 2,
         err=["/dev/zero: holds more than 67108864 bytes"]),
    Case("what a roofline needs, from a configuration", "roofline --config c.json --json -",
         out=['"schema": "dsasim-roofline/1"', '"batch": 4'],
         config='{"model": "glm-5.1", "gpu": "h200", "context": 1000, "batch": 4, "rate": 20}'),
    Case("a roofline without a rate", "roofline --model glm-5.1 --gpu h200 --context 1000 --batch 4", 2,
         err=["--rate: expected the tokens a second for each user, found none"]),
    Case("a model that is no file", "roofline --model ./none.json --gpu h200 --context 1000 --batch 4 --rate 1", 2,
         err=["./none.json: cannot be opened"]),
    # ---- Captures ----
    Case("slots become positions", "import slots.json --layers 1 -o o.dsat", files=["o.dsat"],
         out=["o.dsat: requests 1, layers 1, steps 2, top-k 3, 6 ids"],
         err=["info: ids are slots (slots.json, step 0, layer 0: id 640 ", "were recovered, with pages of 64"]),
    Case("slots stay slots", "import slots.json --layers 1 --ids physical -o o.dsat", files=["o.dsat"],
         out=["o.dsat: requests 1, layers 1, steps 2, top-k 3, 6 ids"]),
    Case("slots are no positions", "import slots.json --layers 1 --ids logical -o o.dsat", 2,
         err=["slots.json: request 0, step 0, layer 0: id 640 lies outside the context of 3 entries"]),
    Case("layers without a map", "import slots.json --layers 1 --layer-map none.json -o o.dsat", 2,
         err=["none.json: cannot be opened"]),
    Case("a model that nobody knows", "import slots.json --model gpt -o o.dsat", 2,
         err=['--model: unknown name "gpt"; known: ', "glm-5.2"]),
    Case("a model that does not fit", "import slots.json --model glm-5.2 -o o.dsat", 2,
         err=["are no rows of the model's 78 layers nor of its 21 with an index, of 2048 ids each; give"]),
    Case("a trace like itself", "generate --like t.dsat -o ./t.dsat", 2, err=["is already the file of --like"]),
    Case("a trace as its own description", "info t.dsat --json ./t.dsat", 2, err=['is already the input "trace"']),
    Case("a name that is no UTF-8", "info odd.dsat --json -", out=['"provenance": "odd \ufffd"']),
    Case("npz on stdout", "export --to npz t.dsat -o -", 2, err=["--output: npz cannot go to stdout"]),
    Case("GPUs without a model", "replay t.dsat --tp 8", 2, err=["--tp: has no effect here; expected --model and --gpu with it"]),
    Case("no response", "import t.dsat --from sglang -o o.dsat", 2,
         err=["t.dsat: line 1, byte 0: expected an object or a list of objects, found '\\x89'"]),

    # ---- export ----
    Case("a request as npz, and back", "export --to npz t.dsat -o e.npz", files=["e.npz"]),
    Case("several requests as npz", "export --to npz batch.dsat -o npz_folder", files=["npz_folder"]),
    Case("ids as CSV", "export --to csv t.dsat --steps 0:1 -o -", out=["request,step,layer,id", "0,0,0,"]),
    Case("addresses of misses", "export --to addresses t.dsat --entry-bytes 656 --lines misses --capacity 2x -o a.bin",
         err=["info: 16 caches hold 4096 entries together, 2686976 bytes"],
         files=["a.bin"]),
    Case("addresses without bytes", "export --to addresses t.dsat -o a.bin", 2, err=["--entry-bytes: "]),
    Case("an unknown format", "export --to parquet t.dsat -o e", 2,
         err=['--to: unknown format "parquet"; known: npz, csv, oracle-general, addresses']),
    Case("the trace as an export", "export --to csv t.dsat -o ./t.dsat", 2, err=['is already the input "trace"']),
    Case("a part as npz", "export --to npz t.dsat --steps 0:1 -o e.npz", 2, err=["--steps: has no effect here; expected a format other than npz, which has whole requests"]),

    # ---- Help ----
    Case("a gather from a configuration", "gather --config c.json --json -", out=["dsasim-gather/1", '"rows": 64'],
         config='{"memory": "h200", "rows": 64, "row-bytes": 128, "hot": 0.5}'),
    Case("many gathers and one", "gather --memory h200 --csv in.csv --rows 1", 2, err=["--csv: brings its own gathers"]),
    Case("gathers from a missing file", "gather --memory h200 --csv none.csv", 2, err=["none.csv: cannot be read"]),
    Case("a gather of nothing", "gather --memory h200 --rows 0 --row-bytes 1", 2, err=["--rows: expected a number from 1"]),
    Case("more than all rows hot", "gather --memory h200 --rows 1 --row-bytes 1 --hot 1.5", 2, err=["--hot: expected"]),
    Case("a memory that needs bytes", "replay t.dsat --memory h200", 2, err=["--entry-bytes: t.dsat does not give"]),
    Case("version", "--version", out=["."]),
    Case("help", "--help", out=["import", "verify", "replay", "gather", "policies"]),
]


def make_folder(folder: Path, repository: Path) -> None:
    shutil.copy(repository / "traces/paper128-req_0.dsat", folder / "t.dsat")
    batch = (repository / "traces/paper256.dsat").read_bytes()
    (folder / "batch.dsat").write_bytes(batch)
    (folder / "cut_end.dsat").write_bytes(batch[:-1])
    (folder / "cut_half.dsat").write_bytes(batch[: len(batch) * 6 // 10])
    for name, place in (("damaged.dsat", len(batch) // 2), ("damaged_header.dsat", 40)):
        flipped = bytearray(batch)
        flipped[place] ^= 1
        (folder / name).write_bytes(flipped)
    # A prompt of 2 and 3 completion tokens: the rows of the prompt are zeros, the first step lists all slots.
    ids = [0] * 8 + [640, 641, 642, -1] + [642, 640, 641, -1]
    (folder / "slots.json").write_text(json.dumps({"meta_info": {
        "indexer_topk": base64.b64encode(struct.pack("<16i", *ids)).decode(),
        "prompt_tokens": 2, "completion_tokens": 3}}))
    (folder / "odd.csv").write_text("request,step,layer,id\na,0,0,1\n")
    rows = "".join(f"0,{step},0,{number}\n" for step in range(50)
                   for number in random.Random(step).sample(range(9000), 200))
    (folder / "big.csv").write_text(f"request,step,layer,id\n{rows}")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    (folder / "null").symlink_to("/dev/null")  # a link, so that a mistake does not cost the device
    (folder / "linked.json").touch()
    (folder / "link.json").symlink_to("linked.json")
    (folder / "old.json").write_text("older, and longer than what comes " * 1000)


def make_reports(folder: Path, tool: Path) -> None:
    for name, arguments in (("lru", LRU), ("fifo", "replay t.dsat --policy fifo --capacity 256"),
                            ("slow", f"{LRU} --miss-ns 201"), ("analysis", "analyze t.dsat"),
                            ("split", "allocate t.dsat --budget 2x"),
                            ("streams", "allocate batch.dsat --budget 2x --over streams")):
        subprocess.run([tool, *arguments.split(), "--json", f"{name}.json"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run([tool, *LRU.split(), "--entry-bytes", "656", "--prometheus", "lru.txt"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    (folder / "cut.txt").write_bytes((folder / "lru.txt").read_bytes()[:-2])
    (folder / "up.txt").write_text("up 1\n")
    (folder / "grid.json").write_text('{"trace": "t.dsat"}')
    (folder / "bad.json").write_text('{"trace": "t.dsat", "capacity": ["1MB", 512]}')
    subprocess.run([tool, "sweep", "grid.json", "-o", "part.csv", "--shard", "1/1"], cwd=folder, check=True)
    (folder / "part.csv.journal").unlink()
    shutil.copy(folder / "part.csv", folder / "part2.csv")
    subprocess.run([tool, "import", "odd.csv", "--prompt-len", "5", "-o", "odd.dsat", "--provenance", b"odd \xff"],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL)


def complaints(case: Case, tool: Path, folder: Path) -> list[str]:
    if case.config is not None:
        (folder / "c.json").write_text(case.config)
    before = {path.name for path in folder.iterdir()}
    environment = {**os.environ, "TMPDIR": "/no/such/folder", "DSASIM_PROGRESS": "off"}
    with open(folder / case.stdin, "rb") as stdin:
        done = subprocess.run([tool, *case.arguments.split()], cwd=folder, env=environment, stdin=stdin,
                              capture_output=True, text=True)
    found = []
    if done.returncode != case.status:
        found.append(f"exit status {done.returncode}, expected {case.status}")
    for stream, text, wanted in (("stdout", done.stdout, case.out), ("stderr", done.stderr, case.err)):
        found += [f"{stream} lacks {part!r}" for part in wanted if part not in text]
        if text and not wanted:
            found.append(f"{stream} should be empty")
    if case.status == 2 and not (done.stderr.startswith("dsasim: ") and done.stderr.count("\n") == 1):
        found.append("expected one line on stderr that begins with dsasim:")
    new = sorted({path.name for path in folder.iterdir()} - before)
    if new != sorted(case.files):
        found.append(f"files {new}, expected {case.files}")
    if case.check and not found:
        try:
            case.check(folder, done.stdout)
        except (AssertionError, KeyError, ValueError) as error:
            found.append(f"{type(error).__name__}: {error}")
    for name in new:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
    return found and found + [f"stdout: {done.stdout[:500]}", f"stderr: {done.stderr[:500]}"]


def commands_of(tool: Path) -> list[str]:
    listed = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout
    commands = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2].isalpha()]
    assert "replay" in commands and "verify" in commands, commands
    return commands


def help_cases(tool: Path) -> list[Case]:
    """Every command that `--help` lists has a --help with an example of itself."""
    return [Case(f"help of {name}", f"{name} --help", out=["Example:", f"dsasim {name}", "--config"])
            for name in commands_of(tool)]


def in_shell(tool: Path, folder: Path, arguments: str, redirection: str) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-c", f'exec "$0" {arguments} {redirection}', tool], cwd=folder,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


PRINTING = ("--help", "--version", "replay --help", "policies", "memories", "models", "gpus", "generate --list",
            "generate --preset glm-5.1 --statistics", "generate --preset glm-5.1 --steps 2 --layers 1 -o o.dsat",
            "import slots.json --layers 1 --ids physical -o o.dsat", "export --to csv t.dsat --steps 0:1 -o -",
            "info t.dsat", "verify t.dsat", LRU, f"{LRU} --json -", f"{LRU} --per-step -", f"{LRU} --prometheus -",
            "analyze t.dsat",
            "compare t.dsat --policies lru,fifo", "predict t.dsat --predictors previous", "report t.dsat -o -", "curve t.dsat --capacities 1x,2x", "knee t.dsat --target miss_ratio=0.5", "allocate t.dsat --budget 2x",
            "diff lru.json lru.json", "sweep grid.json --dry-run", "verify t.dsat --json -", "merge part.csv -o -",
            "study t.dsat --gpu h200 --model deepseek-v3.2 --parts 1",
            "plan t.dsat --gpu h200 --model glm-5.1 --tp 8 --context 8K --slots 1x --extrapolate scale",
            "gather --memory h200 --rows 64 --row-bytes 128",
            "roofline --model glm-5.1 --gpu h200 --context 1000 --batch 4 --rate 1",
            "step --model glm-5.1 --gpu h200 --tp 8 --batch 4 --context 1000", "kernels --gpu h200", "man", "completion bash")


def full_disk_complaints(tool: Path, folder: Path) -> list[str]:
    """A result that cannot be written is an error, however short, of every command."""
    found = []
    for arguments in PRINTING:
        for redirection, reason in ((">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")):
            done = in_shell(tool, folder, arguments, redirection)
            if done.returncode != 2 or reason not in done.stderr.splitlines()[-1]:
                found.append(f"{arguments} {redirection}: exit status {done.returncode}: {done.stderr}")
    return found + [f"{command} is not in PRINTING" for command in commands_of(tool)
                    if not any(arguments.split()[0] == command for arguments in PRINTING)]


def no_stderr_complaints(tool: Path, folder: Path) -> list[str]:
    """The exit status holds whatever became of stderr, and no file is taken for it."""
    found = []
    for arguments, status in (("", 2), ("reply", 2), ("replay none.dsat", 2), ("replay t.dsat --polcy lru", 2),
                              ("replay t.dsat --config c.json", 2), ("verify damaged.dsat", 1), (LRU, 0),
                              ("diff lru.json fifo.json", 1), ("sweep bad.json -o o.csv", 1),
                              ("replay cut_end.dsat --allow-truncated --json o.json", 0)):
        (folder / "c.json").write_text("{")
        wanted = in_shell(tool, folder, arguments, "")
        if wanted.returncode != status or wanted.stderr == "" and status == 2:
            found.append(f"{arguments}: exit status {wanted.returncode}: {wanted.stderr}")
        results = {path.name: path.read_bytes() for path in folder.glob("o.*")}
        for redirection in ("2>/dev/full", "2>&-", "0<&- 2>&-"):
            done = in_shell(tool, folder, arguments, redirection)
            if (done.returncode, done.stdout) != (status, wanted.stdout):
                found.append(f"{arguments} {redirection}: exit status {done.returncode}, expected {status}")
            if {path.name: path.read_bytes() for path in folder.glob("o.*")} != results:
                found.append(f"{arguments} {redirection}: other results")
        for path in folder.glob("o.*"):
            path.unlink()
    if (done := in_shell(tool, folder, f"{LRU} --json r.json", ">&- 2>&-")).returncode != 0:
        found.append(f"without streams: exit status {done.returncode}")
    report((folder / "r.json").read_text())
    (folder / "r.json").unlink()
    return found


STEP = "--model ./m.json --gpu g.json"
# Of each command, arguments that name a file for every input, and its outputs. Beside the GPU's file, its memory's.
READS = {
    "import": ("slots.json --layer-map l.json --kv-map kv.json --model ./m.json --arrivals arrivals.csv",
               ["--output", "--json", "--csv"]),
    "export": (f"t.dsat --to csv {STEP} --kernels k.json", ["--output"]),
    "info": ("t.dsat", ["--json", "--csv"]),
    "generate": ("--like t.dsat --arrivals arrivals.csv", ["--output", "--json", "--csv"]),
    "verify": ("t.dsat", ["--json", "--csv"]),
    "analyze": ("t.dsat batch.dsat", ["--json"]),
    "replay": (f"t.dsat {STEP} --kernels k.json --memory mem.json,hbm_ns=400 --capacities-from split.json",
               ["--json", "--csv", "--per-step", "--step-times", "--prometheus"]),
    "compare": ("t.dsat batch.dsat", ["--json", "--csv"]),
    "predict": ("t.dsat batch.dsat", ["--json", "--csv"]),
    "curve": ("t.dsat", ["--json", "--csv"]),
    "knee": (f"t.dsat --target miss_ratio=0.5 {STEP} --kernels k.json --memory mem.json", ["--json", "--csv"]),
    "allocate": ("t.dsat --budget 2x --memory mem.json", ["--json", "--csv"]),
    "report": (f"t.dsat lru.json --per-step in.csv {STEP} --kernels k.json --memory mem.json --mark g.json", ["--output"]),
    "diff": ("lru.json lru.txt --since up.txt", ["--json", "--csv"]),
    "study": (f"t.dsat {STEP} --kernels k.json --memory mem.json", ["--json", "--csv"]),
    "plan": (f"t.dsat batch.dsat {STEP} --kernels k.json --host host.json --nvme nvme.json --host-memory 8GB "
             "--context 8K --arrivals arrivals.csv",
             ["--json", "--csv", "--over-time"]),
    "sweep": ("grid.json", ["--output"]),
    "merge": ("part.csv part2.csv", ["--output", "--json", "--csv"]),
    "roofline": (f"{STEP} --context 1000 --batch 4 --rate 1", ["--json", "--csv"]),
    "gather": ("--memory mem.json --csv in.csv", ["--json"]),
    **{command: ("", ["--json", "--csv"]) for command in ("policies", "memories", "models", "gpus")},
    "step": (f"{STEP} --kernels k.json --batch 1 --context 1000", ["--json", "--csv", "--timeline"]),
}
FILE_TYPES = ("FILE", "TRACE", ".json", ".csv")


def inputs_of(arguments: str) -> list[str]:
    words = [word.split(",")[0] for word in arguments.split()]
    files = [word for word in words if Path(word).suffix in (".json", ".csv", ".dsat", ".txt")]
    return files + ["gmem.json"] * ("g.json" in files) + ["t.dsat", "mem.json"] * ("grid.json" in files) + ["c.json"]


def overwriting_complaints(tool: Path, folder: Path, repository: Path) -> list[str]:
    """An output that is an input, under whatever name, is refused, and nothing is written."""
    for name, source in (("m", "models/deepseek-v3.2"), ("mem", "memory/h200"), ("gmem", "memory/h200"), ("host", "memory/pcie5"), ("nvme", "memory/pm1743"),
                         ("g", "gpus/h200"), ("k", "kernels/h200")):
        text = (repository / f"configs/{source}.json").read_text()
        (folder / f"{name}.json").write_text(text.replace('"memory": "h200"', '"memory": "./gmem.json"'))
    assert "gmem" in (folder / "g.json").read_text()
    (folder / "l.json").write_text("[0, 0]")
    (folder / "kv.json").write_text("[0, 0]")
    (folder / "c.json").write_text("{}")
    (folder / "arrivals.csv").write_text("start_step\n0\n")
    (folder / "in.csv").write_text("row_bytes,rows\n128,64\n")
    (folder / "grid.json").write_text('{"trace": "t.dsat", "memory": ["serial", "./mem.json"], "entry-bytes": 656}')
    names = {path.name for path in folder.iterdir()}
    found = []
    for command, (arguments, outputs) in READS.items():
        for name in inputs_of(arguments):
            before = (folder / name).read_bytes()
            (folder / "other").symlink_to(Path(name).name)
            os.link(folder / name, folder / "hard")
            for output in outputs:
                for form in (name, f"./{Path(name).name}", f"folder/../{Path(name).name}", "other", "hard"):
                    words = f"{command} {arguments} --config c.json {output} {form}"
                    done = subprocess.run([tool, *words.split()], cwd=folder, capture_output=True, text=True, check=False)
                    if done.returncode != 2 or f"{output}: {form} is already" not in done.stderr:
                        found.append(f"{words}: exit status {done.returncode}: {done.stderr}")
            if (folder / name).read_bytes() != before:
                found.append(f"{command}: {name} was overwritten")
            (folder / "other").unlink()
            (folder / "hard").unlink()
        types = dict(re.findall(r"^  (?:-\w,)?(\S+) (\S+)", subprocess.run(
            [tool, command, "--help"], capture_output=True, text=True, check=True).stdout, re.MULTILINE))
        if (declared := sorted(name for name, kind in types.items() if kind.startswith("OUT"))) != sorted(outputs):
            found.append(f"{command}: outputs {declared}, tested {outputs}")
        inputs = [name for name, kind in types.items() if any(part in kind for part in FILE_TYPES) and
                  not kind.startswith("OUT")]
        if missing := [name for name in inputs if name.startswith("--") and name not in arguments + " --config"]:
            found.append(f"{command}: inputs that are not tested: {missing}")
    for words, message in (
            ("replay t.dsat --json new.json --per-step ./new.json", "--per-step: ./new.json is already the file of --json"),
            ("replay t.dsat --json dangling --per-step new.json", "--per-step: new.json is already the file of --json"),
            ("replay t.dsat --step-times - --per-step - --model glm-5.1 --gpu h200", "stdout (-) is taken by"),
            ("replay t.dsat --json - >>c.json --config c.json", "--json: stdout (-) is taken by --config"),
            ("replay t.dsat >>t.dsat", 'stdout: stdout (-) is taken by trace'),
            ("export --to npz batch.dsat --config npz_folder/req_1.npz -o npz_folder", "already the file of --config"),
            ("sweep grid.json -o grid", 'grid.journal is already the input "trace of the grid"')):
        (folder / "dangling").symlink_to("new.json")
        (folder / "npz_folder").mkdir()
        (folder / "npz_folder/req_1.npz").write_text("{}")
        if words.startswith("sweep"):
            shutil.copy(folder / "t.dsat", folder / "grid.journal")
            (folder / "grid.json").write_text('{"trace": "grid.journal"}')
        done = in_shell(tool, folder, words, "")
        if done.returncode != 2 or message not in done.stderr:
            found.append(f"{words}: exit status {done.returncode}: {done.stderr}")
        (folder / "dangling").unlink()
        shutil.rmtree(folder / "npz_folder")
    (folder / "grid.journal").unlink()
    if new := {path.name for path in folder.iterdir()} - names:
        found.append(f"files {new}")
    return found


def ended_by(number: signal.Signals) -> str:
    return f"dsasim: ended by {number.name}"


def signal_complaints(tool: Path, folder: Path) -> list[str]:
    """A signal leaves no half of an output, says so in a line, and ends the program as it always does."""
    found = []
    os.mkfifo(folder / "fifo")  # the tool waits there, its first output open
    names = {path.name for path in folder.iterdir()}

    def check(what: str, process: subprocess.Popen, status: int, line: str) -> None:
        errors = process.communicate()[1]
        new = {path.name for path in folder.iterdir()} - names
        if process.returncode != status or new or not (errors.startswith(line) and errors.count("\n") == bool(line)):
            found.append(f"{what}: exit status {process.returncode}, files {new}: {errors!r}")
        for name in new:
            (folder / name).unlink()

    def start(arguments: str, **how) -> subprocess.Popen:
        return subprocess.Popen([tool, *arguments.split()], cwd=folder, stderr=subprocess.PIPE, text=True,
                                **{"stdout": subprocess.DEVNULL} | how)

    def wait_for_output(process: subprocess.Popen) -> None:
        while process.poll() is None and not list(folder.glob("*.partial-*")):
            time.sleep(0.001)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGXCPU):
        process = start(f"{LRU} --json r.json --per-step fifo")
        wait_for_output(process)
        process.send_signal(number)
        check(number.name, process, -number, ended_by(number))
    process = start(f"{LRU} --json r.json --per-step fifo",
                    preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for_output(process)
    process.send_signal(signal.SIGHUP)  # of a terminal that nohup outlives
    process.send_signal(signal.SIGTERM)
    check("ignored SIGHUP", process, -signal.SIGTERM, ended_by(signal.SIGTERM))

    process = start(f"{LRU} --per-step - --json r.json", stdout=subprocess.PIPE)
    process.stdout.close()
    check("a pipe without a reader", process, -signal.SIGPIPE, "")

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    check("ulimit -f", start(f"{LRU} --per-step rows.csv", preexec_fn=limit_files), -signal.SIGXFSZ,
          ended_by(signal.SIGXFSZ) + ": the limit of a file's size (ulimit -f); the unfinished output is removed\n")
    for arguments in ("export --to npz t.dsat -o e.npz", "import big.csv --prompt-len 9000 -o o.dsat",
                      "generate --like t.dsat -o o.dsat"):
        check(f"ulimit -f, {arguments}", start(arguments, preexec_fn=limit_files), -signal.SIGXFSZ,
              ended_by(signal.SIGXFSZ))
    check("ulimit -f ignored", start(f"{LRU} --per-step rows.csv", restore_signals=False, preexec_fn=lambda: (
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN), limit_files())), 2, "dsasim: --per-step: rows.csv cannot be written")
    (folder / "fifo").unlink()
    return found


def on_terminal(words: list, folder: Path, **environment) -> tuple[int, str]:
    """The exit status, and what a terminal that is both stdout and stderr gets."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env={**os.environ, "DSASIM_PROGRESS": "off", "LC_ALL": "C.UTF-8", "TERM": "xterm", **environment})
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # how Linux says that nobody holds the other end
            piece = b""
        if not piece:
            break
        text += piece
    os.close(ours)
    return process.wait(), text.decode().replace("\r\n", "\n")


def plot_complaints(tool: Path, folder: Path) -> list[str]:
    """--plot draws below the text on a terminal that can, and is refused elsewhere."""
    found = []
    for arguments in ("curve t.dsat", "curve t.dsat --policy fifo --capacities 1x,2x", "compare t.dsat --policies lru,fifo",
                      "plan t.dsat --gpu h200 --model glm-5.1 --tp 8 --context 8K --slots 1x,2x,all --extrapolate scale"):
        words = [tool, *arguments.split()]
        status, text = on_terminal(words, folder)
        drawn_status, drawn = on_terminal([*words, "--plot"], folder)
        chart = drawn.removeprefix(text)
        if (status, drawn_status) != (0, 0) or not drawn.startswith(text) or not re.search("[\u2801-\u28ff]", chart) or "100% \u2502" not in chart:
            found.append(f"{arguments} --plot: exit status {drawn_status}: {drawn}")
        for environment, more in (({"TERM": "dumb"}, []), ({"TERM": ""}, []), ({"LC_ALL": "C"}, []), ({}, ["--csv", "o.csv"])):
            refused_status, refused = on_terminal([*words, "--plot", *more], folder, **environment)
            if refused_status != 2 or "--plot: has no effect here; expected a terminal" not in refused:
                found.append(f"{arguments} --plot {more} with {environment}: exit status {refused_status}: {refused}")
    return found


def quickstart_complaints(tool: Path, repository: Path) -> list[str]:
    """tools/quickstart runs one command and names others: each works."""
    commands = re.findall(r"'([a-z]+ [^']*--[^']*)'", (repository / "tools/quickstart").read_text())
    assert len(commands) == 4, commands
    found = []
    for command in commands:
        done = subprocess.run([tool, *command.split()], cwd=repository, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not done.stdout:
            found.append(f"{command}: exit status {done.returncode}: {done.stderr}")
    return found


def config_cases(repository: Path) -> list[Case]:
    """Every file in configs/ is one that replay takes, and says what it sets."""
    cases = []
    for path in sorted((repository / "configs").glob("*.json")):
        text = "".join(line for line in path.read_text().splitlines(True) if not line.lstrip().startswith("//"))
        wanted = {key.replace("-", "_"): value for key, value in json.loads(text).items()}
        cases.append(Case(f"configs/{path.name}", f"replay t.dsat --config {path} --json -", out=["schema"],
                          check=config_is(**wanted)))
    assert cases
    return cases


def main(repository: Path, tool: Path) -> int:
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, repository)
        make_reports(folder, tool)
        for case in CASES + help_cases(tool) + config_cases(repository):
            if found := complaints(case, tool, folder):
                failures += 1
                print(f"FAILED: {case.name}: dsasim {case.arguments}\n  " + "\n  ".join(found))
        for name, found in (("a full disk", full_disk_complaints(tool, folder)),
                            ("no stderr", no_stderr_complaints(tool, folder)),
                            ("outputs that are inputs", overwriting_complaints(tool, folder, repository)),
                            ("--plot", plot_complaints(tool, folder)),
                            ("signals", signal_complaints(tool, folder)),
                            ("what tools/quickstart names", quickstart_complaints(tool, repository))):
            if found:
                failures += 1
                print(f"FAILED: {name}\n  " + "\n  ".join(found))
    print(f"{len(CASES)} cases, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:3])))
