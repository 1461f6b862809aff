"""Each row of the table in docs/systems.md: its commands on a tiny capture, with the accesses and misses worked out here.

    run.py REPOSITORY TOOL
"""

import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path


def csv(steps: list[list[list[int]]]) -> tuple[str, bytes]:
    """One request: by step, by layer."""
    rows = [f"0,{step},{layer},{id}\n" for step, layers in enumerate(steps) for layer, ids in enumerate(layers) for id in ids]
    return "capture.csv", ("request,step,layer,id\n" + "".join(rows)).encode()


def drafts(steps: list[tuple[int, list[list[int]]]]) -> tuple[str, bytes]:
    """One request of one layer: by step, how many queries are accepted, and the selection of each."""
    rows = [f"0,{step},0,{query},{accepted},{id}\n"
            for step, (accepted, queries) in enumerate(steps) for query, ids in enumerate(queries) for id in ids]
    return "capture.csv", ("request,step,layer,query,accepted,id\n" + "".join(rows)).encode()


def heads(steps: list[list[list[int]]]) -> tuple[str, bytes]:
    """An array (steps, 1, heads, k)."""
    shape = (len(steps), 1, len(steps[0]), len(steps[0][0]))
    header = str({"descr": "<i4", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    values = [id for step in steps for head in step for id in head]
    data = struct.pack(f"<{len(values)}i", *values)
    return "capture.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


SHARED = [[[0, 1], [0, 1]], [[1, 2], [1, 2]]]  # 0 and 1, then 2: three fetches of an entry
BY_HEAD = [[[0, 3], [0, 7]], [[0, 3], [0, 6]]]  # two and two, then nothing and 6

# By system: the capture, or None where a preset makes the trace; accesses; misses, or None where they were not worked out;
# fetched bytes, where the row gives those of an entry.
CASES = {
    "DSA": (csv([[[0, 1, 2, 3]], [[0, 1, 2, 4]], [[0, 1, 4, 5]]]), 12, 4 + 1 + 1, None),
    "IndexShare": (csv(SHARED), 4, 3, 2 * 300),  # a row of each of the two layers
    "CLSA, YOCO": (csv(SHARED), 4, 3, 300),
    "DeepSeek-V4": (csv([[[0, 1, 2]], [[1, 2, 3]]]), 6, 4, None),
    "DeepSeek-V4.1": (None, 8 * 20 * 64, None, None),
    # Pages 0 1, then 2; then 0 and 2 are there.
    "DSA, held by page": (csv([[[0, 1, 2, 3]], [[0, 1, 2, 4]], [[0, 1, 4, 5]]]), 12, 2 + 1, 3 * 2 * 100),
    "HISA": (csv([[[0, 1, 2, 3]], [[0, 1, 2, 4]]]), 8, 5, None),
    "TokenSelect": (csv([[[0, 1, 2, 3]], [[0, 1, 2, 3]], [[0, 1, 2, 5]]]), 12, 4 + 0 + 1, None),
    "IndexCache over time": (csv([[[0, 1]], [[0, 1]], [[2, 3]], [[2, 3]]]), 8, 2 + 2, None),
    # 4, 5 and 0 are fetched; 5 is rejected; the next 5 and 6 are fetched, 0 is there.
    "drafts": (drafts([(1, [[0, 4], [0, 5]]), (2, [[0, 5], [5, 6]])]), 8, 3 + 2, None),
    # 0 1, then 2; of the whole context of 9, 0 1 2 are there, and 5 to 8 are left; 1 and 2 are fetched again.
    "SparseSpec, PillarAttn": (csv([[[0, 1]], [[1, 2]], [list(range(9))], [[1, 2]]]), 15, 2 + 1 + 6 + 2, None),
    "LServe": (heads(BY_HEAD), 8, 4 + 1, None),
    "Quest, SeerAttention, MoBA": (heads(BY_HEAD), 8, 4 + 1, None),
    "Quest, held by token": (heads(BY_HEAD), 8 * 16, (4 + 1) * 16, 5 * 16 * 2),
    "MiniMax-M3": (None, 8 * 20 * 16, None, None),
    # Blocks 0 and 2, then 0 and 1.
    "GLM-5.3 pools, Qwen blocks": (csv([[[0, 1, 2, 3, 8, 9, 10, 11]], [[0, 1, 2, 3, 4, 5, 6, 7]]]), 4, 3, None),
    "RTPurbo": (csv([[[0, 1, 2, 3]], [[0]], [[0, 1, 4]]]), 8, 4 + 0 + 1, None),
    # The token of each step comes in, and one entry is dropped for it.
    "Keyformer, H2O": (csv([[[0, 1, 2, 3, 4, 5]], [[0, 1, 2, 3, 4, 6]], [[0, 1, 2, 4, 6, 7]]]), 18, 6 + 1 + 1, None),
}


def rows(page: str) -> dict[str, tuple[str, str]]:
    """By system, without what stands in brackets: how its trace is made, and how it is replayed."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    return {re.sub(r" \(.*\)", "", row[0]): (row[2].strip("`"), row[3].strip("`")) for row in cells[2:]}


def main() -> None:
    repository, tool = Path(sys.argv[1]), str(Path(sys.argv[2]).resolve())
    table = rows((repository / "docs/systems.md").read_text())
    assert list(table) == list(CASES), f"the page has {list(table)}, the tests have {list(CASES)}"
    for system, (made, replayed) in table.items():
        capture, accesses, misses, fetched_bytes = CASES[system]
        with tempfile.TemporaryDirectory() as folder:
            if capture:
                (Path(folder) / capture[0]).write_bytes(capture[1])
                made = made.replace("FILE", capture[0])
            for command in (f"{made} -o t.dsat", f"replay t.dsat {replayed} --json -"):
                done = subprocess.run([tool, *command.split()], cwd=folder, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{system}: {command}: {done.stderr}"
            totals = json.loads(done.stdout)["totals"]
            assert totals["accesses"] == accesses, f"{system}: {totals}"
            assert misses is None or totals["misses"] == misses, f"{system}: {totals}"
            assert totals["compulsory_misses"] <= totals["misses"] < totals["accesses"], f"{system}: {totals}"
            assert fetched_bytes is None or totals["fetched_bytes"] == fetched_bytes, f"{system}: {totals}"


main()
