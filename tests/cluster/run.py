"""A sweep on a real Slurm of one node: submitted, a task of it killed half way, submitted again.

    run.py REPOSITORY TOOL

Starts munged, slurmctld and slurmd on loopback, with configuration, keys and state in a temporary folder, and ends them.
Needs the packages slurm-wlm and munge, and nothing that they configured.
"""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GRID = {"trace": "batch.dsat", "policy": ["lfu", "belady", "lru"], "scope": ["stream", "shared"],
        "capacity": ["1x", "2x", "3x", "4x"], "page-tokens": [16, 64]}
SHARDS = 4
PATIENCE_S = 120

CONFIGURATION = """
ClusterName=dsasim
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=10000
SlurmdParameters=config_overrides
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={tasks} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def wait_until(what: str, happened) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE_S} s for {what}")
        time.sleep(0.002)


class Cluster:
    """The three daemons, in the foreground: they are our children and end with us."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons = []
        host = socket.gethostname().split(".")[0]
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        (folder / "munge").mkdir(mode=0o700)
        (folder / "munge/key").write_bytes(os.urandom(256))
        (folder / "munge/key").chmod(0o400)
        (folder / "slurm.conf").write_text(CONFIGURATION.format(
            host=host, folder=folder, user=getpass.getuser(), tasks=SHARDS,
            controller_port=free_port(), node_port=free_port()))
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        self.host = host

    def __enter__(self):
        try:
            self.start("munged", "--foreground", "--force", f"--key-file={self.folder}/munge/key",
                       f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munge/pid",
                       f"--log-file={self.folder}/munge/log", f"--seed-file={self.folder}/munge/seed")
            wait_until("munged", (self.folder / "munge.socket").exists)
            self.start("slurmctld", "-D", "-c")
            wait_until("slurmctld", lambda: subprocess.run(["scontrol", "ping"], capture_output=True,
                                                           check=False).returncode == 0)
            self.start("slurmd", "-D", "-c", "-N", self.host)
            wait_until("slurmd", lambda: "idle" in output("sinfo", "--noheader", "--format=%T"))
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def start(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            raise AssertionError(f"{name} is not there: install slurm-wlm and munge (tools/packages [ci])")
        with open(self.folder / f"{name}.out", "wb") as out:
            self.daemons.append(subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stdout=out,
                                                 stderr=out))

    def __exit__(self, kind, _error, _trace):
        if kind is not None:
            for log in sorted(self.folder.glob("*.out")) + sorted(self.folder.glob("*.log")):
                print(f"---- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        try:  # what runs would outlive the daemons
            subprocess.run(["scancel", "--signal=KILL", f"--user={getpass.getuser()}"], timeout=20, check=False)
            wait_until("the jobs' end", no_jobs)
        except (AssertionError, subprocess.TimeoutExpired):
            pass  # no controller, no jobs
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def output(*command, status: int = 0, cwd=None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{command}: exit status {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def journaled(journal: Path) -> list[str]:
    lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
    return [line for line in lines[1:] if line.endswith("\n")]


def holder_of(path: Path) -> int | None:
    """The process that has a file open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == str(path):
                return int(link.parts[2])
        except OSError:
            pass
    return None


def kill_half_way(folder: Path) -> tuple[int, list[str]]:
    """Kills a task that has finished some of its points; says which, and what it had finished."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for shard in range(1, SHARDS + 1):
            journal = folder / f"out.csv.parts/{shard}.csv.journal"
            if journaled(journal) and not (folder / f"out.csv.parts/{shard}.csv").exists():
                process = holder_of(journal)
                if process is not None:
                    os.kill(process, signal.SIGKILL)
                    wait_until("the task's end", lambda process=process: not Path(f"/proc/{process}").exists())
                    if not (folder / f"out.csv.parts/{shard}.csv").exists():
                        return shard, journaled(journal)
        time.sleep(0.002)
    raise AssertionError("no task could be killed half way")


def no_jobs() -> bool:
    return output("squeue", "--noheader") == ""


def killed_and_resumed(repository: Path, tool: Path, folder: Path) -> None:
    submit = repository / "tools/cluster/submit"
    os.environ["DSASIM"] = str(tool)
    shutil.copy(repository / "traces/paper256.dsat", folder / "batch.dsat")
    (folder / "grid.json").write_text(json.dumps(GRID))
    output(tool, "sweep", "grid.json", "-o", "whole.csv", cwd=folder)

    print(output(submit, "grid.json", "out.csv", SHARDS, cwd=folder), end="")
    assert "is still at it" in output(submit, "grid.json", "out.csv", SHARDS, status=2, cwd=folder)
    shard, finished = kill_half_way(folder)
    print(f"killed shard {shard} when it had {len(finished)} points")
    wait_until("the other tasks", no_jobs)
    assert not (folder / "out.csv").exists()
    parts = {path.name for path in (folder / "out.csv.parts").glob("*.csv")}
    assert parts == {f"{number}.csv" for number in range(1, SHARDS + 1) if number != shard}, parts

    said = output(submit, "grid.json", "out.csv", SHARDS, cwd=folder)
    print(said, end="")
    assert f"1 of {SHARDS} shards ({shard})" in said, said
    wait_until("the shard and the merge", lambda: no_jobs() and (folder / "out.csv").exists())
    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    lines = journaled(folder / f"out.csv.parts/{shard}.csv.journal")
    assert lines[:len(finished)] == finished, "what was finished is gone"
    assert len({line.split()[1] for line in lines}) == len(lines), "a point was repeated"

    assert "out.csv is complete" in output(submit, "grid.json", "out.csv", SHARDS, cwd=folder)
    assert "begun with 4 shards, found 5" in output(submit, "grid.json", "out.csv", 5, status=2, cwd=folder)
    trace = (folder / "batch.dsat").read_bytes()
    shutil.copy(repository / "traces/paper128-req_0.dsat", folder / "batch.dsat")
    assert "begun with other traces" in output(submit, "grid.json", "out.csv", SHARDS, status=2, cwd=folder)
    (folder / "batch.dsat").write_bytes(trace)
    (folder / "grid.json").write_text(json.dumps(GRID | {"capacity": "1x"}))
    assert "another grid" in output(submit, "grid.json", "out.csv", SHARDS, status=2, cwd=folder)
    (folder / "grid.json").write_text(json.dumps(GRID | {"polcy": "lru"}))
    assert 'unknown key "polcy"' in output(submit, "grid.json", "other.csv", SHARDS, status=2, cwd=folder)
    assert not (folder / "other.csv.parts").exists()


def main(repository: Path, tool: Path) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the daemons must not outlive us
    # Short: a socket's path has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="dsasim-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "slurm").mkdir()
        (folder / "work").mkdir()
        with Cluster(folder / "slurm"):
            killed_and_resumed(repository, tool, folder / "work")
    print("ok: the merged table is that of one machine")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:3])))
