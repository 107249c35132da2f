"""LoggingRWKV on the real package rwkv. The package chooses its class when it is imported, so this file runs once
with RWKV_V7_ON=1 and once without (tests/python/run)."""
import copy
import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

V7 = os.environ.get("RWKV_V7_ON") == "1"
os.environ.setdefault("RWKV_JIT_ON", "1")
os.environ.setdefault("RWKV_CUDA_ON", "0")

import torch

import rwkvmon
from rwkvmon import LoggingRWKV, Options

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SHARED = os.environ.get("RWKVMON_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
GOLDENS = os.path.join(SHARED, "goldens")
EMBEDDED = os.path.join(ROOT, "models", "tiny-rwkv7")
# What another correct fp32 implementation may differ by (goldens/tolerances.json), and half a digit of the log.
ENTROPY, SIMILARITY = 1e-4 + 5e-5, 2e-6 + 5e-7

OLDER = {"rand-v4": "rand-v4.fp32", "rand-v5.0": "rand-v5.0.fp32", "rand-v5.1": "rand-v5.1.fp32", "rand-v5.2": "rand-v5.2.fp32",
         "rand-v6": "rand-v6.fp32", "tiny-v4": "tiny-v4.fp32", "tiny-v5.2": "tiny-v5.2.fp32"}
SEVENS = {"rand-v7": "rand-v7.fp32", "tiny-v7": "tiny-v7.bf16"}
VERSIONS = {"rand-v4": "4", "rand-v5.0": "5.0", "rand-v5.1": "5.1", "rand-v5.2": "5.2", "rand-v6": "6", "rand-v7": "7"}
ANY_MODEL = EMBEDDED if V7 else os.path.join(GOLDENS, "models", "rand-v6.fp32")
have_goldens = unittest.skipUnless(os.path.isdir(GOLDENS), "SKIPPED: goldens: " + GOLDENS + " is not there")


def plain_class():
    return LoggingRWKV.rwkvmon_base


def make(cls, path, strategy="cpu fp32", **kwargs):
    return cls(model=path, strategy=strategy, **kwargs)


def events(log, kind="inference_step"):
    with open(log) as lines:
        return [e for e in map(json.loads, lines) if e["event_type"] == kind]


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


def entropy_of(logits):
    log_p = torch.log_softmax(logits.double(), -1)
    return float(-(log_p.exp() * log_p).sum())


def cosine_of(old, new):
    a, b = (torch.cat([t.double().flatten() for t in state]) for state in (old, new))
    return float(a @ b / (a.norm() * b.norm()))


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.log = os.path.join(self.dir.name, "run.log")

    def tearDown(self):
        self.dir.cleanup()

    def watched(self, path=ANY_MODEL, strategy="cpu fp32", **options):
        return make(LoggingRWKV, path, strategy, monitor=Options(log=self.log, alarms=False, budget_pct=-1, **options))


class Goldens(Case):
    """The numbers in the log against the official implementation's."""

    @have_goldens
    def test_one_token_at_a_time(self):
        for name, model in (SEVENS if V7 else OLDER).items():
            with self.subTest(name):
                self.log = os.path.join(self.dir.name, name + ".log")
                self.one_by_one(name, os.path.join(GOLDENS, "models", model))

    def one_by_one(self, name, path):
        with open(os.path.join(GOLDENS, "golden", name, "manifest.json")) as f:
            want = json.load(f)["sets"]["short"]
        plain, watched = make(plain_class(), path), self.watched(path)
        a = b = None
        for token in want["tokens"]:
            x, a = plain.forward([token], a)
            y, b = watched.forward([token], b)
            self.assertTrue(same(x, y) and all(map(same, a, b)), "outputs are not the same bits")
        watched.monitor.close()
        steps = events(self.log)
        self.assertEqual(len(steps), len(want["tokens"]))
        for step, entropy, cosine in zip(steps, want["entropy_nats"], want["state_cosine"]):
            self.assertAlmostEqual(step["accuracy"]["logits_entropy"], entropy, delta=ENTROPY)
            if cosine is None:
                self.assertNotIn("state_similarity", step["accuracy"])
            else:
                self.assertAlmostEqual(step["accuracy"]["state_similarity"], cosine, delta=SIMILARITY)
        for step, nll in zip(steps[1:], want["nll_next_nats"]):
            self.assertAlmostEqual(step["accuracy"]["surprisal_nats"], nll, delta=5e-4)
        self.assertEqual(events(self.log, "session_start")[0]["metadata"]["model_version"],
                         VERSIONS.get(name, VERSIONS["rand-" + name.split("-")[1]]))

    @have_goldens
    def test_in_chunks(self):
        for name, model in (SEVENS if V7 else OLDER).items():
            with self.subTest(name):
                self.log = os.path.join(self.dir.name, name + ".log")
                self.in_chunks(name, os.path.join(GOLDENS, "models", model), 13)

    def in_chunks(self, name, path, size):
        """Entropy at each chunk's end is the golden one; similarity is that of the states before and after it."""
        with open(os.path.join(GOLDENS, "golden", name, "manifest.json")) as f:
            want = json.load(f)["sets"]["short"]
        plain, watched = make(plain_class(), path), self.watched(path)
        tokens, a, b, similar = want["tokens"], None, None, [None]
        for at in range(0, len(tokens), size):
            before = copy.deepcopy(a)
            x, a = plain.forward(tokens[at:at + size], a)
            y, b = watched.forward(tokens[at:at + size], b)
            self.assertTrue(same(x, y) and all(map(same, a, b)), "outputs are not the same bits")
            if before:
                similar.append(cosine_of(before, a))
        watched.monitor.close()
        for i, (step, cosine) in enumerate(zip(events(self.log), similar)):
            last = min((i + 1) * size, len(tokens)) - 1
            # v5.0 and v5.1 compute a chunk by another formula, up to 1e-4 in the logits apart.
            self.assertAlmostEqual(step["accuracy"]["logits_entropy"], want["entropy_nats"][last], delta=ENTROPY + 2e-4)
            self.assertEqual(step["phase"], "prefill")
            if cosine is not None:
                self.assertAlmostEqual(step["accuracy"]["state_similarity"], cosine, delta=SIMILARITY)

    @unittest.skipUnless(V7, "the embedded model is an RWKV-7")
    def test_embedded_model(self):
        with open(os.path.join(ROOT, "models", "golden.json")) as f:
            want = json.load(f)
        watched, state = self.watched(EMBEDDED), None
        for token in want["tokens"]:
            _, state = watched.forward(token, state)  # the RWKV-7 class also takes a number
        watched.monitor.close()
        steps = events(self.log)
        for step, entropy in zip(steps, want["entropy_nats"]):
            self.assertAlmostEqual(step["accuracy"]["logits_entropy"], entropy, delta=ENTROPY)
        for step, nll in zip(steps[1:], want["nll_next_nats"]):
            self.assertAlmostEqual(step["accuracy"]["surprisal_nats"], nll, delta=5e-4)


class DropIn(Case):
    """Nothing changes for the caller; what is unknown is found out."""

    def test_is_the_class(self):
        import rwkv.model

        model = self.watched()
        self.assertIsInstance(model, plain_class())
        self.assertTrue(issubclass(LoggingRWKV, rwkv.model.RWKV))
        self.assertIs(rwkvmon.LoggingRWKV, LoggingRWKV)

    def test_forward_with_logging_and_full_output(self):
        plain, watched = make(plain_class(), ANY_MODEL), self.watched()
        x, _ = plain.forward([1, 2, 3], None, full_output=True)
        y, _ = watched.forward_with_logging([1, 2, 3], None, full_output=True)
        self.assertTrue(same(x, y) and x.dim() == 2)
        watched.forward([1, 2, 3], None, True)
        watched.monitor.close()
        first, second = events(self.log)
        self.assertAlmostEqual(first["accuracy"]["logits_entropy"], entropy_of(x[-1]), delta=ENTROPY)
        self.assertEqual(second["sequence"], 1)

    def test_metadata(self):
        model = self.watched()
        model.forward([1, 2], None)
        model.monitor.close()
        said = events(self.log, "session_start")[0]["metadata"]
        weights = model.w if hasattr(model, "w") else model.z
        self.assertEqual(said["model_name"], os.path.basename(ANY_MODEL))
        self.assertEqual(said["strategy"], "cpu fp32")
        self.assertEqual(said["model_bytes"], sum(t.numel() * t.element_size() for t in weights.values()))
        self.assertEqual(said["vocab_size"], model.forward([1], None)[0].shape[0])
        self.assertEqual((said["n_layer"], said["n_embd"]), (model.args.n_layer, model.args.n_embd))
        self.assertEqual(said["runtime"]["name"], "rwkv")
        self.assertEqual(said["runtime"]["version"], "0.8.32")
        self.assertIn("RWKV_CUDA_ON=0", said["runtime"]["flags"])
        self.assertGreater(said["load_time_ms"], 0)
        model.monitor.close()

    def test_logits_are_seen_before_the_caller_edits_them(self):
        model, state, want = self.watched(), None, []
        for token in (1, 2, 3):
            logits, state = model.forward([token], state)
            want.append(entropy_of(logits))
            logits[0] -= 1e10
            logits[:] = float("nan")
        model.monitor.close()
        for step, entropy in zip(events(self.log), want):
            self.assertAlmostEqual(step["accuracy"]["logits_entropy"], entropy, delta=ENTROPY)

    def test_sixteen_bits(self):
        plain, watched = make(plain_class(), ANY_MODEL, "cpu bf16"), self.watched(ANY_MODEL, "cpu bf16")
        a = b = None
        want = []
        for token in (3, 1, 4, 1, 5):
            before = copy.deepcopy(a)
            x, a = plain.forward([token], a)
            y, b = watched.forward([token], b)
            self.assertTrue(same(x, y) and all(map(same, a, b)))
            want.append((entropy_of(x), before and cosine_of(before, a)))
        self.assertIn(torch.bfloat16, {t.dtype for t in a})
        watched.monitor.close()
        for step, (entropy, cosine) in zip(events(self.log), want):
            self.assertAlmostEqual(step["accuracy"]["logits_entropy"], entropy, delta=ENTROPY)
            if cosine:
                self.assertAlmostEqual(step["accuracy"]["state_similarity"], cosine, delta=SIMILARITY)

    def test_pipeline_writes_the_same_text(self):
        import numpy
        from rwkv.utils import PIPELINE, PIPELINE_ARGS

        def text(model):
            pipeline = PIPELINE(model, "rwkv_vocab_v20230424")
            pipeline.encode, pipeline.decode = (lambda s: list(s.encode())), (lambda ids: bytes(i % 128 for i in ids).decode())
            numpy.random.seed(7)
            return pipeline.generate("Call me", 60, PIPELINE_ARGS(temperature=0.8, top_p=0.7, chunk_len=4))

        watched = self.watched()
        self.assertEqual(text(make(plain_class(), ANY_MODEL)), text(watched))
        watched.monitor.close()
        said = events(self.log, "session_start")[0]["metadata"]
        self.assertEqual(said["chunk_len"], 4)
        self.assertEqual((said["sampler"]["temperature"], said["sampler"]["top_p"]), (0.8, 0.7))
        self.assertEqual([s["token_count"] for s in events(self.log)[:3]], [4, 3, 1])

    def test_the_callers_errors_stay_the_callers(self):
        model = self.watched()
        with self.assertRaises(Exception):
            model.forward([10 ** 6], None)
        _, state = model.forward([1], None)
        model.forward([2], state)
        model.monitor.close()
        self.assertEqual([s["sequence_length"] for s in events(self.log)], [1, 2])

    def test_a_log_that_cannot_be_written_stops_nothing(self):
        self.log = os.path.join(self.dir.name, "no", "such", "folder.log")
        model = self.watched()
        x, state = model.forward([1], None)
        y, _ = make(plain_class(), ANY_MODEL).forward([1], None)
        self.assertTrue(same(x, y))
        model.forward([2], state)

    def test_tensors_that_are_not_contiguous(self):
        from rwkvmon.tensors import CpuViews

        model = self.watched()
        _, state = model.forward([1], None)
        matrices = max(range(len(state)), key=lambda i: state[i].dim())
        turned = state[matrices].clone().transpose(0, -1).contiguous().transpose(0, -1)
        views = CpuViews(torch)
        view = views.state([turned], 0)[0]
        import ctypes

        raw = (ctypes.c_float * view.count).from_address(view.data)
        self.assertEqual(list(raw), turned.flatten().tolist())
        model.monitor.close()


class Hook(Case):
    """python -m rwkvmon and programs that import the class by other ways. Each in a process of its own."""

    def run_script(self, text, *arguments):
        script = os.path.join(self.dir.name, "script.py")
        with open(script, "w") as f:
            f.write(text)
        done = subprocess.run([sys.executable, "-m", "rwkvmon", "--log", self.log, "--quiet", script, *arguments],
                              capture_output=True, text=True, cwd=self.dir.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_every_way_to_import(self):
        for i, way in enumerate(("from rwkv.model import RWKV", "import rwkv.model; RWKV = rwkv.model.RWKV",
                                 "import importlib; RWKV = importlib.import_module('rwkv.model').RWKV")):
            self.log = os.path.join(self.dir.name, f"{i}.log")
            self.run_script(f"{way}\nmodel = RWKV({ANY_MODEL!r}, 'cpu fp32')\nmodel.forward([1, 2, 3], None)\n")
            self.assertEqual([s["token_count"] for s in events(self.log)], [3])
            self.assertEqual(len(events(self.log, "session_end")), 1)

    def test_runners_copy_of_the_package(self):
        """RWKV-Runner carries the package as rwkv_pip and asks it from an object with CHUNK_LEN."""
        import rwkv.model

        folder = os.path.join(self.dir.name, "rwkv_pip")
        os.mkdir(folder)
        shutil.copy(rwkv.model.__file__, folder)
        self.run_script(f"""
from rwkv_pip.model import RWKV
class Text:
    def __init__(self):
        self.model, self.state, self.CHUNK_LEN = RWKV({ANY_MODEL!r}, "cpu fp32"), None, 3
    def run_rnn(self, tokens):
        while tokens:
            out, self.state = self.model.forward(tokens[:self.CHUNK_LEN], self.state)
            tokens = tokens[self.CHUNK_LEN:]
Text().run_rnn([1, 2, 3, 4, 5])
""")
        self.assertEqual([s["token_count"] for s in events(self.log)], [3, 2])
        self.assertEqual(events(self.log, "session_start")[0]["metadata"]["chunk_len"], 3)

    def test_a_script_that_fails_leaves_a_whole_log(self):
        with self.assertRaisesRegex(AssertionError, "ValueError: of the script"):
            self.run_script(f"from rwkv.model import RWKV\nRWKV({ANY_MODEL!r}, 'cpu fp32').forward([1], None)\n"
                            "raise ValueError('of the script')\n")
        self.assertEqual((len(events(self.log)), len(events(self.log, "session_end"))), (1, 1))


class Sequences(Case):
    def lengths(self):
        return [(s["sequence"], s["sequence_length"]) for s in events(self.log)]

    def test_begin_with_no_state(self):
        model, state = self.watched(), None
        for token in (1, 2):
            _, state = model.forward([token], state)
        _, state = model.forward([3, 4, 5], None)
        model.forward([6], state)
        model.monitor.close()
        self.assertEqual(self.lengths(), [(0, 1), (0, 2), (1, 3), (1, 4)])
        self.assertNotIn("state_similarity", events(self.log)[2]["accuracy"])

    def test_a_copy_goes_on_and_an_older_state_does_not(self):
        model = self.watched()
        _, state = model.forward([1], None)
        saved = copy.deepcopy(state)
        _, state = model.forward([2], copy.deepcopy(state))
        _, state = model.forward([3], state)
        model.forward([9], saved)
        model.monitor.close()
        self.assertEqual(self.lengths(), [(0, 1), (0, 2), (0, 3), (1, 1)])
        self.assertNotIn("state_similarity", events(self.log)[3]["accuracy"])


class Processes(Case):
    def test_calls_at_the_same_time_have_their_own_streams(self):
        model = self.watched()
        results = {}

        def speak(first):
            out, state = model.forward([first], None)
            for token in range(40):
                out, state = model.forward([token], state)
            results[first] = out

        threads = [threading.Thread(target=speak, args=(i,)) for i in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        model.monitor.close()
        steps = events(self.log)
        self.assertEqual(len(steps), 4 * 41)
        plain = make(plain_class(), ANY_MODEL)
        for first, got in results.items():
            out, state = plain.forward([first], None)
            for token in range(40):
                out, state = plain.forward([token], state)
            self.assertTrue(same(out, got))

    def test_threads_that_take_turns_share_one(self):
        model, box = self.watched(), [None]

        def one(token):
            box[0] = model.forward([token], box[0])[1]

        for token in range(5):
            t = threading.Thread(target=one, args=(token,))
            t.start()
            t.join()
        model.monitor.close()
        self.assertEqual(len(events(self.log, "session_start")), 1)
        self.assertEqual([s["sequence_length"] for s in events(self.log)], [1, 2, 3, 4, 5])

    def test_a_forked_child_writes_its_own_session(self):
        torch.set_num_threads(1)  # torch's own threads do not survive a fork
        model = self.watched()
        _, state = model.forward([1], None)

        def child():
            model.forward([2], None)
            model.forward([3, 4], None)

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(60)
        self.assertEqual(process.exitcode, 0)
        model.forward([5], state)
        model.monitor.close()
        sessions = [e["session_id"] for e in events(self.log, "session_end")]
        self.assertEqual(len(set(sessions)), 2)
        by_session = {s: sum(e["session_id"] == s for e in events(self.log)) for s in sessions}
        self.assertEqual(sorted(by_session.values()), [2, 2])


class Device(Case):
    """The accelerator's way, with the processor as the device. No GPU took part."""

    def on_device(self, budget_pct=-1.0, model=ANY_MODEL, clock=None):
        watched = make(LoggingRWKV, model, monitor=Options(log=self.log, alarms=False))
        watched.monitor._force_device = True
        from dataclasses import replace

        watched.monitor._options = replace(watched.monitor._options, budget_pct=budget_pct)
        return watched

    def speak(self, model, n=40):
        out, state = model.forward([7, 8, 9], None)
        for token in range(n):
            out, state = model.forward([token % 200], state)
            out[:] = 0
        model.monitor.close()

    def test_agrees_with_the_library(self):
        self.speak(self.watched(), 210)
        there = events(self.log)
        self.log += ".device"
        self.speak(self.on_device(), 210)
        here = events(self.log)
        self.assertEqual([e["sequence_length"] for e in here if "state_drift" in e["accuracy"]], [100, 200])
        self.assertEqual(len(here), len(there))
        for a, b in zip(here, there):
            self.assertEqual((a["phase"], a["token_count"], a["sequence_length"]), (b["phase"], b["token_count"], b["sequence_length"]))
            self.assertEqual(a["resources"]["state_size_bytes"], b["resources"]["state_size_bytes"])
            for key in ("logits_entropy", "state_similarity", "state_similarity_shift", "state_similarity_wkv", "state_change",
                        "state_drift"):
                self.assertEqual(key in a["accuracy"], key in b["accuracy"], key)
                if key in b["accuracy"]:
                    self.assertAlmostEqual(a["accuracy"][key], b["accuracy"][key], delta=2e-4)
            self.assertGreater(a["performance"]["token_latency_ms"], 0)

    def test_looks_less_often_when_it_costs_too_much(self):
        self.speak(self.on_device(budget_pct=1e-6), 400)
        steps = events(self.log)
        looked = [s for s in steps if "logits_entropy" in s.get("accuracy", {})]
        self.assertEqual(len(steps), 401)
        self.assertLess(len(looked), 200)
        self.assertGreater(steps[-1]["accuracy"]["device_sampled_every"], 1)
        self.assertTrue(all("state_similarity" in s["accuracy"] for s in looked[1:]))
        # A state that moved on in calls that were not looked at has not been exchanged.
        self.assertEqual([s["sequence_length"] for s in steps if "state_jump" in s.get("accuracy", {})], [])

    def test_the_last_record_does_not_wait_for_the_next_call(self):
        model = self.on_device()
        model.forward([1, 2], None)
        until = threading.Event()
        for _ in range(1200):
            if os.path.exists(self.log) and events(self.log):
                break
            until.wait(0.05)
        self.assertEqual(len(events(self.log)), 1)
        model.monitor.close()

    def test_nothing_is_read_before_its_event_has_passed(self):
        from rwkvmon.device import DeviceWatch

        class Clock:
            now, open = 0.0, False

            def mark(self):
                Clock.now += 1
                return Clock.now

            def passed(self, mark):
                return Clock.open

            def between_ms(self, start, end):
                return (end - start) * 1.0

        class Sink:
            got = []

            def begin(self): ...
            def new_sequence(self): ...
            def set_number(self, path, value): ...
            def end(self, tokens, **what): Sink.got.append((tokens, what))

        device, state = DeviceWatch(torch, Sink(), 1, Clock(), -1), [torch.ones(3), torch.ones(1, 2, 2), torch.ones(3)]
        for token in range(3):
            device.before(state, token == 0)
            device.after([token], torch.zeros(4), state, token == 0, 2)
        self.assertEqual(Sink.got, [])
        Clock.open = True
        device.deliver()
        self.assertEqual([tokens for tokens, _ in Sink.got], [[0], [1], [2]])
        for _, what in Sink.got:
            numbers = dict(what["numbers"])
            self.assertEqual(numbers["token_latency_ms"], 1.0)
            self.assertAlmostEqual(numbers["logits_entropy"], math.log(4), places=6)
        self.assertEqual(sum(s.dot for s in Sink.got[2][1]["sums"]), 10.0)

    def test_bad_values_are_counted(self):
        from rwkvmon.device import DeviceWatch, WallClock

        class Sink:
            def begin(self): ...
            def new_sequence(self): ...
            def end(self, tokens, **what): self.what = what

        sink, state = Sink(), [torch.tensor([1.0, float("nan")]), torch.tensor([[[float("inf")]]]), torch.ones(2)]
        device = DeviceWatch(torch, sink, 1, WallClock(), -1)
        device.before(None, True)
        device.after([1], torch.tensor([1.0, float("nan"), float("-inf")]), state, True, 1)
        device.deliver(wait=True)
        self.assertEqual(dict(sink.what["numbers"])["nonfinite_logits"], 2)
        self.assertNotIn("logits_entropy", dict(sink.what["numbers"]))
        self.assertEqual(sum(s.nonfinite for s in sink.what["sums"]), 2)


if __name__ == "__main__":
    unittest.main()
