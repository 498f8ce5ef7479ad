"""A real Slurm on this machine, for tests and for storm.py: munged, slurmctld and a slurmd a node, on the loopback.

    with SlurmMachine(folder, nodes=2, cpus=2) as slurm:        sets SLURM_CONF
        slurm.say("squeue")
        slurm.kill_node("n1"); slurm.start_node("n1")

Needs root, and the packages slurmctld, slurmd, slurm-client and munge of Debian or Ubuntu. Everything lies in one
folder and on ports of its own; nothing in /etc or /run is touched, so several can run at once. There is no accounting,
nothing pins or limits jobs (no cgroups), and a dead node's jobs live on, as they may where only the network is down.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
PACKAGES = "slurmctld slurmd slurm-client munge"
PATIENCE = 120.0

CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job may start again when its credential has expired: after 120 s by default.
AuthInfo=socket={state}/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={state}/controller
SlurmctldPidFile={state}/slurmctld.pid
SlurmdSpoolDir={state}/spool-%n
SlurmdPidFile={state}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
# Nodes may have more cores than the machine.
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
JobRequeue=1
MaxArraySize={max_array}
MaxJobCount=20000
KillWait=5
SlurmdTimeout=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{user_signal}
NodeName=DEFAULT CPUs={cpus} RealMemory={memory} State=UNKNOWN
{nodes}
PartitionName=DEFAULT Nodes=ALL State=UP PriorityTier=1 GraceTime=10
PartitionName=main Default=YES MaxTime=INFINITE DefaultTime=60
PartitionName=short MaxTime=1 DefaultTime=1
PartitionName=urgent PriorityTier=10 MaxTime=INFINITE DefaultTime=60 PreemptMode=OFF
"""


def why_not():
    """Return why Slurm cannot run here, None if there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root"
    missing = [name for name in DAEMONS if shutil.which(name) is None]
    return f"{', '.join(missing)} missing: apt-get install {PACKAGES}" if missing else None


class SlurmMachine:
    """The daemons.

    Args:
        folder: for all state; its path has no space in it. nodes, cpus: how many nodes, and cores of each.
        user_signal: whether a job that is preempted gets its --signal, too.
        max_array: MaxArraySize, one more than the largest index.
    """

    def __init__(self, folder, nodes=1, cpus=4, user_signal=True, max_array=1001):
        self.state, self.host = Path(folder), socket.gethostname().partition(".")[0]
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self.state.mkdir(parents=True, exist_ok=True)
        self.conf = self.state / "slurm.conf"
        self.processes = {}
        port = free_ports(nodes + 1)
        lines = [
            f"NodeName={name} NodeHostname={self.host} NodeAddr=127.0.0.1 Port={port + number}"
            for number, name in enumerate(self.names, start=1)
        ]
        text = CONF.format(
            host=self.host,
            port=port,
            state=self.state,
            max_array=max_array,
            user_signal="SlurmctldParameters=preempt_send_user_signal" if user_signal else "",
            cpus=cpus,
            memory=1000 * cpus,
            nodes="\n".join(lines),
        )
        self.conf.write_text(text)
        # From 23.11 on, slurmd wants cgroups unless told; before, it does not know the word.
        version = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout.split()[-1]
        if tuple(int(part) for part in version.split(".")[:2]) >= (23, 11):
            (self.state / "cgroup.conf").write_text("CgroupPlugin=disabled\n")

    def __enter__(self):
        self.before = os.environ.get("SLURM_CONF")
        os.environ["SLURM_CONF"] = str(self.conf)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.stop()
        if self.before is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = self.before

    def start(self):
        """Start all daemons, and wait until all nodes are idle."""
        key = self.state / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        socket_path = self.state / "munge.socket"
        files = [f"--{kind}-file={self.state / 'munge'}.{kind}" for kind in ("pid", "log", "seed")]
        self.run_daemon(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_path}", *files
        )
        wait_for(socket_path.exists, "munged's socket")
        self.start_controller()
        for name in self.names:
            self.start_node(name)
        wait_for(self.all_idle, "idle nodes")

    def run_daemon(self, name, *words):
        """Start a daemon in the foreground, under a name."""
        with open(self.state / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_controller(self):
        self.run_daemon("slurmctld", "slurmctld", "-D")

    def start_node(self, name):
        """Start a node's slurmd; jobs that outlived the one before are known to it."""
        (self.state / f"spool-{name}").mkdir(exist_ok=True)
        self.run_daemon(f"slurmd-{name}", "slurmd", "-D", "-N", name)

    def kill(self, name):
        """Kill a daemon by SIGKILL; the jobs of a slurmd live on."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def kill_controller(self, forget=None):
        """Kill slurmctld, which writes what it knows to its folder a few seconds late.

        Args:
            forget: what `memory()` returned; all that the controller has learnt since is lost.
        """
        self.kill("slurmctld")
        if forget is not None:
            shutil.rmtree(self.state / "controller")
            shutil.copytree(forget, self.state / "controller")

    def memory(self):
        """Return the folder of a copy of what the controller has written down by now."""
        copy = self.state / "memory"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.state / "controller", copy)
        return copy

    def kill_node(self, name):
        self.kill(f"slurmd-{name}")

    def heal(self):
        """Cancel what is queued, start what has died, call drained nodes back, and wait until all are idle.

        Jobs that a killed controller had not yet written down live on without it. They are killed: it gives their
        numbers to the next jobs, and a node that has two of one number is drained.
        """
        if "slurmctld" not in self.processes:
            self.start_controller()
        for name in self.names:
            if f"slurmd-{name}" not in self.processes:
                self.start_node(name)
        wait_for(self.node_states, "the controller")
        subprocess.run(["scancel", "--user=root"], capture_output=True, check=False, timeout=60)
        wait_for(self.all_idle, "idle nodes")
        self.kill_left_over()

    def all_idle(self):
        states = self.node_states()
        self.resume(states)
        return set(states.values()) == {"idle"}

    def resume(self, states):
        """Call back the nodes that Slurm has drained, or given up; return how many."""
        names = [name for name, state in states.items() if state.startswith(("drain", "down"))]
        for name in names:
            words = ["scontrol", "update", f"NodeName={name}", "State=RESUME"]
            subprocess.run(words, capture_output=True, check=False, timeout=60)
        return len(names)

    def let_go_on(self):
        """Do what an operator does: call nodes back, release the tasks that Slurm holds; return how many of each."""
        nodes = self.resume(self.node_states())
        lines = self.say("squeue", "-h", "-r", "--states=PENDING", "-o", "%i|%r").splitlines()
        held = [line.partition("|")[0] for line in lines if "held" in line.lower()]
        for task in held:
            self.say("scontrol", "release", task)
        return nodes, len(held)

    def say(self, *words):
        """Run a command of Slurm and return what it prints."""
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout

    def node_states(self):
        words = ["sinfo", "-h", "-N", "-p", "main", "-o", "%N %T"]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        return dict(line.split() for line in result.stdout.splitlines())

    def stop(self):
        """End jobs and daemons."""
        if "slurmctld" in self.processes:
            subprocess.run(["scancel", "--full", "--user=root"], capture_output=True, check=False, timeout=60)
            time.sleep(0.2)
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = {}
        self.kill_left_over()

    def kill_left_over(self):
        """Kill the processes of jobs."""
        for pid in self.left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def left_over(self):
        """Return the processes of jobs of this Slurm: they carry its configuration in their environment."""
        mark = f"SLURM_CONF={self.conf}".encode()
        found = []
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                environ = (proc / "environ").read_bytes()
                of_a_job = b"SLURM_JOB_ID=" in environ or "slurmstepd" in (proc / "comm").read_text()
                if of_a_job and mark in environ.split(b"\0") and int(proc.name) != os.getpid():
                    found.append(int(proc.name))
            except OSError:  # it has ended, or is nobody's
                continue
        return found


def free_ports(number):
    """Return the first of so many neighbouring ports that are free."""
    for base in range(20000 + os.getpid() % 5000, 32000, number):
        sockets = []
        try:
            for port in range(base, base + number):
                one = socket.socket()
                sockets.append(one)
                one.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise RuntimeError("no free ports")


def wait_for(condition, what, patience=PATIENCE):
    """Ask until `condition()` is true, and return its value; after `patience` seconds, fail with what it says."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {patience:.0f} s in vain for {what() if callable(what) else what}")
