"""Memory and threads: what the tool takes of the machine, and what it says where the machine has not got it.

    limits.py REPOSITORY TOOL

Memory is asserted by limits and by the largest resident size, never by time.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

MIB = 1 << 20


class Tool:
    def __init__(self, repository: Path, tool: Path, folder: Path):
        self.repository, self.tool, self.folder = repository, tool, folder

    def run(self, arguments: str, address_space: int | None = None, **environment: str):
        """Exit status, stdout, stderr and the largest resident size in bytes."""
        def limit() -> None:
            if address_space is not None:
                resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        with (self.folder / "out").open("w+") as out, (self.folder / "err").open("w+") as err:
            process = subprocess.Popen([self.tool, *arguments.split()], cwd=self.folder, stdout=out, stderr=err,
                                       stdin=subprocess.DEVNULL, preexec_fn=limit, env={**os.environ, **environment})
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            return process.returncode, out.read(), err.read(), usage.ru_maxrss * 1024

    def done(self, arguments: str, most_bytes: int, **options) -> str:
        status, out, err, resident = self.run(arguments, **options)
        assert status == 0, (arguments, status, err)
        assert resident <= most_bytes, (arguments, resident)
        return out

    def refused(self, arguments: str, *texts: str, **options) -> None:
        status, out, err, _ = self.run(arguments, **options)
        assert status == 2 and not out and err.count("\n") == 1, (arguments, status, out, err)
        assert all(text in err for text in texts), (arguments, err)


def rows(*requests: dict[int, list[int]], layers: int = 1) -> str:
    """JSON lines: of each request, the ids by step, the same in every layer."""
    lines = []
    for number, steps in enumerate(requests):
        for step, ids in steps.items():
            for layer in range(layers):
                lines.append(json.dumps({"request_id": number, "layer_id": layer, "step_idx": step,
                                         "seq_len_current": 101 + step, "selected_token_pos": ids}))
    return "\n".join(lines) + "\n"


def huge_ids(tool: Tool) -> None:
    """A slot of a pool may have any number: memory follows the slots that are used."""
    for name, requests in {"one": 1, "twelve": 12}.items():
        (tool.folder / f"{name}.jsonl").write_text(rows(*({0: [400_000_000 + i]} for i in range(requests))))
        tool.done(f"import {name}.jsonl --ids physical --layers 1 -o {name}.dsat", 100 * MIB)
        for command in ["replay", "replay --policy fifo", "replay --policy lfu --capacity 1000", "replay --capacity 0",
                        "replay --policy belady --capacity 2", "curve", "curve --capacities 1,1000000 --histograms --json -",
                        "knee --target misses=0", "allocate --budget 16x", "analyze", "verify"]:
            words = command.split()
            tool.done(" ".join([words[0], f"{name}.dsat", *words[1:]]), 100 * MIB)


def large_capacity(tool: Tool) -> None:
    """A capacity costs what can be in it: 40 requests of 16 layers, 32 accesses a stream, contexts of 10^6."""
    with (tool.folder / "forty.jsonl").open("w") as file:
        for request in range(40):
            for step in range(2):
                for layer in range(16):
                    ids = [(layer * 7919 + step * 31 + i * 60_013) % 1_000_000 for i in range(16)]
                    file.write(json.dumps({"request_id": request, "layer_id": layer, "step_idx": step,
                                           "seq_len_current": 1_000_001 + step, "selected_token_pos": ids}) + "\n")
    tool.done("import forty.jsonl --layers 16 -o forty.dsat", 400 * MIB)
    for policy in ["lru", "fifo", "lfu", "hisparse", "random,atomic=step"]:
        out = tool.done(f"replay forty.dsat --capacity 1ctx --policy {policy} --json -", 800 * MIB)
        assert json.loads(out)["totals"]["misses"] == 40 * 16 * 32, json.loads(out)["totals"]


def memory_limit(tool: Tool) -> None:
    k512 = tool.repository / "traces/k512-req_0.dsat"
    for command in ["replay {} --capacity 2x", "curve {}", "analyze {}", "study {} --model deepseek-v3.2 --gpu h100"]:
        tool.refused(command.format(k512), "of memory (", "the memory limit is 1.0 MiB", DSASIM_MEMORY_BYTES="1000000")
        tool.refused(command.format(k512) + " --memory-limit 2MiB", "of memory (", "the memory limit is 2.0 MiB",
                     DSASIM_MEMORY_BYTES="1000000000")
    tool.refused(f"replay {k512}", 'DSASIM_MEMORY_BYTES: expected a number of bytes, found "8GB"',
                 DSASIM_MEMORY_BYTES="8GB")
    tool.refused(f"replay {k512} --memory-limit much", "--memory-limit: ", "much")
    tool.done(f"replay {k512} --capacity 2x", 500 * MIB, DSASIM_MEMORY_BYTES="1000000000")
    tool.done(f"replay {k512} --capacity 2x --memory-limit 1GB", 500 * MIB, DSASIM_MEMORY_BYTES="1")


def threads(tool: Tool) -> None:
    """Threads that cannot be started: the others do the work."""
    k512 = tool.repository / "traces/k512-req_0.dsat"
    expected = tool.done(f"replay {k512} --capacity 2x --json -", 500 * MIB)
    for space in [400, 1000, 3000]:
        for command in ["replay {} --capacity 2x --json - --jobs 1024", "curve {} --jobs 1024", "analyze {} --jobs 1024",
                        "replay {} --capacity 2x --policy belady --jobs 1024"]:
            status, out, err, _ = tool.run(command.format(k512), address_space=space * MIB)
            assert status == 0 or (status == 2 and err.count("\n") == 1), (command, space, status, err)
            assert status != 0 or "--json" not in command or out == expected, (command, space)


def main(repository: Path, executable: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        tool = Tool(repository, executable, Path(folder))
        memory_limit(tool)
        status, *_ = tool.run("--version", address_space=300 * MIB)
        if status != 0:  # sanitizers reserve more than any limit, and what they add to memory is theirs
            print("limits: built with a sanitizer, no limits on the address space")
            return 0
        huge_ids(tool)
        large_capacity(tool)
        threads(tool)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
