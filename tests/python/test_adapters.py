"""Models of other runtimes under rwkvmon.watch(): transformers' real RwkvForCausalLM, the real package rwkv, and and, as
stand-ins over the package's arithmetic, an RWKV_x070 in the shape that Albatross and rwkv_lightning share and an RWKV7ForCausalLM
with flash-linear-attention's interface: both need a GPU. Each part says SKIPPED where its package is missing."""
import copy
import json
import os
import pickle
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

os.environ.update(RWKV_V7_ON="1", RWKV_CUDA_ON="0")
import torch

import rwkvmon
from rwkvmon.device import WallClock
from rwkvmon import Options

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EMBEDDED = os.path.join(ROOT, "models", "tiny-rwkv7")
try:
    from transformers import RwkvConfig, RwkvForCausalLM
except ImportError as e:
    RwkvForCausalLM, missing = None, str(e)
    print(f"SKIPPED: transformers' RwkvForCausalLM: {missing}")
else:
    missing = ""
torch.set_num_threads(1)
# Of a row of a batch and of the same row alone: another order of additions, half a digit of the log.
TOLERANCE = {"logits_entropy": 2e-4, "surprisal_nats": 2e-4, "token_repetition_pct": 0.01, "decay_half_life_tokens": 0.02}


def events(log, kind="inference_step"):
    with open(log, encoding="utf-8") as lines:
        return [e for e in map(json.loads, lines) if e["event_type"] == kind]


def sessions(log):
    """The steps of each session, in the order in which the sessions began."""
    found = {}
    for step in events(log):
        found.setdefault(step["session_id"], []).append(step)
    return list(found.values())


def numbers(steps):
    """What does not depend on the clock."""
    return [(s["sequence_length"], s["token_count"], s["phase"], s.get("tokens"), s["accuracy"]) for s in steps]


def equal(case, got, want, msg=""):
    """Every number of two conversations, within the tolerance of batched sums."""
    case.assertEqual(len(got), len(want), msg)
    for one, other in zip(numbers(got), numbers(want)):
        case.assertEqual(one[:4], other[:4], msg)
        case.assertEqual(one[4].keys(), other[4].keys(), msg)
        for name, value in one[4].items():
            if isinstance(value, dict):
                value, other[4][name] = value["p50"], other[4][name]["p50"]
            case.assertAlmostEqual(value, other[4][name], delta=TOLERANCE.get(name, 3e-6), msg=f"{msg} {name}")


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.n = 0

    def tearDown(self):
        self.dir.cleanup()

    def options(self, **more):
        self.n += 1
        return Options(log=os.path.join(self.dir.name, f"{self.n}.log"), alarms_to_stderr=False, overhead_budget_pct=-1,
                       log_tokens=True, **more)

    def watched(self, model):
        """A copy of the model that is watched by itself."""
        again = copy.deepcopy(model)
        return again, rwkvmon.watch(again, self.options())


@unittest.skipIf(RwkvForCausalLM is None, f"SKIPPED: transformers' RwkvForCausalLM: {missing}")
class Transformers(Case):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(0)
        config = RwkvConfig(vocab_size=300, hidden_size=32, num_hidden_layers=3, attention_hidden_size=32, context_length=512,
                            eos_token_id=None)
        cls.plain = RwkvForCausalLM(config).eval()
        for p in cls.plain.parameters():
            if p.dim() > 1:
                p.data.normal_(0, 0.5)

    def prompts(self, n, length=12):
        return torch.randint(1, 300, (n, length), generator=torch.Generator().manual_seed(n))

    def alone(self, chunks):
        """The steps of one conversation by itself: its prompt, and what is fed after it."""
        model, monitor = self.watched(self.plain)
        state = None
        with torch.no_grad():
            for chunk in chunks:
                state = model(input_ids=chunk[None], state=state, use_cache=True).state
        monitor.close()
        return events(monitor.log_path)

    def test_generate_of_one_is_bit_identical_and_named(self):
        prompt = self.prompts(1)
        model, monitor = self.watched(self.plain)
        for how in ({"do_sample": True}, {"do_sample": False}):
            torch.manual_seed(5)
            want = self.plain.generate(prompt, max_new_tokens=120, pad_token_id=0, **how)
            torch.manual_seed(5)
            got = model.generate(prompt, max_new_tokens=120, pad_token_id=0, **how)
            self.assertTrue(torch.equal(got, want))
        monitor.close()
        start, steps = events(monitor.log_path, "session_start")[0], events(monitor.log_path)
        said = start["metadata"]
        self.assertEqual((said["model_version"], said["n_layer"], said["n_embd"], said["vocab_size"]), ("4", 3, 32, 300))
        self.assertEqual(said["model_bytes"], sum(p.numel() * 4 for p in self.plain.parameters()))
        self.assertEqual(said["runtime"]["name"], "transformers")
        self.assertEqual(len(steps), 2 * 120)
        self.assertEqual(steps[119]["sequence_length"], 12 + 119)
        self.assertEqual([s["phase"] for s in steps[:2]], ["prefill", "decode"])
        self.assertIn("token_repetition_pct", steps[119]["accuracy"])
        self.assertTrue(any("decay_half_life_tokens" in s["accuracy"] for s in steps))
        self.assertIn("surprisal_nats", steps[5]["accuracy"])

    def test_numbers_are_those_of_the_tensors(self):
        model, monitor = self.watched(self.plain)
        with torch.no_grad():
            out = model(input_ids=self.prompts(1), use_cache=True)
            old = [t.clone() for t in out.state]
            out = model(input_ids=torch.tensor([[7]]), state=out.state, use_cache=True)
        monitor.close()
        last = events(monitor.log_path)[-1]
        log_p = torch.log_softmax(out.logits[0, -1].double(), -1)
        self.assertAlmostEqual(last["accuracy"]["logits_entropy"], float(-(log_p.exp() * log_p).sum()), delta=1.5e-4)
        for name, parts in (("state_similarity_shift", (0, 1)), ("state_similarity_wkv", (2, 3, 4))):
            a, b = (torch.cat([state[i].double().flatten() for i in parts]) for state in (old, out.state))
            self.assertAlmostEqual(last["accuracy"][name], float(a @ b / (a.norm() * b.norm())), delta=3e-6)
        self.assertEqual(last["resources"]["state_size_bytes"], sum(t.numel() * 4 for t in out.state))

    def test_generate_of_a_batch_is_a_conversation_each(self):
        prompts = self.prompts(4)
        model, monitor = self.watched(self.plain)
        how = {"max_new_tokens": 110, "do_sample": False, "pad_token_id": 0}
        want = self.plain.generate(prompts, **how)
        got = model.generate(prompts, output_logits=True, return_dict_in_generate=True, **how)
        monitor.close()
        self.assertTrue(torch.equal(got.sequences, want))
        found = sessions(monitor.log_path)
        self.assertEqual([len(steps) for steps in found], [110] * 4)
        self.assertTrue(all(s["batch_size"] == 4 for steps in found for s in steps))
        log_p = torch.log_softmax(torch.stack(got.logits).double(), -1)
        entropy = -(log_p.exp() * log_p).sum(-1)
        for row, steps in enumerate(found):
            self.assertEqual([t for s in steps for t in s["tokens"]], want[row, :-1].tolist())
            self.assertEqual(steps[-1]["sequence_length"], 12 + 109)
            for i, s in enumerate(steps):
                self.assertAlmostEqual(s["accuracy"]["logits_entropy"], float(entropy[i, row]), delta=1.5e-4)
                if i:
                    self.assertAlmostEqual(s["accuracy"]["surprisal_nats"], -float(log_p[i - 1, row, want[row, 11 + i]]), delta=1.5e-4)

    def test_two_batches_in_one_model_come_back_in_any_order(self):
        # Two tokens a call: of one token a call transformers (4.40) adds the rows' shifts to each other.
        first, second = self.prompts(3), self.prompts(2)
        model, monitor = self.watched(self.plain)
        tokens = torch.randint(1, 300, (60, 3, 2), generator=torch.Generator().manual_seed(9))
        with torch.no_grad():
            a, b = model(input_ids=first, use_cache=True).state, model(input_ids=second, use_cache=True).state
            for i, t in enumerate(tokens):
                if i % 3:
                    a = model(input_ids=t, state=a, use_cache=True).state
                if i % 2:
                    b = model(input_ids=t[:2], state=copy.deepcopy(b), use_cache=True).state  # known by its contents
        monitor.close()
        found = sessions(monitor.log_path)
        self.assertEqual([len(steps) for steps in found], [41] * 3 + [31] * 2)
        for n, steps in enumerate(found):
            every, row, prompt = (3, n, first) if n < 3 else (2, n - 3, second)
            fed = [t[row] for i, t in enumerate(tokens) if i % every]
            equal(self, steps, self.alone([prompt[row], *fed]), f"conversation {n}")

    def test_a_state_reset_in_place_is_a_new_sequence(self):
        model, monitor = self.watched(self.plain)
        with torch.no_grad():
            state = model(input_ids=self.prompts(2), use_cache=True).state
            for part, begin in zip(state, (0, 0, 0, 0, -1e38)):
                part[1] = begin
            model(input_ids=self.prompts(2)[:, :5], state=state, use_cache=True)
        monitor.close()
        self.assertEqual([[s["sequence_length"] for s in steps] for steps in sessions(monitor.log_path)], [[12, 17], [12], [5]])

    def test_other_calls_change_nothing(self):
        model, monitor = self.watched(self.plain)
        ids = self.prompts(2)
        with torch.no_grad():
            for how in ({"use_cache": False}, {"return_dict": False, "use_cache": True}, {"labels": ids, "use_cache": False},
                        {"return_dict": False, "labels": ids, "use_cache": True}):
                got, want = model(input_ids=ids, **how), self.plain(input_ids=ids, **how)
                for a, b in zip(got if isinstance(got, tuple) else got.values(), want if isinstance(want, tuple) else want.values()):
                    self.assertTrue(all(map(torch.equal, a, b)) if isinstance(a, list) else torch.equal(a, b))
            model(inputs_embeds=torch.zeros(1, 2, 32))  # of no known tokens
            with self.assertRaises((TypeError, ValueError)):  # ValueError: of transformers 5, which takes any name
                model(no_such=1)
        model.train()(input_ids=ids)
        monitor.close()
        steps = events(monitor.log_path)
        self.assertEqual(len(steps), 2 * 4)
        self.assertTrue(all("logits_entropy" in s["accuracy"] for s in steps))

    def test_copies_are_plain_and_watching_twice_is_once(self):
        model, monitor = self.watched(self.plain)
        self.assertIs(rwkvmon.watch(model), monitor)
        for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            with torch.no_grad():
                self.assertTrue(torch.equal(again(input_ids=self.prompts(1)).logits, self.plain(input_ids=self.prompts(1)).logits))
            self.assertIs(again.forward.__self__, again)
        monitor.close()
        self.assertFalse(os.path.exists(monitor.log_path))

    def test_the_documented_block_runs(self):
        with open(os.path.join(ROOT, "docs", "INTEGRATIONS.md"), encoding="utf-8") as f:
            block = f.read().split("## transformers, flash")[1].split("```python\n")[1].split("```")[0]
        run = subprocess.run([sys.executable, "-c", block], cwd=self.dir.name, capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(len(sessions(os.path.join(self.dir.name, "rows.log"))), 2)

    def test_python_m_rwkvmon_watches_it_as_it_is_made(self):
        script = os.path.join(self.dir.name, "script.py")
        with open(script, "w", encoding="utf-8") as f:
            f.write("import torch\nfrom transformers import RwkvConfig, RwkvForCausalLM\n"
                    "m = RwkvForCausalLM(RwkvConfig(vocab_size=50, hidden_size=8, num_hidden_layers=2, attention_hidden_size=8, eos_token_id=None)).eval()\n"
                    "m.generate(torch.ones(2, 3, dtype=torch.long), max_new_tokens=5, do_sample=False, pad_token_id=0)\n")
        log = os.path.join(self.dir.name, "script.log")
        run = subprocess.run([sys.executable, "-m", "rwkvmon", "--log", log, "-q", script], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn("NOTHING WAS WATCHED", run.stderr)
        self.assertEqual([len(steps) for steps in sessions(log)], [5, 5])


def rwkv_model():
    try:
        from rwkv.model import RWKV
    except ImportError as e:
        raise unittest.SkipTest(f"SKIPPED: the package rwkv: {e}")
    return RWKV(EMBEDDED, "cpu fp32")


class Package(Case):
    """The package rwkv's own class, with the methods that its documentation names."""

    @classmethod
    def setUpClass(cls):
        cls.plain = rwkv_model()

    def run_by(self, model, forward_one):
        """A prompt, then 30 tokens by one of the methods; the logits of each."""
        out, state = model.forward(list(b"Once upon a time"), None)
        found = [out]
        for token in b" there was a king who had a so":
            out, state = forward_one(model, token, state)
            found.append(out)
        return found

    def test_every_way_to_feed_a_token_is_one_conversation(self):
        ways = {"forward": lambda m, t, s: m.forward([t], s), "forward_one": lambda m, t, s: m.forward_one(t, s),
                "forward_seq": lambda m, t, s: (lambda o, s: (o, s))(*m.forward_seq([t], s, False)),
                "forward_one_alt": lambda m, t, s: m.forward_one_alt(m.z["emb.weight"][t], s)}
        want = {name: self.run_by(self.plain, way) for name, way in ways.items()}
        logs = {}
        for name, way in ways.items():
            model = rwkv_model()
            monitor = rwkvmon.watch(model, self.options())
            self.assertTrue(all(map(torch.equal, self.run_by(model, way), want[name])), name)
            monitor.close()
            logs[name] = sessions(monitor.log_path)
            self.assertEqual([len(steps) for steps in logs[name]], [31], name)
            self.assertEqual([s["tokens"] for s in logs[name][0][-2:]], [[ord("s")], [ord("o")]], name)
        for name in ("forward_one", "forward_one_alt"):
            equal(self, logs[name][0], logs["forward"][0], name)
        self.assertEqual(events(monitor.log_path, "session_start")[0]["metadata"]["model_version"], "7")

    def test_replays_of_a_cuda_graph_are_calls(self):
        """The documented loop, with a stand-in for the graph: it computes anew what the recorded call computed."""
        model, capturing = rwkv_model(), [False]

        class Graph:
            def capture_begin(self):
                capturing[0] = True

            def replay(self):
                out, after = self.model.forward_one_alt(embedding, state_in)
                for to, said in zip([logits, *state_out], [out, *after]):
                    to.copy_(said)

        Graph.model, text = self.plain, b" there was a king who"
        want = [self.plain.forward(list(b"Once upon a time"), None)]
        for token in text:
            want.append(self.plain.forward([token], [t.clone() for t in want[-1][1]]))
        with mock.patch("torch.cuda.CUDAGraph", Graph), mock.patch("torch.cuda.is_current_stream_capturing", lambda: capturing[0]), \
                mock.patch("rwkvmon.adapters.rwkv_package.RwkvPackage.device", lambda _: "cuda:0"), \
                mock.patch("rwkvmon.monitor.clock_for", lambda *_: WallClock()):
            monitor = rwkvmon.watch(model, self.options())
            embedding, state_in = torch.empty(model.n_embd), model.generate_zero_state()
            graph = torch.cuda.CUDAGraph()
            graph.capture_begin()
            logits, state_out = model.forward_one_alt(embedding, state_in)
            capturing[0] = False
            _, state = model.forward(list(b"Once upon a time"), None)
            for to, said in zip(state_in, state):
                to.copy_(said)
            for at, token in enumerate(text):
                embedding.copy_(model.z["emb.weight"][token])
                graph.replay()
                self.assertTrue(torch.equal(logits, want[at + 1][0]))
                for to, said in zip(state_in, state_out):
                    to.copy_(said)
            embedding.fill_(0.5)  # no token's: the model is run, and nothing is said of it
            graph.replay()
            monitor.close()
        steps, = sessions(monitor.log_path)
        self.assertEqual([s["tokens"] for s in steps], [list(b"Once upon a time"), *([t] for t in text)])
        self.assertEqual([s["sequence_length"] for s in steps], [16 + i for i in range(len(text) + 1)])
        self.assertEqual([s["phase"] for s in steps], ["prefill"] + ["decode"] * len(text))
        for step, (out, _), (_, before), (_, after) in zip(steps[1:], want[1:], want, want[1:]):
            log_p = torch.log_softmax(out.double(), -1)
            self.assertAlmostEqual(step["accuracy"]["logits_entropy"], float(-(log_p.exp() * log_p).sum()), delta=2e-4)
            a, b = (torch.cat([t.double().flatten() for t in s]) for s in (before, after))
            self.assertAlmostEqual(step["accuracy"]["state_similarity"], float(a @ b / (a.norm() * b.norm())), delta=1e-5)

    def test_spawned_processes_are_watched(self):
        with open(os.path.join(self.dir.name, "spawned.py"), "w", encoding="utf-8") as f:
            f.write("def work(i):\n    from rwkv.model import RWKV\n"
                    f"    out, state = RWKV({EMBEDDED!r}, 'cpu fp32').forward([65, 66], None)\n")
        with open(os.path.join(self.dir.name, "script.py"), "w", encoding="utf-8") as f:
            f.write("import multiprocessing as mp, spawned\nif __name__ == '__main__':\n"
                    "    job = mp.get_context('spawn').Process(target=spawned.work, args=(1,))\n"
                    "    job.start()\n    job.join()\n    print(job.exitcode)\n")
        run = subprocess.run([sys.executable, "-m", "rwkvmon", "--log", "child.log", "-q", "--session-id", "mine", "script.py"],
                             cwd=self.dir.name, capture_output=True, text=True, check=False)
        self.assertEqual((run.returncode, run.stdout.splitlines()[-1:]), (0, ["0"]), run.stderr)
        self.assertNotIn("NOTHING WAS WATCHED", run.stderr)
        steps = events(os.path.join(self.dir.name, "child.log"))
        self.assertEqual([s["token_count"] for s in steps], [2])
        self.assertNotEqual(steps[0]["session_id"], "mine")  # the parent's

    def test_a_python_that_the_script_starts_is_watched(self):
        """As a notebook's server starts a kernel: another interpreter, with a command line of its own."""
        with open(os.path.join(self.dir.name, "kernel.py"), "w", encoding="utf-8") as f:
            f.write("import sys\nassert not any(m.split('.')[0] in ('rwkvmon', 'ctypes') for m in sys.modules), 'imported early'\n"
                    "from rwkv.model import RWKV\nmodel = RWKV(" + repr(EMBEDDED) + ", 'cpu fp32')\n"
                    "print(type(model).__name__, model.forward([65, 66, 67], None)[0].shape[0])\n")
        with open(os.path.join(self.dir.name, "sitecustomize.py"), "w", encoding="utf-8") as f:
            f.write("import builtins, runpy\nbuiltins.hidden = True\n")  # ours must not hide it
        with open(os.path.join(self.dir.name, "server.py"), "w", encoding="utf-8") as f:
            f.write("import os, subprocess, sys\nos.environ['PYTHONPATH'] += os.pathsep + os.getcwd()\n"
                    "subprocess.run([sys.executable, 'kernel.py'], check=True)\n"
                    "subprocess.run([sys.executable, '-c', 'print(hidden)'], check=True)\n"
                    "subprocess.run([sys.executable, '-S', '-c', 'print(1)'], check=True)\n")
        setup = [p for p in os.environ["PYTHONPATH"].split(os.pathsep) if not p.endswith("setup")]
        mended = "import torch, inspect\nplain = torch.load\ntorch.load = lambda *a, mmap=None, **k: plain(*a, **k)\n"
        with open(os.path.join(self.dir.name, "kernel.py"), "r+", encoding="utf-8") as f:
            text = f.read().replace("from rwkv.model", mended + "from rwkv.model", 1)
            f.seek(0)
            f.write(text)
        run = subprocess.run([sys.executable, "-m", "rwkvmon", "--log", "kernel.log", "-q", "server.py"], cwd=self.dir.name,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join(setup)}, capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual([line for line in run.stdout.splitlines() if line and "Loading" not in line][-3:], ["LoggingRWKV 256", "True", "1"])
        self.assertNotIn("NOTHING WAS WATCHED", run.stderr)
        self.assertEqual([s["token_count"] for s in events(os.path.join(self.dir.name, "kernel.log"))], [3])

    def test_a_model_that_was_not_called_is_not_called_an_unknown_one(self):
        with open(os.path.join(self.dir.name, "made.py"), "w", encoding="utf-8") as f:
            f.write(f"import sys\nfrom rwkv.model import RWKV\nmodel = RWKV({EMBEDDED!r}, 'cpu fp32')\nassert len(sys.argv) < 2, 'late'\n")
        for arguments, expected in ((), "made a model, but no call of it was watched"), (("x",), "before a call of its model was watched"):
            run = subprocess.run([sys.executable, "-m", "rwkvmon", "--log", "made.log", "-q", "made.py", *arguments], cwd=self.dir.name,
                                 capture_output=True, text=True, check=False)
            self.assertIn("NOTHING WAS WATCHED", run.stderr)
            self.assertIn(expected, run.stderr)
            self.assertNotIn("no model that is known", run.stderr)

    def test_7a_is_named(self):
        from rwkvmon.model import version_of
        weights = {"blocks.0.att.r_k": 0, "blocks.0.ffn.s_emb.weight": 0}
        os.environ["RWKV_DE_VERSION"] = "1"
        try:
            self.assertEqual(version_of(types.SimpleNamespace(z=weights)), "7a")
        finally:
            del os.environ["RWKV_DE_VERSION"]
        self.assertEqual(version_of(types.SimpleNamespace(z=weights)), "7")  # what runs then
        self.assertEqual(version_of(types.SimpleNamespace(w={})), "4")

    def test_any_runtime_is_watched_by_public_names_alone(self):
        """What a runtime without an adapter does, in full."""
        options = self.options()
        what = rwkvmon.Description(model_name="mine", n_layer=self.plain.n_layer, vocab_size=256)
        with rwkvmon.Collector(options, what) as monitor:
            chat, state = monitor.stream(request_id="req-1"), None
            for tokens in ([72, 105], [33], [33]):
                chat.begin()
                out, state = self.plain.forward(tokens, state)
                chat.end(tokens, phase=rwkvmon.PREFILL if len(tokens) > 1 else rwkvmon.DECODE, logits=rwkvmon.view_of(out),
                         state=rwkvmon.views_of(state, self.plain.n_layer))
        steps, = sessions(options.log)
        self.assertEqual([s["phase"] for s in steps], ["prefill", "decode", "decode"])
        self.assertTrue(all("state_similarity_wkv" in s["accuracy"] and "surprisal_nats" in s["accuracy"] for s in steps[1:]))
        self.assertTrue(all(hasattr(rwkvmon, name) for name in rwkvmon.__all__))
        with self.assertRaisesRegex(rwkvmon.RwkvmonError, "expected a contiguous one"):
            rwkvmon.view_of(torch.ones(4, dtype=torch.float64))

    def test_a_model_without_forward_is_watched_once(self):
        kind = type("RWKV7Model", (), {"__module__": "rwkvserve.models.rwkv7.model", "forward_with_state": lambda self, ids, states: None,
                                       "forward_batch_dynamic": lambda self, rows, states: None})
        model = kind()
        model.head = types.SimpleNamespace(weight=torch.ones(2, 2))
        first = rwkvmon.watch(model, self.options())
        method = model.forward_with_state
        self.assertIs(rwkvmon.watch(model, self.options()), first)
        self.assertIs(model.forward_with_state, method)

    def test_what_nobody_knows_is_refused_by_name(self):
        with self.assertRaisesRegex(rwkvmon.RwkvmonError, "torch.nn.modules.linear.Linear is no model that rwkvmon knows"):
            rwkvmon.watch(torch.nn.Linear(2, 2))


class RWKV_x070(torch.nn.Module):
    """The interface and the states of Albatross' class, over the package's arithmetic: rows one after the other."""

    def __init__(self, package):
        super().__init__()
        self.__dict__["package"] = package
        self.z, self.args, self.n_layer, self.n_embd = package.z, package.args, package.n_layer, package.n_embd

    def generate_zero_state(self, bsz):
        rows, heads, size = (bsz,) if bsz else (), self.package.n_head, self.package.head_size
        return [torch.zeros(self.n_layer, 2, *rows, self.n_embd), torch.zeros(self.n_layer, *rows, heads, size, size),
                torch.zeros(rows, dtype=torch.int32)]

    def _feed(self, tokens, shift, wkv):
        """(layers, 2, C) and (layers, H, N, N), changed in place."""
        out, new = self.package.forward(tokens, [t for i in range(self.n_layer) for t in (shift[i, 0].clone(), wkv[i].clone(),
                                                                                      shift[i, 1].clone())])
        for i in range(self.n_layer):
            shift[i, 0], wkv[i], shift[i, 1] = new[3 * i:3 * i + 3]
        return out

    def forward(self, idx, state, full_output=False):
        return self._feed(idx if isinstance(idx, list) else [idx], state[0], state[1])

    def forward_batch(self, tokens, state, full_output=False):
        return self.forward_seq_batch(tokens, state, full_output)

    def forward_seq_batch(self, idx, state, full_output=False):
        rows = [self._feed(list(row), state[0][:, :, i], state[1][:, i]) for i, row in enumerate(idx)]
        return torch.stack(rows)


class X070(Case):
    @classmethod
    def setUpClass(cls):
        cls.package = rwkv_model()
        cls.texts = [b"Once upon a time there was", b"It was the best of times; ", b"Call me Ishmael. Some year"]

    def alone(self, text, prompt=8):
        model = RWKV_x070(self.package)
        monitor = rwkvmon.watch(model, self.options())
        state = model.generate_zero_state(0)
        model.forward(list(text[:prompt]), state)
        for token in text[prompt:]:
            model.forward(token, state)
        monitor.close()
        return events(monitor.log_path)

    def test_rows_of_a_batch_are_conversations(self):
        plain, model = RWKV_x070(self.package), RWKV_x070(self.package)
        monitor = rwkvmon.watch(model, self.options())
        states = [m.generate_zero_state(3) for m in (plain, model)]
        for at in [slice(0, 8), *(slice(i, i + 1) for i in range(8, 26))]:
            batch = [list(text[at]) for text in self.texts]
            self.assertTrue(torch.equal(*(m.forward_batch(batch, s) for m, s in zip((plain, model), states))))
        self.assertTrue(all(map(torch.equal, *states)))
        monitor.close()
        found = sessions(monitor.log_path)
        self.assertEqual(len(found), 3)
        for text, steps in zip(self.texts, found):
            self.assertEqual(numbers(steps), numbers(self.alone(text)))  # exactly: each row is computed by itself

    def test_slots_are_given_to_others_and_rows_move(self):
        model = RWKV_x070(self.package)
        monitor = rwkvmon.watch(model, self.options())
        state = model.generate_zero_state(2)
        model.forward_seq_batch([list(b"one "), list(b"two ")], state)
        state[0][:, :, 0], state[1][:, 0] = 0, 0  # the slot is another's
        model.forward_seq_batch([list(b"three"), list(b"2 two")], state)
        kept = [part[:, :, [1]] if i == 0 else part[:, [1]] if i == 1 else part[[1]] for i, part in enumerate(state)]
        model.forward_batch(torch.tensor([list(b"last")]), kept)
        monitor.close()
        self.assertEqual([[s["sequence_length"] for s in steps] for steps in sessions(monitor.log_path)], [[4], [4, 9, 13], [5]])

    def test_a_call_that_records_a_cuda_graph_is_left_alone(self):
        model = RWKV_x070(self.package)
        with mock.patch("rwkvmon.adapters.x070.X070.device", lambda _: "cuda:0"), \
                mock.patch("torch.cuda.is_current_stream_capturing", lambda: True):
            monitor = rwkvmon.watch(model, self.options())
            model.forward_batch(torch.tensor([[65], [66]]), model.generate_zero_state(2))
            monitor.close()
        self.assertFalse(os.path.exists(monitor.log_path))

    def test_many_rows_stay_apart(self):
        model = RWKV_x070(self.package)
        monitor = rwkvmon.watch(model, self.options())
        state = model.generate_zero_state(100)
        for _ in range(3):
            model.forward_batch([[65 + i % 60] for i in range(100)], state)
        monitor.close()
        self.assertEqual([[s["sequence_length"] for s in steps] for steps in sessions(monitor.log_path)], [[1, 2, 3]] * 100)


class RWKV7ForCausalLM(torch.nn.Module):
    """The interface of flash-linear-attention's class: a cache of a dictionary a layer, replaced tensors, a mask."""

    def __init__(self, package):
        super().__init__()
        self.__dict__["package"] = package
        self.lm_head = torch.nn.Linear(package.n_embd, package.args.vocab_size, bias=False)
        self.config = types.SimpleNamespace(model_type="rwkv7", num_hidden_layers=package.n_layer, hidden_size=package.n_embd,
                                            vocab_size=package.args.vocab_size, attn=None, _name_or_path="fla-hub/rwkv7-tiny")

    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, use_cache=True, **kwargs):
        names, layers, rows, logits = ("conv_state", "recurrent_state", "ffn_state"), range(self.package.n_layer), [], []
        cache = past_key_values if past_key_values is not None else []
        for row, ids in enumerate(input_ids.tolist()):
            fed = ids if attention_mask is None else [t for t, m in zip(ids, attention_mask[row, -len(ids):].tolist()) if m]
            state = [cache[i][name][row].clone() for i in layers for name in names] if cache else None
            out, state = self.package.forward(fed, state, len(fed) > 1)
            rows.append(state)
            logits.append(torch.cat([out.new_zeros(len(ids) - len(fed), out.shape[-1]), out.view(len(fed), -1)]))
        cache[:] = [{"attn_state": None, **{name: torch.stack([r[3 * i + at] for r in rows]) for at, name in enumerate(names)}}
                    for i in layers]
        return types.SimpleNamespace(logits=torch.stack(logits), past_key_values=cache)


RWKV7ForCausalLM.__module__ = "fla.models.rwkv7.modeling_rwkv7"


class Fla(Case):
    texts = [b"Once upon a time there was", b"It was the best of times; ", b"Call me Ishmael. Some year"]

    @classmethod
    def setUpClass(cls):
        cls.package = rwkv_model()

    def watched(self):
        model = RWKV7ForCausalLM(self.package).eval()
        return model, rwkvmon.watch(model, self.options())

    def alone(self, text, prompt):
        model, monitor = self.watched()
        past = model(input_ids=torch.tensor([list(text[:prompt])])).past_key_values
        for token in text[prompt:]:
            past = model(input_ids=torch.tensor([[token]]), past_key_values=past).past_key_values
        monitor.close()
        return events(monitor.log_path)

    def test_a_padded_batch_and_reordered_beams(self):
        model, monitor = self.watched()
        prompts = [8, 5, 7]
        ids = torch.tensor([[0] * (8 - n) + list(text[:n]) for n, text in zip(prompts, self.texts)])
        mask = torch.tensor([[0] * (8 - n) + [1] * n for n in prompts])
        past = model(input_ids=ids, attention_mask=mask).past_key_values
        order = [0, 1, 2]
        for i in range(12):
            if i == 6:  # what reorder_cache() does
                order = [2, 0, 1]
                past[:] = [{k: v if v is None else v[order] for k, v in layer.items()} for layer in past]
            tokens = torch.tensor([[self.texts[row][prompts[row] + i]] for row in order])
            mask = torch.cat([mask, torch.ones(3, 1, dtype=torch.long)], 1)
            past = model(input_ids=tokens, attention_mask=mask, past_key_values=past).past_key_values
        monitor.close()
        found = sessions(monitor.log_path)
        self.assertEqual(len(found), 3)
        for text, prompt, steps in zip(self.texts, prompts, found):
            self.assertEqual(numbers(steps), numbers(self.alone(text[:prompt + 12], prompt)))
        self.assertEqual(events(monitor.log_path, "session_start")[0]["metadata"]["model_name"], "rwkv7-tiny")

    def test_a_model_is_where_its_weights_are_now(self):
        """from_pretrained() makes it on no device and loads it afterwards."""
        model = RWKV7ForCausalLM(self.package).eval()
        loaded, model.lm_head = model.lm_head, torch.nn.Linear(4, 4, device="meta")
        monitor = rwkvmon.watch(model, self.options())
        model.lm_head = loaded
        past = model(input_ids=torch.tensor([list(self.texts[0][:8])])).past_key_values
        for token in self.texts[0][8:]:
            past = model(input_ids=torch.tensor([[token]]), past_key_values=copy.deepcopy(past)).past_key_values
        monitor.close()
        self.assertEqual(numbers(events(monitor.log_path)), numbers(self.alone(self.texts[0], 8)))

    def test_what_a_first_call_returns_is_read_where_it_lies(self):
        """The head says one place, the layers are in another: nothing of theirs is read in this process's memory."""
        model, monitor = self.watched()
        plain = RWKV7ForCausalLM.forward

        def elsewhere(*args, **kwargs):
            said = plain(*args, **kwargs)
            return types.SimpleNamespace(logits=said.logits.to("meta"), past_key_values=[
                {name: t if t is None else t.to("meta") for name, t in layer.items()} for layer in said.past_key_values])
        with mock.patch.object(RWKV7ForCausalLM, "forward", elsewhere):
            for method in [name for name, value in vars(model).items() if hasattr(value, "monitor")]:
                vars(model)[method]._plain = types.MethodType(elsewhere, model)
            self.assertEqual(model(input_ids=torch.tensor([[65, 66], [67, 68]])).logits.device.type, "meta")
        monitor.close()
        steps = events(monitor.log_path)
        self.assertEqual([(s["token_count"], s["sequence_length"], "logits_entropy" in s.get("accuracy", {})) for s in steps], [(2, 2, False)] * 2)

    def test_a_head_of_another_kind_stops_nothing(self):
        model, monitor = self.watched()
        model.norm = torch.nn.LayerNorm(4)
        torch.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)  # its weight is no tensor
        model(input_ids=torch.tensor([[65, 66]]))
        monitor.close()
        self.assertEqual(len(events(monitor.log_path)), 1)

    def test_a_beam_that_splits_is_a_branch(self):
        model, monitor = self.watched()
        past = model(input_ids=torch.tensor([list(b"one two "), list(b"1 2 3 4 ")])).past_key_values
        past[:] = [{k: v if v is None else v[[0, 0]] for k, v in layer.items()} for layer in past]
        model(input_ids=torch.tensor([[65], [66]]), past_key_values=past)
        monitor.close()
        self.assertEqual([[s["sequence_length"] for s in steps] for steps in sessions(monitor.log_path)], [[8, 9], [8], [9]])


if __name__ == "__main__":
    unittest.main()
