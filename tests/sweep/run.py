"""A sweep as a person or a cluster runs it: killed, resumed, out of disk, twice at a time.

    run.py REPOSITORY TOOL

Each test has a folder of its own with t.dsat (one request), batch.dsat (four) and grid.json, and compares what it gets
with the table of a sweep that nothing disturbed.
"""

import csv
import fcntl
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

GRID = {"trace": ["t.dsat", "batch.dsat"], "policy": ["lru", "fifo", "hisparse", "belady,bypass=1"],
        "scope": ["stream", "shared"], "capacity": ["1x", "2x", 1000], "page-tokens": [16, 64], "entry-bytes": 656,
        "steps": "20:60", "skip": [{"scope": "shared", "page-tokens": 64}]}
POINTS = 2 * 4 * 3 * 3


class Sweeps:
    """The tool, in a folder."""

    def __init__(self, tool: Path, repository: Path, folder: Path):
        self.tool = tool
        self.repository = repository
        self.folder = folder
        shutil.copy(repository / "traces/paper128-req_0.dsat", folder / "t.dsat")
        shutil.copy(repository / "traces/paper256.dsat", folder / "batch.dsat")
        self.write_grid(GRID)

    def write_grid(self, grid: dict) -> None:
        (self.folder / "grid.json").write_text(json.dumps(grid))

    def start(self, arguments: str, **how) -> subprocess.Popen:
        return subprocess.Popen([self.tool, *arguments.split()], cwd=self.folder, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **how)

    def run(self, arguments: str, status: int = 0, err: str = "", **how) -> str:
        """stdout, of a run that ends as it should and says on stderr what it should."""
        process = self.start(arguments, **how)
        out, errors = process.communicate()
        assert process.returncode == status, f"{arguments}: exit status {process.returncode}: {errors}"
        assert err in errors and bool(err) == bool(errors), f"{arguments}: expected {err!r}, found {errors!r}"
        assert errors.count("\n") <= 1, errors
        return out

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def rows(self, name: str) -> list[dict]:
        return list(csv.DictReader(io.StringIO(self.read(name).decode())))

    def journaled(self, name: str = "out.csv") -> list[str]:
        """The whole lines of finished points."""
        return [line for line in self.read(f"{name}.journal").decode().splitlines(keepends=True)[1:]
                if line.endswith("\n")]


def rows_are_replays(sweeps: Sweeps) -> None:
    """A row has the numbers of `replay` with the options in its cells, and a grid's keys are those options."""
    sweeps.run("sweep grid.json -o out.csv")
    rows = sweeps.rows("out.csv")
    assert [row["point"] for row in rows] == [str(number) for number in range(POINTS)]
    for row in rows[::7]:
        options = " ".join(f"--{key} {row[key]}" for key in GRID if key not in ("trace", "skip"))
        totals = json.loads(sweeps.run(f"replay {row['trace']} {options} --json -"))["totals"]
        for name, value in totals.items():
            assert json.loads(row[name]) == value, (row, name, value)
        assert (row["status"], row["error"]) == ("ok", ""), row


def every_option_of_replay_is_a_key(sweeps: Sweeps) -> None:
    text = sweeps.run("replay --help")
    options = {line.split()[0].split(",")[-1] for line in text.splitlines() if line.lstrip().startswith("-")}
    sweeps.write_grid({"trace": "t.dsat", "polcy": "lru"})
    process = sweeps.start("sweep grid.json -o out.csv")
    errors = process.communicate()[1]
    assert process.returncode == 2 and 'grid.json: unknown key "polcy" (did you mean "policy"?); known: trace,' in errors, errors
    known = set(errors.split("known: ")[1].strip().split(", "))
    of_replay_alone = {"help", "config", "jobs", "memory-limit", "json", "csv", "per-step", "step-times", "prometheus", "capacities-from"}
    assert known == {option[2:] for option in options} - of_replay_alone | {"trace", "skip", "columns"}, known
    assert not (sweeps.folder / "out.csv.journal").exists()


def jobs_and_shards_change_nothing(sweeps: Sweeps) -> None:
    sweeps.run("sweep grid.json -o out.csv")
    sweeps.run("sweep grid.json -o jobs.csv --jobs 5")
    assert sweeps.read("jobs.csv") == sweeps.read("out.csv")
    for number in (3, 1, 2):
        sweeps.run(f"sweep grid.json -o part{number}.csv --shard {number}/3 --jobs {number}")
    sweeps.run("merge part3.csv part1.csv part2.csv -o merged.csv")
    assert sweeps.read("merged.csv") == sweeps.read("out.csv")
    assert sweeps.run("merge part1.csv part2.csv part3.csv -o -").encode() == sweeps.read("out.csv")
    sweeps.run("merge part1.csv part3.csv -o no.csv", 2, "missing of 3 shards: 2")
    sweeps.run("merge part1.csv part1.csv part2.csv part3.csv -o no.csv", 2, "has point")
    sweeps.run("merge part1.csv part2.csv out.csv -o no.csv", 2, "out.csv: is no part of a sweep")
    sweeps.run("merge part1.csv part2.csv part3.csv -o part1.csv", 2, 'part1.csv is already the input "parts"')
    assert not (sweeps.folder / "no.csv").exists()
    for shard in ("0/3", "4/3", "1", "1/0", "x/3"):
        sweeps.run(f"sweep grid.json -o no.csv --shard {shard}", 2, "--shard: expected")


def killed_fifty_times(sweeps: Sweeps) -> None:
    """SIGKILL at random moments: what was finished stays, nothing is done twice, and the table is the same."""
    started = time.monotonic()
    sweeps.run("sweep grid.json -o whole.csv")
    duration = time.monotonic() - started
    moments = random.Random(6)
    kills, completions, before = 0, 0, []
    # On a busy machine the kills may all come before anything is finished: the end is a whole sweep in any case.
    while kills < 50 or completions == 0 or (sweeps.folder / "out.csv.journal").exists():
        process = sweeps.start("sweep grid.json -o out.csv --jobs 2")
        try:
            process.wait(moments.uniform(0, duration / 3) if kills < 50 else None)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), process.returncode
        kills += process.returncode == -signal.SIGKILL
        lines = sweeps.journaled() if (sweeps.folder / "out.csv.journal").exists() else []
        assert lines[:len(before)] == before, "what was finished is gone"
        before = lines
        if process.returncode == 0:
            assert sweeps.read("out.csv") == sweeps.read("whole.csv")
            points = [line.split()[1] for line in lines]
            assert sorted(points, key=int) == [str(number) for number in range(POINTS)], "a point was repeated"
            (sweeps.folder / "out.csv").unlink()
            (sweeps.folder / "out.csv.journal").unlink()
            completions, before = completions + 1, []
    left = {path.name for path in sweeps.folder.iterdir()} - {"out.csv.journal.tmp"}
    assert left == {"t.dsat", "batch.dsat", "grid.json", "whole.csv", "whole.csv.journal"}, left


def ended_by_a_signal(sweeps: Sweeps) -> None:
    """What the journal has is kept, nothing else is left, and the same command goes on."""
    sweeps.run("sweep grid.json -o whole.csv")
    before = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process = sweeps.start("sweep grid.json -o out.csv --jobs 3")
        while process.poll() is None and (not (sweeps.folder / "out.csv.journal").exists() or
                                          len(sweeps.journaled()) <= len(before)):
            time.sleep(0.001)
        process.send_signal(number)
        errors = process.communicate()[1]
        assert process.returncode in (0, -number), process.returncode
        assert errors.startswith(f"dsasim: ended by {number.name}") if process.returncode else errors == "", errors
        assert sweeps.journaled()[:len(before)] == before
        before = sweeps.journaled()
        left = {path.name for path in sweeps.folder.iterdir()} - {"out.csv"}
        assert left == {"t.dsat", "batch.dsat", "grid.json", "whole.csv", "whole.csv.journal", "out.csv.journal"}, left
    sweeps.run("sweep grid.json -o out.csv")
    assert sweeps.read("out.csv") == sweeps.read("whole.csv")
    assert sweeps.journaled()[:len(before)] == before


def a_long_axis(sweeps: Sweeps) -> None:
    """Twenty thousand values are planned, and a value that is there twice is found among them."""
    values = list(range(1, 20_001))
    sweeps.write_grid({"trace": "t.dsat", "capacity": values, "skip": [{"capacity": values[1:-1]}]})
    out = sweeps.run("sweep grid.json --dry-run").splitlines()
    assert len(out) == 3 and out[-1].startswith("2 of 2 points (19998 skipped), 1 traces"), out
    sweeps.write_grid({"trace": "t.dsat", "capacity": values + [777]})
    sweeps.run("sweep grid.json --dry-run", 2, '/capacity: "777" is there twice')


def an_end_is_an_end(sweeps: Sweeps) -> None:
    """Started again, a finished sweep replays nothing and writes the same table."""
    sweeps.run("sweep grid.json -o out.csv")
    table, journal = sweeps.read("out.csv"), sweeps.read("out.csv.journal")
    (sweeps.folder / "out.csv").unlink()
    sweeps.run("sweep grid.json -o out.csv")
    assert (sweeps.read("out.csv"), sweeps.read("out.csv.journal")) == (table, journal)


def another_sweep_is_refused(sweeps: Sweeps) -> None:
    """A changed grid, trace or configuration is told with the difference, and costs nothing that was finished."""
    (sweeps.folder / "memory.json").write_text(json.dumps({"model": "serial"}))
    small = {"trace": "t.dsat", "capacity": ["1x", "2x"]}
    sweeps.write_grid(small)
    sweeps.run("sweep grid.json -o out.csv")
    before = sweeps.read("out.csv"), sweeps.read("out.csv.journal")
    sweeps.write_grid(small | {"capacity": ["1x", "3x"]})
    sweeps.run("sweep grid.json -o out.csv", 2, '/grid/capacity was ["1x","2x"], now ["1x","3x"]; --restart')
    sweeps.write_grid(small)
    sweeps.run("sweep grid.json -o out.csv --shard 1/2", 2, '/shard was "all", now "1/2"')
    shutil.copy(sweeps.folder / "batch.dsat", sweeps.folder / "t.dsat")
    sweeps.run("sweep grid.json -o out.csv", 2, "/traces/t.dsat/digest was ")
    assert before == (sweeps.read("out.csv"), sweeps.read("out.csv.journal"))
    sweeps.run("sweep grid.json -o out.csv --restart")
    assert sweeps.rows("out.csv")[0]["accesses"] != before[0].decode().splitlines()[1].split(",")[4]
    assert len(sweeps.journaled()) == 2


def npy(values: list[int], shape: tuple, dtype: str = "<i4") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(
        f"<{len(values)}{'i' if dtype == '<i4' else 'q'}", *values)


class Request:
    """Four ids a selection, a step after the other, two layers a step."""

    def __init__(self, seed: int, steps: int, prompt: int, start: int):
        random_ids = random.Random(seed)
        self.prompt, self.start = prompt, start
        self.steps = [[random_ids.sample(range(prompt), 4) for _ in range(2)] for _ in range(steps)]

    def write(self, path: Path, **numbers: int) -> None:
        ids = [number for step in self.steps for selection in step for number in selection]
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("topk_indices.npy", npy(ids, (len(self.steps), 2, 4)))
            for name, number in {"prompt_len": self.prompt, "start_step": self.start, **numbers}.items():
                file.writestr(f"{name}.npy", npy([number], (), "<i8"))


def plain_misses(policy: str, requests: list[Request], capacity: int) -> int:
    """One cache for all, in the order of a batch: step by step, layer by layer, request by request."""
    cache, misses = [], 0
    for step in range(max(request.start + len(request.steps) for request in requests)):
        for layer in range(2):
            for number, request in enumerate(requests):
                if request.start <= step < request.start + len(request.steps):
                    for entry in request.steps[step - request.start][layer]:
                        key = (number, layer, entry)
                        misses += key not in cache
                        if key not in cache or policy == "lru":
                            cache = [other for other in cache if other != key][-capacity + (key not in cache):] + [key]
    return misses


def a_trace_is_all_that_a_replay_reads(sweeps: Sweeps) -> None:
    """Traces of equal selections that replay differently are different traces: to a journal, to a merge, to info."""
    first, late, early = Request(1, 8, 30, 0), Request(2, 6, 25, 5), Request(2, 6, 25, 0)
    for name, request in (("a", first), ("b", late), ("b0", early)):
        request.write(sweeps.folder / f"{name}.npz")
    sweeps.write_grid({"trace": "s.dsat", "policy": ["lru", "fifo"], "scope": "shared", "capacity": [12]})
    base = "import a.npz b.npz -o s.dsat"
    changes = {"start_steps": "import a.npz b0.npz -o s.dsat", "entry_bytes": f"{base} --entry-bytes 656",
               "page_tokens": f"{base} --page-tokens 64", "layers": f"{base} --layer-map 0,0,2",
               "ids": f"{base} --ids physical", "digest": "import b.npz a.npz -o s.dsat"}
    sweeps.run(base)
    sweeps.run("sweep grid.json -o out.csv")
    assert [int(row["misses"]) for row in sweeps.rows("out.csv")] == [
        plain_misses(policy, [first, late], 12) for policy in ("lru", "fifo")]
    sweeps.run("sweep grid.json -o part1.csv --shard 1/2")
    assert len(sweeps.journaled()) == 2
    first_of_two = b"".join(sweeps.read("out.csv.journal").splitlines(keepends=True)[:2])
    known = json.loads(sweeps.run("info s.dsat --json -"))
    for part, arguments in changes.items():
        sweeps.run(arguments)
        (sweeps.folder / "out.csv.journal").write_bytes(first_of_two)
        sweeps.run("sweep grid.json -o out.csv", 2, f"belongs to another sweep: /traces/s.dsat/{part} was ")
        assert sweeps.read("out.csv.journal") == first_of_two
        sweeps.run("sweep grid.json -o part2.csv --shard 2/2 --restart")
        sweeps.run("merge part1.csv part2.csv -o no.csv", 2, "part2.csv: is of another sweep than part1.csv")
        found = json.loads(sweeps.run("info s.dsat --json -"))
        assert found["replay_digest"] != known["replay_digest"], part
        assert (found["digest"] != known["digest"]) == (part == "digest"), part
    sweeps.run(changes["start_steps"])
    sweeps.run("sweep grid.json -o out.csv --restart")
    assert [int(row["misses"]) for row in sweeps.rows("out.csv")] == [
        plain_misses(policy, [first, early], 12) for policy in ("lru", "fifo")]
    assert plain_misses("lru", [first, early], 12) != plain_misses("lru", [first, late], 12)
    sweeps.run(f"{base} --provenance another")
    (sweeps.folder / "out.csv.journal").write_bytes(first_of_two)
    sweeps.run("sweep grid.json -o out.csv")


def configurations_belong_to_a_sweep(sweeps: Sweeps) -> None:
    """Those that the grid names, and the memory that a GPU's file names."""
    def write(name: str, **changes) -> None:
        folder = {"gpu.json": "gpus/h200", "model.json": "models/deepseek-v3.2", "memory.json": "memory/h200",
                  "kernels.json": "kernels/h200"}[name]
        lines = (sweeps.repository / f"configs/{folder}.json").read_text().splitlines(keepends=True)
        text = "".join(line for line in lines if not line.lstrip().startswith("//"))
        (sweeps.folder / name).write_text(json.dumps(json.loads(text) | changes))

    write("memory.json")
    write("model.json")
    write("kernels.json")
    write("gpu.json", memory="./memory.json")
    sweeps.write_grid({"trace": "t.dsat", "model": "./model.json", "gpu": "gpu.json", "kernels": "./kernels.json",
                       "capacity": "1x"})
    sweeps.run("sweep grid.json -o out.csv")
    for path in ("gpu.json", "./model.json", "./kernels.json", "./memory.json"):
        before = sweeps.read(path)
        (sweeps.folder / path).write_bytes(before + b"\n")
        sweeps.run("sweep grid.json -o out.csv", 2, f"belongs to another sweep: /files/{path} was ")
        (sweeps.folder / path).write_bytes(before)
    sweeps.run("sweep grid.json -o out.csv")


def journals_and_parts_of_other_versions(sweeps: Sweeps) -> None:
    """Are refused, and --restart, which the message names, goes on."""
    small = {"trace": "t.dsat", "capacity": ["1x", "2x"]}
    sweeps.write_grid(small)
    sweeps.run("sweep grid.json -o out.csv --shard 1/1")
    part = sweeps.read("out.csv")
    (sweeps.folder / "out.csv").write_bytes(part.replace(b"dsasim-sweep-part/2", b"dsasim-sweep-part/1"))
    sweeps.run("merge out.csv -o no.csv", 2, "out.csv: is a part by another version of dsasim (dsasim-sweep-part/1,")
    journal = sweeps.read("out.csv.journal")
    (sweeps.folder / "out.csv.journal").write_bytes(b"?" + journal[1:])
    sweeps.run("sweep grid.json -o out.csv --shard 1/1", 2, "line 1 is damaged; --restart begins anew")
    sweeps.run("sweep grid.json -o out.csv --shard 1/1 --restart")
    assert sweeps.read("out.csv") == part
    assert sweeps.read("out.csv.journal") == journal


def a_fingerprint_is_asked_for(sweeps: Sweeps) -> None:
    found = sweeps.run("sweep grid.json --dry-run --shard 2/3").rsplit("; fingerprint ", 1)[1].strip()
    assert len(found) == 32 and found == sweeps.run("sweep grid.json --dry-run").rsplit(" ", 1)[1].strip()
    sweeps.run(f"sweep grid.json -o out.csv --fingerprint {found}")
    shutil.copy(sweeps.folder / "batch.dsat", sweeps.folder / "t.dsat")
    sweeps.run(f"sweep grid.json -o other.csv --fingerprint {found}", 2, f"expected {found}: its grid, traces,")
    assert not (sweeps.folder / "other.csv.journal").exists()


def failing_points_do_not_stop_the_others(sweeps: Sweeps) -> None:
    sweeps.write_grid({"trace": ["t.dsat", "batch.dsat"], "policy": ["lru", "hisparse"], "capacity": [128, "1MB", 512]})
    sweeps.run("sweep grid.json -o out.csv", 1, "5 of 12 points have no result; the first: --capacity: 1MB needs")
    rows = sweeps.rows("out.csv")
    assert [row["status"] == "ok" for row in rows] == [row["capacity"] != "1MB" and not (
        row["trace"] == "batch.dsat" and row["policy"] == "hisparse" and row["capacity"] == "128") for row in rows]
    assert "expected 0 or at least 256 entries, found 128" in rows[9]["error"], rows[9]
    sweeps.run("sweep grid.json -o part.csv --shard 1/1", 1, "5 of 12 points")
    sweeps.run("merge part.csv -o merged.csv", 1, "5 of 12 points have no result")
    assert sweeps.read("merged.csv") == sweeps.read("out.csv")


def typos_are_refused_before_anything_runs(sweeps: Sweeps) -> None:
    for change, message in (({"policy": ["lru", "lur"]}, 'grid.json: /policy/1: --policy: unknown policy "lur"'),
                            ({"scope": "steam"}, "grid.json: /scope: --scope: expected one of shared, layer"),
                            ({"capacity": [1, -1]}, "grid.json: /capacity/1: --capacity: expected 4096"),
                            ({"memory": ["serial", "hbm9"]}, "grid.json: /memory/1: --memory: "),
                            ({"page-tokens": 0}, "grid.json: /page-tokens: --page-tokens: expected a number"),
                            ({"trace": ["t.dsat", "none.dsat"]}, "none.dsat: cannot be opened"),
                            ({"allow-truncated": "perhaps"}, "grid.json: /allow-truncated: "),
                            ({"columns": "missing"}, 'grid.json: /columns: unknown column "missing"; known: accesses'),
                            ({"jobs": 2}, 'grid.json: unknown key "jobs"')):
        sweeps.write_grid({"trace": "t.dsat"} | change)
        sweeps.run("sweep grid.json -o out.csv", 2, message)
        assert not (sweeps.folder / "out.csv.journal").exists(), change


def two_writers(sweeps: Sweeps) -> None:
    """The second is refused at once, under whatever name, and the first does not notice."""
    sweeps.run("sweep grid.json -o whole.csv")
    (sweeps.folder / "link.csv").symlink_to("out.csv")
    first = sweeps.start("sweep grid.json -o out.csv")
    while not (sweeps.folder / "out.csv.journal").exists() or not sweeps.read("out.csv.journal"):
        assert first.poll() is None, first.communicate()
        time.sleep(0.001)
    first.send_signal(signal.SIGSTOP)
    running = not (sweeps.folder / "out.csv").exists()
    for name in ("out.csv", "./out.csv", "link.csv"):
        if running:  # and not so fast that it was done
            sweeps.run(f"sweep grid.json -o {name} --restart", 2, "another sweep is writing this output")
    first.send_signal(signal.SIGCONT)
    assert first.communicate()[1] == "" and first.returncode == 0
    assert sweeps.read("out.csv") == sweeps.read("whole.csv")
    with open(sweeps.folder / "out.csv.journal", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sweeps.run("sweep grid.json -o link.csv", 2, "another sweep is writing this output")
    sweeps.run("sweep grid.json -o link.csv")
    assert (sweeps.folder / "link.csv").is_symlink()


def limit_file_size(limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def no_room(sweeps: Sweeps) -> None:
    """Files may grow only so far: an error at once, at the journal or at the table, and all that fitted stays."""
    sweeps.run("sweep grid.json -o whole.csv")
    size, table = len(sweeps.read("whole.csv.journal")), len(sweeps.read("whole.csv"))
    assert table > size
    for limit in (10, size // 2, size - 1, table - 1):
        sweeps.run("sweep grid.json -o out.csv", 2, "cannot be written: File too large", restore_signals=False,
                   preexec_fn=lambda limit=limit: limit_file_size(limit))
        assert not (sweeps.folder / "out.csv").exists()
    assert len(sweeps.journaled()) == POINTS
    sweeps.run("sweep grid.json -o out.csv")
    assert sweeps.read("out.csv") == sweeps.read("whole.csv")
    assert len(sweeps.journaled()) == POINTS
    assert not list(sweeps.folder.glob("*.tmp"))


def mounted(options: str, folder: Path) -> bool:
    """A file system of our own; only root may."""
    return os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
                                                capture_output=True, check=False).returncode == 0


def full_and_read_only_disks(sweeps: Sweeps) -> None:
    sweeps.run("sweep grid.json -o no/out.csv", 2, "no/out.csv.journal: cannot be created: No such file or directory")
    sweeps.run("sweep grid.json -o /dev/full", 2, "/dev/full: is not a regular file")
    sweeps.run("sweep grid.json -o -", 2, "--output: expected a file for the table")
    sweeps.run("sweep grid.json", 2, "--output: expected a file for the table")
    sweeps.run("sweep grid.json -o grid.json", 2, 'grid.json is already the input "grid"')
    sweeps.run("sweep grid.json -o ./t.dsat", 2, './t.dsat is already the input "trace of the grid"')
    sweeps.run("sweep grid.json -o .", 2, "is not a regular file")
    (sweeps.folder / "notes.journal").write_text("notes")
    sweeps.run("sweep grid.json -o notes --restart", 2, "is not the journal of a sweep; please move it away")
    disk = sweeps.folder / "disk"
    disk.mkdir()
    if not mounted("size=4k", disk):
        print("  (not root: no disks of our own)")
        return
    try:
        sweeps.run("sweep grid.json -o whole.csv")
        sweeps.run("sweep grid.json -o disk/out.csv", 2, "cannot be written: No space left on device")
        done = len(sweeps.journaled("disk/out.csv"))
        assert 0 < done < POINTS, done
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        sweeps.run("sweep grid.json -o disk/out.csv", 2, "disk/out.csv.journal: cannot be created: Read-only file system")
        subprocess.run(["mount", "-o", "remount,rw,size=1m", disk], check=True)
        sweeps.run("sweep grid.json -o disk/out.csv")
        assert sweeps.read("disk/out.csv") == sweeps.read("whole.csv")
        assert len(sweeps.journaled("disk/out.csv")) == POINTS
    finally:
        subprocess.run(["umount", disk], check=True)


def a_dry_run_writes_nothing(sweeps: Sweeps) -> None:
    out = sweeps.run("sweep grid.json -o out.csv --dry-run --jobs 2").splitlines()
    assert len(out) == POINTS + 1, out
    assert out[0].startswith("0  trace=t.dsat  policy=lru  scope=stream  capacity=1x  page-tokens=16"), out[0]
    assert out[-1].startswith(f"{POINTS} of {POINTS} points (24 skipped), 2 traces, "), out[-1]
    assert not list(sweeps.folder.glob("out*"))
    shards = [sweeps.run(f"sweep grid.json --dry-run --shard {number}/4").splitlines()[:-1] for number in range(1, 5)]
    assert sorted(sum(shards, [])) == sorted(out[:-1])


TESTS = (rows_are_replays, every_option_of_replay_is_a_key, jobs_and_shards_change_nothing, killed_fifty_times,
         an_end_is_an_end, another_sweep_is_refused, a_trace_is_all_that_a_replay_reads,
         configurations_belong_to_a_sweep, journals_and_parts_of_other_versions, a_fingerprint_is_asked_for, failing_points_do_not_stop_the_others,
         typos_are_refused_before_anything_runs, two_writers, no_room, full_and_read_only_disks,
         a_dry_run_writes_nothing, ended_by_a_signal, a_long_axis)


def main(repository: Path, tool: Path) -> int:
    failures = 0
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # there fsync costs nothing
    for test in TESTS:
        with tempfile.TemporaryDirectory(dir=memory) as name:
            started = time.monotonic()
            try:
                test(Sweeps(tool, repository, Path(name)))
                print(f"{test.__name__}: {time.monotonic() - started:.1f} s")
            except AssertionError as error:
                failures += 1
                line = error.__traceback__.tb_next and error.__traceback__.tb_next.tb_lineno
                print(f"FAILED: {test.__name__}, line {line}: {error}")
    print(f"{len(TESTS)} tests, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:3])))
