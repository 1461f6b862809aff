"""What SGLang 0.5.17 answered on an H200 (tests/capture/sglang/README.md): responses become the selections that were
made, and the hot buffer's misses are those that its server counted.

    sglang.py ROOT SCRATCH DSASIM
"""

import csv
import pathlib
import subprocess
import sys

ROOT, SCRATCH, DSASIM = (pathlib.Path(argument) for argument in sys.argv[1:4])
RESPONSES = ROOT / "tests/capture/sglang"
V32 = ["--layers", "4", "--top-k", "2048"]
GLM = ["--layer-map", "0,1,2,2,2", "--top-k", "2048"]
# name, options, (prompt, completion) of its requests, layers with an index
SHORT = [
    ("slots.json.zst", V32, [(24, 8)], 4),
    ("stream.json.zst", V32, [(18, 8)], 4),  # server-sent events; the last has the selections
    ("samples.json.zst", V32, [(16, 8), (16, 8)], 4),
    ("prefix.json.zst", V32, [(137, 8)], 4),  # 128 tokens were in the prefix cache: their rows are there
    ("hot_buffer.json.zst", V32, [(24, 8)], 4),  # slots in the prompt's rows, positions in the decode steps'
    ("speculative.json.zst", V32, [(24, 8)], 4),
    ("shared_index.json.zst", GLM, [(24, 8)], 3),
]
REFUSED = [
    ("chat.json", "has no meta_info.indexer_topk"),
    ("completions.json", "has no indexer_topk in choice 0"),
    ("error.json", '"error"'),
]


def dsasim(*arguments):
    return subprocess.run([str(DSASIM), *map(str, arguments)], capture_output=True, text=True, check=False)


def check_short(name, options, requests, layers):
    """The contexts are below the top-k: every step selects all positions that its query sees."""
    trace, table = SCRATCH / f"{name}.dsat", SCRATCH / f"{name}.csv"
    run = dsasim("import", RESPONSES / name, *options, "-o", trace)
    assert run.returncode == 0, (name, run.stderr)
    run = dsasim("export", "--to", "csv", trace, "-o", table)
    assert run.returncode == 0, (name, run.stderr)
    selections = {}
    with open(table, encoding="ascii", newline="") as rows:
        for row in csv.DictReader(rows):
            key = int(row["request"]), int(row["step"]), int(row["layer"])
            selections.setdefault(key, []).append(int(row["id"]))
    expected = {(request, step, layer): list(range(prompt + step + 1))
                for request, (prompt, completion) in enumerate(requests)
                for step in range(completion - 1) for layer in range(layers)}
    assert {key: sorted(ids) for key, ids in selections.items()} == expected, name


def check_refused(name, reason):
    run = dsasim("import", RESPONSES / name, *V32, "-o", SCRATCH / "refused.dsat")
    assert run.returncode == 2 and reason in run.stderr and run.stderr.count("\n") == 1, (name, run.stderr)


def check_hot_buffer():
    """The prompt of 4070 fits the buffer of 4096; the 26th step's context is the last that does."""
    steps = SCRATCH / "hot_buffer_steps.csv"
    run = dsasim("replay", RESPONSES / "hot_buffer_4070.dsat", "--policy", "hisparse", "--capacity", "4096", "--warm", "first",
                 "--new-token", "pinned", "--per-step", steps)
    assert run.returncode == 0, run.stderr
    with open(steps, encoding="ascii", newline="") as rows:
        replayed = {(4071 + int(row["step"]), int(row["layer"])): int(row["misses"]) for row in csv.DictReader(rows)}
    with open(RESPONSES / "hot_buffer_4070.csv", encoding="ascii", newline="") as rows:
        counted = {(int(row["seq_len"]), int(row["layer"])): int(row["misses"]) for row in csv.DictReader(rows)}
    assert replayed == counted
    assert sum(counted.values()) == 1329 and all(misses == 0 for (length, _), misses in counted.items() if length <= 4096)


SCRATCH.mkdir(parents=True, exist_ok=True)
for arguments in SHORT:
    check_short(*arguments)
for arguments in REFUSED:
    check_refused(*arguments)
check_hot_buffer()
