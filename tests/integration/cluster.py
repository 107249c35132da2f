"""VictoriaLogs as one process or as a cluster, and a simulated fleet that is sent to it while a storage node dies."""
import importlib.machinery, importlib.util, os, re, shutil, signal, subprocess, sys
from servers import await_true, fetch, free_port, start, stop

HERE = os.path.dirname(os.path.abspath(__file__))


def find_engine(build):
    """The program, or None: tools/engines installs it."""
    places = (shutil.which("victoria-logs"), build + "/engines/victoria-logs", HERE + "/../../build/engines/victoria-logs")
    return next((p for p in places if p and os.access(p, os.X_OK)), None)


def load_sim():
    """tools/fleet-sim as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("fleet_sim", HERE + "/../../tools/fleet-sim")
    sim = importlib.util.module_from_spec(importlib.util.spec_from_loader("fleet_sim", loader))
    loader.exec_module(sim)
    return sim


class Node:
    """One process of the engine."""
    def __init__(self, engine, folder, name, *flags):
        self.name, self.port, self.folder = name, free_port(), folder
        self.url = f"http://127.0.0.1:{self.port}"
        self.argv = [engine, f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={folder}/{name}", "-retentionPeriod=100y",
                     "-inmemoryDataFlushInterval=1s", "-memory.allowedBytes=300MB", *flags]
        self.start()

    def start(self):
        self.process = start(self.argv, stdout=subprocess.DEVNULL, stderr=open(f"{self.folder}/{self.name}.said", "a"))
        await_true(self.name + " answers", lambda: fetch(self.url + "/health")[0] == 200)

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def lines_on_disk(self):
        """None while any are in memory alone, or their streams' names are."""
        text = fetch(self.url + "/metrics")[2]
        value = lambda name: float(re.search("^" + re.escape(name) + r" (\S+)$", text, re.M)[1])
        if any(value(n) for n in ('vl_pending_rows{type="storage"}', 'vl_pending_rows{type="indexdb"}', 'vl_storage_rows{type="storage/inmemory"}')):
            return None
        return value('vl_storage_rows{type="storage/small"}') + value('vl_storage_rows{type="storage/big"}')


class Cluster:
    """Two storage nodes and a front."""
    def __init__(self, engine, folder):
        self.nodes = [Node(engine, folder, "a"), Node(engine, folder, "b")]
        self.front = Node(engine, folder, "front", "-storageNode=" + ",".join(f"127.0.0.1:{n.port}" for n in self.nodes))
        self.spent = 0.0

    def cpu_seconds(self):
        return self.spent + sum(n.cpu_seconds() for n in (*self.nodes, self.front))

    def are_on_disk(self, lines):
        counts = [n.lines_on_disk() for n in self.nodes]
        return None not in counts and sum(counts) == lines

    def stop(self):
        for node in (self.front, *self.nodes):
            stop(node.process)

    def weather(self, while_one_is_dead):
        """What `simulate` calls between two minutes: a storage node is killed, and comes back after a quarter of the time. It had put
        on disk what it had taken."""
        mortal, state = self.nodes[1], {"killed": False}

        def between(share, truth):
            if share >= 0.4 and not state["killed"]:
                await_true("all that was sent is on disk", lambda: self.are_on_disk(truth["sent_lines"]))
                self.spent, state["killed"] = mortal.cpu_seconds(), True
                stop(mortal.process, signal.SIGKILL)
                while_one_is_dead()
            if share >= 0.65 and mortal.process.poll() is not None:
                mortal.start()
        return between


def same_sums(score):
    return score["records"][0] == score["records"][1] and score["tokens"][0] == score["tokens"][1]
