"""Runtimes that others wrote, watched as they are: outputs are the same, and each conversation has the numbers it has alone.

Run by tests/python/peers. From the package index: rwkv7-hf, rwkvserve, flash-linear-attention where torch is new enough. From
clones in the folder $RWKVMON_PEERS: Albatross and rwkv_lightning, whose model classes run on the processor in full precision,
with their one CUDA kernel replaced by the same recurrence in torch; and RWKV-Runner, whose server runs as it is.
"""
import concurrent.futures
import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
import unittest
import urllib.request
from unittest import mock

import torch

import rwkvmon
from rwkvmon import Options

PEERS = os.environ.get("RWKVMON_PEERS", "")
LAYERS, WIDTH, HEAD, VOCAB = 2, 128, 64, 300
CHATS = [[5 + 40 * i + j * j % 7 for j in range(12)] for i in range(3)]


def events(log, kind="inference_step"):
    with open(log, encoding="utf-8") as lines:
        return [e for e in map(json.loads, lines) if e["event_type"] == kind]


def timeless(step):
    return step["sequence_length"], step["phase"], step["tokens"], step["accuracy"]


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        torch.manual_seed(3)
        torch.set_grad_enabled(False)

    def tearDown(self):
        self.dir.cleanup()

    def options(self, name="run.log"):
        return Options(log=os.path.join(self.dir.name, name), alarms_to_stderr=False, overhead_budget_pct=-1, log_tokens=True)

    def watched(self, model, run, name="run.log"):
        """What run() says, and the steps of each session."""
        monitor = rwkvmon.watch(model, self.options(name))
        said = run()
        monitor.close()
        found = {}
        for step in events(monitor.log_path):
            found.setdefault(step["session_id"], []).append(step)
        for method in [name for name in vars(model) if hasattr(vars(model)[name], "monitor")]:
            del vars(model)[method]
        return said, list(found.values())

    def check(self, make, batch, alone):
        """batch(model): all CHATS as rows; alone(model, chat): one of them. Each returns logits, row by row."""
        model = make()
        want = batch(model)
        said, rows = self.watched(model, lambda: batch(model))
        self.assertTrue(all(map(torch.equal, said, want)))
        self.assertEqual(len(rows), len(CHATS))
        for i, chat in enumerate(CHATS):
            _, one = self.watched(model, lambda chat=chat: alone(model, chat), f"alone{i}.log")
            self.assertEqual(len(one), 1)
            mine = next(steps for steps in rows if steps[0]["tokens"][0] == chat[0])
            self.assertEqual([timeless(s)[:3] for s in mine], [timeless(s)[:3] for s in one[0]])
            for a, b in zip(mine, one[0]):
                self.assertEqual(set(a["accuracy"]), set(b["accuracy"]))
                for name, value in a["accuracy"].items():
                    self.assertAlmostEqual(value, b["accuracy"][name], delta=2e-3, msg=name)  # rows are summed in another order
        self.assertTrue(all("state_similarity" in s["accuracy"] for s in mine[1:]))


def write_model(folder, name, **more):
    """A random RWKV-7 of this file's size; its path without .pth."""
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))
    import python_bench

    path = os.path.join(folder, name)
    with mock.patch.multiple(python_bench, LAYERS=LAYERS, WIDTH=WIDTH, HEAD=HEAD, **more):
        torch.save(python_bench.random_model(torch, 7), path + ".pth")
    return path


class Rwkv7Hf(Case):
    def setUp(self):
        super().setUp()
        try:
            import rwkv7_hf  # noqa: F401
        except ModuleNotFoundError as e:
            self.skipTest(f"SKIPPED: rwkv7-hf: {e}")
        from rwkv7_hf import RWKV7Config, RWKV7ForCausalLM
        self.make = lambda: RWKV7ForCausalLM(RWKV7Config(hidden_size=WIDTH, num_hidden_layers=LAYERS, head_dim=HEAD, vocab_size=VOCAB)).eval()

    def run_with(self, model, chats, cut=6):
        """A prompt, then token by token, with the cache that comes back."""
        said = model(torch.tensor([c[:cut] for c in chats]), use_cache=True)
        found = [said.logits[:, -1]]
        for at in range(cut, len(chats[0])):
            said = model(torch.tensor([[c[at]] for c in chats]), past_key_values=said.past_key_values, use_cache=True)
            found.append(said.logits[:, -1])
        return found

    def test_rows_are_conversations(self):
        self.check(self.make, lambda m: self.run_with(m, CHATS), lambda m, chat: self.run_with(m, [chat]))

    def test_it_is_named(self):
        model = self.make()
        self.watched(model, lambda: self.run_with(model, CHATS[:1]))
        said = events(os.path.join(self.dir.name, "run.log"), "session_start")[0]["metadata"]
        self.assertEqual((said["model_version"], said["runtime"]["name"], said["n_layer"]), ("7", "rwkv7_hf", LAYERS))


class Rwkvserve(Case):
    def setUp(self):
        super().setUp()
        try:
            import rwkvserve.models.rwkv7.model  # noqa: F401
        except ModuleNotFoundError as e:
            self.skipTest(f"SKIPPED: rwkvserve: {e}")
        from rwkvserve.models.rwkv7.config import SimpleTrainConfig
        from rwkvserve.models.rwkv7.model import RWKV7Model

        def make():
            model = RWKV7Model(SimpleTrainConfig(n_layer=LAYERS, n_embd=WIDTH, vocab_size=VOCAB)).eval()
            for p in model.parameters():
                p.data = torch.randn_like(p) * 0.2
            return model
        self.make = make

    def run_with(self, model, chats, cut=6):
        out, states = model.forward_with_state(torch.tensor([c[:cut] for c in chats]), None)
        found = [out[:, -1]]
        for at in range(cut, len(chats[0])):
            out, states = model.forward_with_state(torch.tensor([[c[at]] for c in chats]), states)
            found.append(out[:, -1])
        return found

    def test_rows_are_conversations(self):
        self.check(self.make, lambda m: self.run_with(m, CHATS), lambda m, chat: self.run_with(m, [chat]))

    def test_requests_come_and_go_between_calls(self):
        """As its scheduler does: states of requests are taken out of one batch and put together into the next."""
        model = self.make()

        def run():
            kept, left = {}, {i: list(chat) for i, chat in enumerate(CHATS)}
            for batch in ([0], [0, 1], [1, 2], [2, 0], [0, 1, 2], [1], [2, 1]):
                ids = torch.tensor([[left[i].pop(0)] for i in batch])
                given = [kept.get(i) or model.init_state(1) for i in batch]
                joined = [{k: torch.cat([g[layer][k] for g in given]) for k in given[0][layer]} for layer in range(LAYERS)]
                _, after = model.forward_with_state(ids, joined)
                for row, i in enumerate(batch):
                    kept[i] = [{k: v[row:row + 1].clone() for k, v in layer.items()} for layer in after]
        _, sessions = self.watched(model, run)
        self.assertEqual(self.lengths_of_chats(sessions), {0: [1, 2, 3, 4], 1: [1, 2, 3, 4, 5], 2: [1, 2, 3, 4]})

    @staticmethod
    def lengths_of_chats(sessions):
        lengths = {}
        for steps in sessions:
            for s in steps:
                lengths.setdefault((s["tokens"][0] - 5) // 40, []).append(s["sequence_length"])
        return {i: sorted(n) for i, n in lengths.items()}


    def test_its_servers_scheduler(self):
        """It keeps states in slots, and calls the model's blocks itself; its constructor wants a tokenizer, which no call needs."""
        try:
            from rwkvserve.inference.scheduler_core import SchedulerCore
        except ModuleNotFoundError as e:
            self.skipTest(f"SKIPPED: rwkvserve's scheduler: {e}")
        core = SchedulerCore.__new__(SchedulerCore)
        core.model = self.make()

        def run():
            first = core.model.init_state(3)
            pool = [torch.stack([layer[name].clone() for layer in first]) for name in ("att_x_prev", "att_kv", "ffn_x_prev")]
            left, said = [list(chat) for chat in CHATS], []
            for slots, n in ([0], 3), ([1], 2), ([0, 1], 1), ([2], 4), ([2, 0, 1], 1), ([1, 2], 1):
                ids = torch.tensor([[left[i].pop(0) for _ in range(n)] for i in slots])
                hidden, after = core._model_forward_with_state(ids, *(part[:, slots] for part in pool))
                for part, now in zip(pool, after):
                    part[:, slots] = now
                said.append(hidden)
            return said
        want = run()
        said, rows = self.watched(core, run)
        self.assertTrue(all(map(torch.equal, said, want)))
        self.assertEqual(self.lengths_of_chats(rows), {0: [3, 4, 5], 1: [2, 3, 4, 5], 2: [4, 5, 6]})
        self.assertTrue(all("state_similarity" in s["accuracy"] for steps in rows for s in steps if s["phase"] == "decode"))


class FlashLinearAttention(Case):
    """Its model classes and caches as they are; without a card, with the recurrence and the like in torch, for Triton's kernels."""

    NAME, PACKAGE = "flash-linear-attention", "fla"

    def setUp(self):
        super().setUp()
        try:
            layer = importlib.import_module(self.PACKAGE + ".layers.rwkv7")
            modeling = importlib.import_module(self.PACKAGE + ".models.rwkv7.modeling_rwkv7")
        except Exception as e:  # an older torch
            self.skipTest(f"SKIPPED: {self.NAME} does not import here: {type(e).__name__}: {str(e)[:100]}")
        for module, name in [(layer, name) for name in vars(FlaOperations)] + [(modeling, "token_shift")]:
            if hasattr(module, name) and not name.startswith("_"):
                change = mock.patch.object(module, name, getattr(FlaOperations, name))
                change.start()
                self.addCleanup(change.stop)
        ranks = {name + "_low_rank_dim": 16 for name in ("decay", "gate", "a", "v")}

        def make():
            torch.manual_seed(3)
            model = modeling.RWKV7ForCausalLM(modeling.RWKV7Config(hidden_size=64, num_hidden_layers=LAYERS, head_dim=32, vocab_size=VOCAB, fuse_norm=False,
                                                 hidden_act="relu", fuse_cross_entropy=False, **ranks)).eval()
            for p in model.parameters():
                p.data += torch.randn_like(p) * 0.05
            return model
        self.make = make
        try:
            make()(torch.tensor(CHATS), use_cache=True)
        except Exception as e:  # of another age than transformers here
            self.skipTest(f"SKIPPED: {self.NAME} itself does not run here: {type(e).__name__}: {str(e)[:100]}")

    run_with = Rwkv7Hf.run_with

    def test_rows_are_conversations(self):
        self.check(self.make, lambda m: self.run_with(m, CHATS), lambda m, chat: self.run_with(m, [chat]))

    def test_generate_with_a_mask_and_with_beams(self):
        model, ids = self.make(), torch.tensor(CHATS)
        mask = torch.ones_like(ids)
        mask[1, :4] = 0
        by_hand = ids
        for _ in range(6):
            by_hand = torch.cat([by_hand, model(by_hand).logits[:, -1].argmax(-1, keepdim=True)], 1)
        if not torch.equal(model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=0), by_hand):
            self.skipTest(f"SKIPPED: with this transformers, generate() of {self.NAME} loses the state between its calls")
        for more, lengths in ({"attention_mask": mask}, {12, 8}), ({"num_beams": 3}, {12}):
            def run(more=more):
                return model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0, **more)
            try:
                want = run()
            except AttributeError as e:
                self.skipTest(f"SKIPPED: {self.NAME} itself does not generate with {', '.join(more)} here: {e}")
            said, rows = self.watched(model, run, "".join(more) + ".log")
            self.assertTrue(torch.equal(said, want))
            begun = [r for r in rows if r[0]["phase"] == "prefill"]
            self.assertEqual({r[0]["sequence_length"] for r in begun}, lengths)
            self.assertEqual(max(r[-1]["sequence_length"] for r in rows), 19)
            for r in rows:  # branches of beams too: each goes on where its state was
                self.assertEqual([s["sequence_length"] for s in r], list(range(r[0]["sequence_length"], r[0]["sequence_length"] + len(r))))
            self.assertTrue(all("state_similarity" in s["accuracy"] for r in rows for s in r if s["phase"] == "decode"))


class RwkvFla(FlashLinearAttention):
    NAME, PACKAGE = "rwkv-fla", "rwkvfla"


class FlaOperations:
    """What Triton computes, by the names in fla.layers.rwkv7."""

    @staticmethod
    def token_shift(x, cu_seqlens=None, cache=None, output_cache=False, **_):
        before = torch.zeros_like(x[:, :1]) if cache is None else cache.view(len(x), 1, -1)
        moved = torch.cat([before, x[:, :-1]], 1) - x
        return (moved, x[:, -1:].clone()) if output_cache else moved

    @staticmethod
    def chunk_rwkv7(r, w, k, v, a, b, initial_state=None, output_final_state=False, **_):
        state = r.new_zeros(len(r), r.shape[2], r.shape[3], v.shape[3]) if initial_state is None else initial_state.clone()
        said = []
        for t in range(r.shape[1]):
            def column(x, t=t):
                return x[:, t].unsqueeze(-1)
            removed = (column(a) * state).sum(-2, keepdim=True)
            state = state * column(w.exp()) + column(b) * removed + column(k) * v[:, t].unsqueeze(-2)
            said.append((column(r) * state).sum(-2))
        return torch.stack(said, 1), state if output_final_state else None

    @staticmethod
    def fused_mul_recurrent_rwkv7(r, w, k, v, kk, a, **more):
        return FlaOperations.chunk_rwkv7(r, w, k, v, -kk, kk * a, **more)

    @staticmethod
    def fused_addcmul_rwkv7(x, moved, *shares):
        return tuple(x.addcmul(moved, share) for share in shares)

    @staticmethod
    def fused_k_rwkv7(k, a, share):
        return k.addcmul(k * (a - 1), share)

    @staticmethod
    def gate_output_correction(o, r, k, r_k, v, g):
        return (o + ((r * k * r_k).sum(-1, keepdim=True) * v).view(o.shape)) * g


def recurrence(batch, n_tokens, width, heads, state, r, w, k, v, a, b, y):
    """RWKV-7's, in place of the kernel: w is the logarithm of minus the decay's logarithm."""
    size = width // heads
    s, said = state.view(batch, heads, size, size), y.view(batch, n_tokens, heads, size)
    r, w, k, v, a, b = (t.reshape(batch, n_tokens, heads, size).float() for t in (r, w, k, v, a, b))
    for t in range(n_tokens):
        row = lambda x: x[:, t].unsqueeze(-2)  # noqa: E731
        s.copy_(s * row(torch.exp(-torch.exp(w))) + (s @ a[:, t].unsqueeze(-1)) @ row(b) + v[:, t].unsqueeze(-1) @ row(k))
        said[:, t] = (s @ r[:, t].unsqueeze(-1)).squeeze(-1)


class Kernel:
    """The operations of the extensions that both compile, by their names there."""

    forward = staticmethod(recurrence)

    @staticmethod
    def forward_seq(batch, n_tokens, width, heads, *tensors):
        recurrence(batch, n_tokens, width, heads, *tensors[:8])

    @staticmethod
    def forward_one(batch, width, heads, *tensors):
        recurrence(batch, 1, width, heads, *tensors[:8])

    @staticmethod
    def spmv_forward(rows, columns, vector, matrix, out):
        out.copy_(vector @ matrix)


class Albatross(Case):
    FILE, OPERATION = ("Albatross", "reference", "rwkv7.py"), "rwkv7_state_fwd_fp16"

    def setUp(self):
        super().setUp()
        path = os.path.join(PEERS, *self.FILE)
        if not PEERS or not os.path.exists(path):
            self.skipTest(f"SKIPPED: {self.FILE[0]}: no {os.path.join(*self.FILE)} in the folder that RWKVMON_PEERS names ({PEERS or 'unset'})")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        text = self.mended(text).replace("torch.half", "torch.float").replace("'cuda'", "'cpu'").replace('"cuda"', '"cpu"')
        text = re.sub(r"torch\.ops\." + self.OPERATION + r"\.(\w+)\(", r"_kernel.\1(", text)
        text = text.replace("MyModule = torch.jit.ScriptModule", "MyModule = nn.Module").replace("torch.jit.script_method", "(lambda f: f)")
        text = text.replace("MyStatic = torch.jit.script\n", "MyStatic = lambda f: f\n")
        self.module = types.ModuleType("reference.rwkv7")
        self.module.__dict__.update(_kernel=Kernel, __file__=path)
        with mock.patch("torch.utils.cpp_extension.load", lambda *a, **k: None):
            exec(compile(text, path, "exec"), self.module.__dict__)

    @staticmethod
    def mended(text):
        return text

    def make(self):
        return self.module.RWKV_x070(types.SimpleNamespace(MODEL_NAME=write_model(self.dir.name, "model", VOCAB=VOCAB), n_layer=LAYERS,
                                                           n_embd=WIDTH, vocab_size=VOCAB, head_size=HEAD))

    def run_with(self, model, chats, cut=6):
        out, state = model.forward_batch([c[:cut] for c in chats], None)
        found = [out]
        for at in range(cut, len(chats[0])):
            out, state = model.forward_batch([[c[at]] for c in chats], state)
            found.append(out)
        return [f.clone() for f in found]

    def test_rows_are_conversations(self):
        self.check(self.make, lambda m: self.run_with(m, CHATS), lambda m, chat: self.run_with(m, [chat]))

    def test_a_single_conversation(self):
        model = self.make()

        def run():
            out, state = model.forward(CHATS[0][:6], None)
            for token in CHATS[0][6:]:
                out, state = model.forward([token], state)
            return [out]
        want = run()
        said, rows = self.watched(model, run)
        self.assertTrue(torch.equal(said[0], want[0]))
        self.assertEqual([[s["sequence_length"] for s in steps] for steps in rows], [list(range(6, 13))])


class RwkvLightning(Albatross):
    """Its states are changed in place. What this torch lacks of torch.library is not needed without its compiler."""

    FILE = ("rwkv_lightning", "infer", "rwkv_batch", "rwkv7.py")

    @staticmethod
    def mended(text):
        text = text.replace("from torch.library import register_fake\n", "")
        text = re.sub(r"(?m)^@torch\.library\.custom_op.*\n", "", text)
        text = re.sub(r"(?m)^@\w+\.register_fake\n(#.*\n)?def _\(.*\n(    .*\n)+", "", text)
        text = text.replace("MyDisable = torch.compiler.disable", "MyDisable = lambda f: f")
        text = text.replace("MyModule = torch.jit.ScriptModule", "MyModule = torch.nn.Module")
        return re.sub(r"(?m)^( +)free_bytes, total_bytes = torch\.cuda\.mem_get_info\(\)", r"\1free_bytes = total_bytes = 1 << 30", text)

    def run_with(self, model, chats, cut=6):
        state = model.generate_zero_state(len(chats))
        found = [model.forward_batch([c[:cut] for c in chats], state).clone()]
        for at in range(cut, len(chats[0])):
            found.append(model.forward_batch([[c[at]] for c in chats], state).clone())
        return found

    def test_a_single_conversation(self):
        model = self.make()

        def run():
            state = model.generate_zero_state(0)
            found = [model.forward(CHATS[0][:6], state).clone()]
            for token in CHATS[0][6:]:
                found.append(model.forward([token], state).clone())
            return found
        want = run()
        said, rows = self.watched(model, run)
        self.assertTrue(all(map(torch.equal, said, want)))
        self.assertEqual([[s["sequence_length"] for s in steps] for steps in rows], [list(range(6, 13))])

    def test_slots_of_a_batch_that_ends_one_after_the_other(self):
        """forward_batch() of prompts of different lengths: rows are put into smaller batches and back."""
        model = self.make()
        prompts = [CHATS[0][:3], CHATS[1][:7], CHATS[2][:5]]

        def run():
            state = model.generate_zero_state(3)
            first = model.forward_batch(prompts, state).clone()
            return [first, model.forward_batch([[c[9]] for c in CHATS], state).clone()]
        want = run()
        said, rows = self.watched(model, run)
        self.assertTrue(all(map(torch.equal, said, want)))
        self.assertEqual(sorted([s["sequence_length"] for s in steps] for steps in rows), [[3, 4], [5, 6], [7, 8]])


class RwkvRunner(Case):
    """Its server, unmodified, under python -m rwkvmon and without: what it answers, and whose the calls are."""

    FOLDER = os.path.join(PEERS, "RWKV-Runner", "backend-python")
    NEEDS = "fastapi uvicorn sse_starlette psutil tiktoken mido midi2audio multipart fitz diskcache miditok cyac langchain".split()
    PROMPTS = "Hello there", "The weather", "Hello there"

    def setUp(self):
        super().setUp()
        if not PEERS or not os.path.exists(os.path.join(self.FOLDER, "main.py")):
            self.skipTest(f"SKIPPED: RWKV-Runner: no RWKV-Runner/backend-python in the folder that RWKVMON_PEERS names ({PEERS or 'unset'})")
        missing = [name for name in self.NEEDS if importlib.util.find_spec(name) is None]
        if missing:
            self.skipTest(f"SKIPPED: RWKV-Runner: this Python has no {', '.join(missing)}")
        self.model = write_model(self.dir.name, "tiny-x070-World", VOCAB=65536)
        self.log = os.path.join(self.dir.name, "run.log")

    def ask(self, port, path, **body):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as said:
            return json.load(said)

    def answers(self, *before):
        """Of its server, started by these arguments of Python; the prompts one after the other, then two at the same time."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        with open(os.path.join(self.dir.name, "server.txt"), "w+", encoding="utf-8") as out:
            server = subprocess.Popen([sys.executable, "-B", *before, "main.py", "--port", str(port)], cwd=self.FOLDER, stdout=out, stderr=out,
                                      env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
            try:
                while server.poll() is None:
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                        break
                    time.sleep(0.2)
                self.assertIsNone(server.poll(), out.seek(0) or out.read())
                self.ask(port, "/switch-model", model=self.model + ".pth", strategy="cpu fp32")

                def complete(prompt):
                    said = self.ask(port, "/v1/completions", prompt=prompt, max_tokens=20, temperature=1, top_p=0, presence_penalty=0, frequency_penalty=0)
                    return said["choices"][0]["text"], said["usage"]["completion_tokens"]
                found = [complete(p) for p in self.PROMPTS]
                with concurrent.futures.ThreadPoolExecutor(2) as pool:
                    return found + list(pool.map(complete, ("One of two", "And the other")))
            finally:
                server.send_signal(signal.SIGINT)
                server.wait()

    def test_its_answers_and_whose_the_calls_are(self):
        want = self.answers()
        self.assertEqual(self.answers("-m", "rwkvmon", "--log", self.log, "-q"), want)
        sequences = {}
        for step in events(self.log):
            sequences.setdefault((step["session_id"], step["sequence"]), []).append((step["sequence_length"], step["phase"]))
        runs = [run for run in sequences.values() if run[-1][1] == "decode"]  # without what it warms up with
        self.assertEqual(len(runs), 5)
        for run in runs:  # each goes on where it was, one token after the other
            lengths = [n for n, _ in run]
            self.assertEqual(lengths, list(range(lengths[0], lengths[0] + len(lengths))))
            self.assertEqual({phase for _, phase in run[1:]}, {"decode"})
        self.assertEqual([run[0][1] for run in runs].count("decode"), 1)  # the prompt that came again was in its cache of states
        self.assertEqual(events(self.log, "alarm"), [])


if __name__ == "__main__":
    unittest.main()
