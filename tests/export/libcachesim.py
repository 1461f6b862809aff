#!/usr/bin/env python3
"""Replays the traces of tests/export/libcachesim.csv with libCacheSim's `cachesim`, and compares with what was recorded.

    python3 tests/export/libcachesim.py build/release/dsasim [CACHESIM]

For those who have libCacheSim installed (https://github.com/1a1a11a/libCacheSim). `cachesim` prints miss ratios with four
digits, so that is what is compared; the numbers of requests are compared exactly. That `dsasim replay` counts the
recorded misses, to the last one, is a unit test.
"""

import csv
import itertools
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = {"2q": "twoq"}  # where cachesim's is another
LINE = re.compile(r"(?P<policy>\w+) cache size\s+(?P<entries>\d+),\s+(?P<requests>\d+) req, miss ratio (?P<ratio>[\d.]+)")


def cachesim_lines(cachesim, exported, policy, sizes):
    """What it prints of one policy, by size."""
    done = subprocess.run([cachesim, exported, "oracleGeneral", NAMES.get(policy, policy), ",".join(sizes), "--ignore-obj-size", "1"],
                          cwd=exported.parent, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{cachesim}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    found = {match["entries"]: match for match in LINE.finditer(done.stdout)}
    if missing := set(sizes) - set(found):
        sys.exit(f"{cachesim}: printed no line for {', '.join(sorted(missing))} of {policy}:\n{done.stdout}")
    return found


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    dsasim, cachesim = pathlib.Path(sys.argv[1]).resolve(), (sys.argv[2:] + ["cachesim"])[0]
    with open(ROOT / "tests/export/libcachesim.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    differences = 0
    with tempfile.TemporaryDirectory() as folder:
        for (trace, policy), group in itertools.groupby(rows, key=lambda row: (row["trace"], row["policy"])):
            recorded = list(group)
            exported = pathlib.Path(folder) / f"{trace}.oracleGeneral"
            if not exported.exists():
                subprocess.run([dsasim, "export", "--to", "oracle-general", ROOT / f"traces/{trace}.dsat", "-o", exported],
                               check=True)
            lines = cachesim_lines(cachesim, exported, policy, [row["entries"] for row in recorded])
            for row in recorded:
                line, ratio = lines[row["entries"]], int(row["misses"]) / int(row["requests"])
                same = line["requests"] == row["requests"] and line["ratio"] == f"{ratio:.4f}"
                differences += not same
                print(f"{'equal' if same else 'DIFFERS':8}{trace:20}{policy:6}{row['entries']:>8}"
                      f"  recorded {row['misses']} of {row['requests']}, {ratio:.4f}; cachesim {line['ratio']}"
                      f" of {line['requests']}")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
