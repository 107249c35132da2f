"""LoggingRWKV on the real package rwkv. The package chooses its class when it is imported, so this file runs once
with RWKV_V7_ON=1 and once without (tests/python/run)."""
import contextlib
import copy
import io
import json
import math
import multiprocessing
import os
import random
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


def setUpModule():
    if not os.path.exists(ANY_MODEL + ".pth"):
        print("SKIPPED: models of RWKV-4 to 6: " + GOLDENS + " is not there", file=sys.stderr)
        raise unittest.SkipTest("nothing to run")


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
        return make(LoggingRWKV, path, strategy, monitor=Options(log=self.log, alarms_to_stderr=False, overhead_budget_pct=-1, **options))


class Extensions(Case):
    """What the article has its readers extend, and what a program is told."""

    def test_the_articles_own_class(self):
        class Mine(LoggingRWKV):
            seen, raised = [], []

            def _check_alarms(self, log_entry):
                Mine.seen.append(log_entry)
                super()._check_alarms(log_entry)

            def _trigger_alarm(self, alarm_type, log_entry):
                Mine.raised.append((alarm_type, log_entry))

        model = make(Mine, ANY_MODEL, monitor=Options(log=None, alarms_to_stderr=False, overhead_budget_pct=-1))
        model.session_id, model.log_file = "rwkv-sess-123456", self.log
        model.performance_baseline = {"token_latency_ms": 1e-6, "throughput_tps": 100.0}
        state = None
        for token in [1, 2, 3] * 40:
            out, state = model.forward_with_logging([token], state)
        model.monitor.close()
        steps = events(self.log)
        self.assertEqual({e["session_id"] for e in steps}, {"rwkv-sess-123456"})
        self.assertEqual(model.session_id, "rwkv-sess-123456")
        self.assertEqual(model.log_file, self.log)
        self.assertEqual(events(self.log, "session_start")[0]["metadata"]["rules"], "baseline=1e-06ms,100tps")
        with self.assertRaises(ValueError):
            model.performance_baseline = {"throughput_tps": 0}
        self.assertEqual(model.token_history, [1, 2, 3] * 40)
        self.assertEqual(len(Mine.seen), 120)
        for entry, step in zip(Mine.seen, steps):
            self.assertAlmostEqual(entry["accuracy"]["logits_entropy"], step["accuracy"]["logits_entropy"], delta=2e-4)
            self.assertEqual(entry["sequence_length"], step["sequence_length"])
            self.assertEqual(len(entry["tokens"]), step["token_count"])
            self.assertAlmostEqual(entry["accuracy"]["state_similarity"], step["accuracy"].get("state_similarity", 0), delta=1e-4)
        self.assertEqual(Mine.seen[-1]["accuracy"]["token_repetition_pct"], 97)
        self.assertEqual({name for name, _ in Mine.raised} & {"high_latency", "high_repetition"}, {"high_latency", "high_repetition"})

    def test_settings_of_an_open_log_stay(self):
        model = self.watched()
        model.forward([1], None)
        with self.assertRaises(rwkvmon.RwkvmonError):
            model.log_file = "other.log"
        model.monitor.close()

    def test_alarms_reach_the_program(self):
        got = []
        model = make(LoggingRWKV, ANY_MODEL, monitor=Options(log=self.log, alarms_to_stderr=False, rules="thresholds", overhead_budget_pct=-1),
                     on_alarm=got.append)
        state = None
        for token in [1, 2, 3] * 60:
            out, state = model.forward([token], state)
        model.monitor.close()
        self.assertEqual([a["alarm_type"] for a in got if a["state"] == "firing"], [e["alarm_type"] for e in events(self.log, "alarm")])
        self.assertEqual([a["alarm_type"] for a in got if a["state"] == "resolved"],
                         [e["alarm_type"] for e in events(self.log, "alarm_resolved")])
        self.assertTrue(got)

    @unittest.skipUnless(V7, "only the embedded model loops as it is known to")
    def test_generating_goes_back_out_of_a_loop(self):
        import numpy
        from rwkv.utils import PIPELINE_ARGS
        from rwkvmon.rewind import generate

        told = []
        model = make(LoggingRWKV, EMBEDDED, monitor=Options(log=self.log, alarms_to_stderr=False, overhead_budget_pct=-1),
                     on_verdict=told.append)
        pipeline, start, greedy = _bytes_pipeline(model), "The door opened and", _greedy()
        clean = PIPELINE_ARGS(temperature=1.0, top_p=0.85, alpha_frequency=0.0, alpha_presence=0.0, token_ban=[0], chunk_len=64)
        loop = pipeline.generate(start, 330, greedy)
        self.assertTrue(told)
        shown = []
        text = generate(pipeline, start, 330, greedy, callback=shown.append)
        self.assertEqual("".join(shown), text)
        self.assertEqual(len(text), 330)
        results = []
        for function in (pipeline.generate, lambda *a: generate(pipeline, *a)):
            numpy.random.seed(3)
            torch.manual_seed(3)
            results.append(function(start, 60, clean))
        self.assertEqual(*results)
        model.monitor.close()
        acts = [e for e in events(self.log, "action")]
        self.assertTrue(acts and all(e["action"] == "rewind" for e in acts))
        until = acts[0]["after"]["sequence_length"] - len(start)  # what came before the loop stays, the token that began it does not
        self.assertEqual(text[:until], loop[:until])
        self.assertNotEqual(text[until], loop[until])
        for e in acts:
            self.assertLess(e["after"]["sequence_length"], e["before"]["sequence_length"])
        self.assertEqual(len({s["sequence"] for s in events(self.log)}), 4)  # one per call of generate, whatever was taken back

    @unittest.skipUnless(V7, "only the embedded model loops as it is known to")
    def test_a_rewind_acts_on_the_verdict_on_its_own_text(self):
        """Somebody else uses the model between each call and its verdict; on a device the numbers come later still."""
        import numpy
        from rwkvmon.rewind import generate

        for device in (False, True):
            said = []
            for shared in (False, True):
                self.log = os.path.join(self.dir.name, f"{device}{shared}.log")
                model = self.watched(EMBEDDED)
                model.monitor._force_device = device
                if shared:
                    self.share(model)
                numpy.random.seed(3)
                torch.manual_seed(3)
                said.append(generate(_bytes_pipeline(model), "The door opened and", 330, _greedy(), attempts=1))
                model.monitor.close()
                acts = events(self.log, "action")
                self.assertTrue(acts)
                generating = {s["session_id"] for s in events(self.log) if s["phase"] == "decode" and s["sequence_length"] > 40}
                self.assertLessEqual({e["session_id"] for e in acts}, generating)
            self.assertEqual(*said, f"device: {device}")

    def share(self, model):
        alone, others = model.forward, [None]

        def forward(tokens, state):
            result = alone(tokens, state)
            others[0] = alone([len(tokens) * 7 % 200], others[0])[1] if others[0] else alone([65, 66], None)[1]
            return result
        model.__dict__["forward"] = forward

    def test_a_leaked_state_is_found(self):
        for leaks, device in ((False, False), (True, False), (False, True), (True, True)):
            self.log = os.path.join(self.dir.name, f"leak{leaks}{device}.log")
            model = self.watched()
            model.monitor._force_device = device
            out, state = model.forward([1, 2, 3], None)
            kept = copy.deepcopy(state)
            out, state = model.forward([4, 5], state)
            model.new_sequence(declared_state=kept)
            model.forward([6], state if leaks else copy.deepcopy(kept))
            model.monitor.close()
            steps = events(self.log)
            self.assertEqual([s["sequence"] for s in steps], [0, 0, 1])
            self.assertEqual(bool(events(self.log, "alarm")) and events(self.log, "alarm")[0]["alarm_type"] == "state_leak", leaks)
            self.assertEqual(steps[2]["accuracy"]["state_leak"] > 1e-3, leaks)

    @have_goldens
    def test_the_packages_own_first_state_is_no_leak(self):
        """RWKV-4's holds -1e30, and one that was trained is not zero either."""
        models = {name: os.path.join(GOLDENS, "models", file) for name, file in (SEVENS if V7 else OLDER).items()}
        if not V7:
            models["trained"] = os.path.join(self.dir.name, "trained")
            torch.save({**torch.load(models["rand-v6"] + ".pth"), **torch.load(os.path.join(GOLDENS, "models", "rand-v6.state.fp32.pth"))},
                       models["trained"] + ".pth")
        for name, path in models.items():
            for device in (False, True):
                with self.subTest(name, device=device):
                    self.log = os.path.join(self.dir.name, f"{name}{device}.log")
                    model = self.watched(path)
                    model.monitor._force_device = device
                    model.new_sequence()
                    model.forward([1], self.first_state(model))
                    _, later = model.forward([2], None)
                    model.new_sequence()
                    model.forward([3], later)
                    model.monitor.close()
                    leaks = [e["accuracy"].get("state_leak") for e in events(self.log)]
                    self.assertEqual(leaks[:2], [0, None])
                    self.assertGreater(leaks[2], 1e-6)

    def first_state(self, model):
        if V7:
            return model.generate_zero_state()
        _, used = make(plain_class(), str(model.args.MODEL_NAME)[:-4]).forward([1], None)
        first = [torch.zeros_like(t) for t in used]
        if model.version == 4:
            first[3::5] = [t - 1e30 for t in first[3::5]]
        elif model.args.time_state:
            first[1::3] = [model.w[f"blocks.{i}.att.time_state"].transpose(1, 2).float().contiguous() for i in range(model.args.n_layer)]
        return first


def _bytes_pipeline(model):
    from rwkv.utils import PIPELINE

    class Bytes(PIPELINE):
        def __init__(self):
            self.model = model

        def encode(self, text):
            return list(text.encode())

        def decode(self, tokens):
            return bytes(tokens).decode(errors="replace")

    return Bytes()


def _greedy():
    from rwkv.utils import PIPELINE_ARGS
    return PIPELINE_ARGS(temperature=1.0, top_p=0.0, alpha_frequency=0.0, alpha_presence=0.0, token_ban=[0], chunk_len=64)


class Samples(Case):
    """What is taken of one token in so many."""

    HALF_LIVES = ("p5", "p50", "p95")

    def feed(self, model, tokens):
        state = None
        for token in tokens:
            _, state = model.forward([token], state)
        model.monitor.close()
        return events(self.log)

    @have_goldens
    def test_half_lives_are_those_of_the_built_in_runtime(self):
        for name, file in (SEVENS if V7 else OLDER).items():
            with self.subTest(name):
                path = os.path.join(GOLDENS, "models", file)
                log = os.path.join(self.dir.name, name + ".builtin.log")
                subprocess.run([os.environ["RWKVMON_PROGRAM"], "run", "--model", path + ".pth", "--strategy", "cpu fp32", "--prompt", "", "--tokens",
                                "320", "--log", log, "--log-tokens", "--quiet", "--seed", "3"], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                theirs = events(log)
                self.log = os.path.join(self.dir.name, name + ".log")
                ours = self.feed(self.watched(path), [t for e in theirs for t in e["tokens"]])
                want = {e["sequence_length"]: e["accuracy"]["decay_half_life_tokens"] for e in theirs
                        if "decay_half_life_tokens" in e["accuracy"]}
                got = {e["sequence_length"]: e["accuracy"]["decay_half_life_tokens"] for e in ours if "decay_half_life_tokens" in e["accuracy"]}
                self.assertEqual(list(want), list(got))
                self.assertGreaterEqual(len(got), 3)
                for length, half_lives in got.items():
                    for key in self.HALF_LIVES:
                        self.assertAlmostEqual(half_lives[key], want[length][key], delta=0.005 + 2e-3 * want[length][key])

    def test_a_shadow_says_what_is_lost(self):
        strategy = "cpu bf16" if V7 else "cpu fp32i8"
        steps = self.feed(self.watched(ANY_MODEL, strategy, shadow=10), range(1, 61))
        compared = [e for e in steps if "quant_kl_nats" in e["accuracy"]]
        self.assertEqual([e["sequence_length"] for e in compared], [10, 20, 30, 40, 50, 60])
        self.assertTrue(any(e["accuracy"]["quant_kl_nats"] > 0 for e in compared))
        # One after the other: RWKV-7's class keeps its type in globals of its module.
        quantised, state, seen = make(plain_class(), ANY_MODEL, strategy), None, []
        for token in range(1, 61):
            before = None if state is None else [t.float() for t in copy.deepcopy(state)]
            out, state = quantised.forward([token], state)
            seen.append((token, before, out))
        full = make(plain_class(), ANY_MODEL)
        for step in compared:
            token, before, out = seen[step["sequence_length"] - 1]
            p, q = (torch.log_softmax(x.double(), -1) for x in (full.forward([token], before)[0], out))
            self.assertAlmostEqual(step["accuracy"]["quant_kl_nats"], float((p.exp() * (p - q)).sum()), delta=2e-6)
            self.assertEqual(step["accuracy"]["quant_top1_agree"], float(p.argmax() == q.argmax()))

    def test_what_a_call_that_failed_left_is_not_compared(self):
        from rwkvmon.samples import Samples as Taker

        class Fixed:
            def logits(self, token, state):
                return torch.tensor([float(token), 0.0])

            def compare(self, full, logits):
                return torch.stack([full[0], logits[0]])

        taker, out = Taker(torch, shadow=Fixed(), shadow_every=2), torch.zeros(2)
        taken = []
        for token, fails in ((1, False), (2, True), (3, False), (4, False)):
            taker.before([token], None)
            if not fails:
                taken.append(taker.after(out, [out]))
        self.assertEqual([t and t.values.tolist() for t in taken], [None, None, [4.0, 0.0]])

    def test_a_shadow_changes_no_output(self):
        strategy = "cpu bf16"
        plain, watched = make(plain_class(), ANY_MODEL, strategy), self.watched(ANY_MODEL, strategy, shadow=3)
        a = b = None
        for token in range(1, 20):
            x, a = plain.forward([token], a)
            y, b = watched.forward([token], b)
            self.assertTrue(same(x, y) and all(map(same, a, b)))
        watched.monitor.close()

    def test_a_shadow_that_cannot_be_is_told_and_missed(self):
        model = self.watched(shadow=2, shadow_strategy="cpu no-such-type")
        self.assertEqual([("quant_kl_nats" in e["accuracy"]) for e in self.feed(model, [1, 2, 3, 4])], [False] * 4)

    def test_a_long_shadow_is_not_the_calls_time(self):
        import time

        model = self.watched(shadow=1)
        shadow = model.monitor._samples()._shadow
        logits = shadow.logits
        took_ms = []

        def slow(*a):
            began = time.monotonic()
            time.sleep(0.5)
            found = logits(*a)
            took_ms.append(1000 * (time.monotonic() - began))
            return found

        shadow.logits = slow
        steps = self.feed(model, range(1, 7))
        self.assertTrue(all("quant_kl_nats" in e["accuracy"] for e in steps))
        self.assertLess(min(e["performance"]["chunk_process_time_ms"] for e in steps), min(took_ms))


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

    def test_arguments_by_name_are_the_packages(self):
        model, plain, first = self.watched(), make(plain_class(), ANY_MODEL), "idx" if V7 else "tokens"
        want, state = plain.forward(**{first: [1, 2, 3]}, state=None, full_output=True)
        got, mine = model.forward(**{first: [1, 2, 3]}, state=None, full_output=True)
        self.assertTrue(same(got, want))
        self.assertTrue(same(model.forward([4], state=mine)[0], plain.forward([4], state=state)[0]))
        for given in ({}, {"state": None}, {first: [1]}, {first: [1], "state": None, "nothing": 1}):
            with self.assertRaises(TypeError):
                model.forward(**given)
        model.monitor.close()
        self.assertEqual([s["sequence_length"] for s in events(self.log)], [3, 4])

    @unittest.skipUnless(V7, "the other class takes lists alone")
    def test_a_token_that_is_a_tensor(self):
        model = self.watched()
        out, state = model.forward([1, 2], None)
        for _ in range(2):
            out, state = model.forward(out.argmax(), state)
        model.monitor.close()
        self.assertEqual([s["sequence_length"] for s in events(self.log)], [2, 3, 4])

    def test_the_callers_errors_stay_the_callers(self):
        model = self.watched()
        with self.assertRaises(Exception):
            model.forward([10 ** 6], None)
        _, state = model.forward([1], None)
        model.forward([2], state)
        model.monitor.close()
        self.assertEqual([s["sequence_length"] for s in events(self.log)], [1, 2])

    def test_what_the_model_refuses_does_not_end_the_watching(self):
        model = self.watched()
        model.forward([1, 2], None)
        for tokens, state in (([None], None), (object(), None), ([1], "state"), ([1], {"a": 1}), ([1], [1, 2])):
            with self.assertRaises(Exception):
                model.forward(tokens, state)
        model.forward([3], None)
        model.monitor.close()
        self.assertEqual([s["token_count"] for s in events(self.log)], [2, 1])

    def test_unwatched_calls_are_not_in_the_log(self):
        model = self.watched()
        _, state = model.forward([1, 2], None)
        with model.monitor.unwatched():
            with model.monitor.unwatched():
                model.forward([3], None)
            plain_class().forward(model, [3, 4, 5], None)
        with self.assertRaises(ZeroDivisionError), model.monitor.unwatched():
            1 / 0
        model.forward([3], state)
        model.monitor.close()
        self.assertEqual([(s["sequence"], s["sequence_length"]) for s in events(self.log)], [(0, 2), (0, 3)])

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

    def run_script(self, text, *arguments, before=()):
        script = os.path.join(self.dir.name, "script.py")
        with open(script, "w") as f:
            f.write(text)
        done = subprocess.run([sys.executable, "-m", "rwkvmon", "--log", self.log, "--quiet", *before, script, *arguments],
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

    @unittest.skipUnless(V7, "the other class has forward() alone")
    def test_direct_calls_of_inner_methods_are_watched(self):
        """Under TorchScript, too, where they are there only once the model is made."""
        self.run_script(f"""
from rwkv.model import RWKV
model = RWKV({ANY_MODEL!r}, 'cpu fp32')
out, state = model.forward([65, 66], model.generate_zero_state())
out, state = model.forward_one(66, state)
out, state = model.forward([67], state)
out, state = model.forward_seq([67, 68], state, False)
""")
        self.assertEqual([s["sequence_length"] for s in events(self.log)], [2, 3, 4, 6])
        self.assertEqual({s["sequence"] for s in events(self.log)}, {0})

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

    def test_a_settings_file_says_how_the_models_of_a_script_run(self):
        with open(os.path.join(self.dir.name, "chosen.yaml"), "w") as f:
            f.write('strategy: "cpu bf16"\nskip-zeros: no\nthreads: 1\nchunk-len: 3\nsession-id: of-file\n')
        said = self.run_script(f"""
import torch
from rwkv.model import RWKV
from rwkv.utils import PIPELINE_ARGS
model = RWKV({ANY_MODEL!r}, 'cpu fp32')
out, state = model.forward([1, 2, 3], None)
print("is", torch.get_num_threads(), PIPELINE_ARGS().chunk_len, PIPELINE_ARGS(chunk_len=5).chunk_len, state[0].dtype)
""", before=("--settings", "chosen.yaml"))
        start = events(self.log, "session_start")[0]
        self.assertEqual(said.splitlines()[-1], "is 1 3 5 torch.bfloat16")
        self.assertEqual((start["metadata"]["strategy"], start["session_id"]), ("cpu bf16", "of-file"))

    def test_a_script_that_fails_leaves_a_whole_log(self):
        with self.assertRaisesRegex(AssertionError, "ValueError: of the script"):
            self.run_script(f"from rwkv.model import RWKV\nRWKV({ANY_MODEL!r}, 'cpu fp32').forward([1], None)\n"
                            "raise ValueError('of the script')\n")
        self.assertEqual((len(events(self.log)), len(events(self.log, "session_end"))), (1, 1))


@unittest.skipUnless(V7, "one class is enough: each process takes seconds to start")
class Tuning(Case):
    """The program races strategies of this package."""

    def tune(self, *options):
        done = subprocess.run([sys.executable, "-m", "rwkvmon", "tune", ANY_MODEL, "--max-threads", "1", "--objective", "memory", "--seconds", "1", "--quiet",
                               *options],
                              capture_output=True, text=True, cwd=self.dir.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_one_strategy_is_chosen_and_its_file_is_taken(self):
        answer = self.tune("--json", "-o", "chosen.yaml", "--strategy", "cpu fp32", "--strategy", "cpu bf16", "--strategy", "gpu fp9")
        found = {s["strategy"]: s for s in answer["races"][0]["settings"]}
        self.assertEqual((answer["runtime"], found["cpu fp32"]["kl_nats"], found["gpu fp9"]["result"]), ("rwkv", 0, "cannot_be_opened"))
        self.assertGreater(found["cpu bf16"]["kl_nats"], 0)
        self.assertGreater(found["cpu fp32"]["memory_mb"], 1)
        self.assertIn("chosen", [s["result"] for s in found.values()])
        read = rwkvmon.settings.load(os.path.join(self.dir.name, "chosen.yaml"))
        self.assertEqual((read.strategy, read.threads, read.chunk_len),
                         tuple(answer["chosen"][name] for name in ("strategy", "threads", "chunk_len")))

    def test_a_model_that_cannot_be_opened_is_told(self):
        done = subprocess.run([sys.executable, "-m", "rwkvmon", "tune", "nothing", "--quiet"], capture_output=True, text=True, cwd=self.dir.name)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("cannot open the model", done.stderr)


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

    def test_a_copy_goes_on_and_an_older_state_is_a_branch(self):
        model = self.watched()
        _, state = model.forward([1], None)
        saved = copy.deepcopy(state)
        _, state = model.forward([2], copy.deepcopy(state))
        _, state = model.forward([3], state)
        model.forward([9], saved)
        model.monitor.close()
        self.assertEqual(self.lengths(), [(0, 1), (0, 2), (0, 3), (0, 2)])
        steps = events(self.log)
        self.assertEqual(len({s["session_id"] for s in steps[:3]}), 1)
        self.assertNotEqual(steps[3]["session_id"], steps[0]["session_id"])
        self.assertNotIn("state_leak", steps[3]["accuracy"])
        self.assertEqual(events(self.log, "session_start")[1]["metadata"]["stream_of"], steps[0]["session_id"])

    def chat(self, model, offset, keep, length=14):
        """Tokens of its own, so that the log tells whose a step is: a prompt, then one by one, what was kept of the state given back."""
        _, state = model.forward([offset + i * i % 5 for i in range(5)], None)
        state = keep(state)
        yield
        for i in range(length):
            _, state = model.forward([offset + i * 7 % 5], keep(state))
            state = keep(state)
            yield

    def numbers(self, offset):
        return [(s["sequence_length"], s["phase"], s["accuracy"]) for s in events(self.log) if s["tokens"][0] // 5 * 5 == offset]

    def test_chats_that_take_turns_have_the_numbers_of_each_alone(self):
        offsets = [5 * i for i in range(8)]
        alone = []
        for offset in offsets:
            model = self.watched(log_tokens=True)
            list(self.chat(model, offset, lambda s: s))
            model.monitor.close()
            alone.append(self.numbers(offset))
            os.remove(self.log)
        orders = {"rounds": lambda left: left, "random": lambda left: random.sample(left, 1), "messages": lambda left: left[:1] * 4 + left[1:]}
        for name, order in orders.items():
            for keep in (lambda s: s, copy.deepcopy):
                random.seed(1)
                model = self.watched(log_tokens=True)
                left = [self.chat(model, offset, keep) for offset in offsets]
                while left:
                    over = [c for c in order(left) if next(c, self) is self]
                    left = [c for c in left if c not in over]
                model.monitor.close()
                for offset, numbers in zip(offsets, alone):
                    self.assertEqual(self.numbers(offset), numbers, f"{name}, {offset}")
                decoded = {(s["tokens"][0] // 5, s["session_id"]) for s in events(self.log) if s["phase"] == "decode"}
                self.assertLessEqual(len(decoded), len(offsets) + 1)  # the first one moves when the second comes
                os.remove(self.log)

    def test_a_state_that_went_through_another_precision_is_still_its_own(self):
        """Chats that store their states in 16 bits, as servers do to hold more of them."""
        roundings = {"fp16": lambda state: [t.half().to(t.dtype) for t in state], "bf16": lambda state: [t.bfloat16().to(t.dtype) for t in state],
                     "cut": lambda state: [(t.float().view(torch.int32) & -65536).view(torch.float32) for t in state]}
        for name, keep in roundings.items():
            model = self.watched(log_tokens=True)
            chats = [self.chat(model, 5 * i, keep) for i in range(3)]
            while any([next(c, self) is not self for c in chats]):
                pass
            model.monitor.close()
            for i in range(3):
                self.assertEqual([n for n, _, _ in self.numbers(5 * i)], list(range(5, 20)), name)
                self.assertEqual([p for _, p, _ in self.numbers(5 * i)], ["prefill"] + ["decode"] * 14, name)
            starts = events(self.log, "session_start")
            self.assertLessEqual(len(starts), 4, name)
            self.assertFalse([s for s in starts if "branch_candidates" in s["metadata"]], name)
            os.remove(self.log)

    def test_what_is_only_similar_is_not_recognised(self):
        model = self.watched()
        _, state = model.forward([1, 2, 3], None)
        model.forward([4], [t * 1.01 for t in state])
        model.forward([4], [(t * 1.01).half().to(t.dtype) for t in state])
        model.forward([4], [t.half().to(t.dtype) for t in state])
        model.monitor.close()
        self.assertEqual([n for _, n in self.lengths()], [3, 1, 1, 4])

    def test_conversations_that_began_alike_are_branches_of_which_the_log_is_not_sure(self):
        model = self.watched()
        kept = [copy.deepcopy(model.forward([7, 8, 9], None)[1]) for _ in range(3)]
        for token in (1, 2):
            for i, state in enumerate(kept):
                kept[i] = copy.deepcopy(model.forward([10 * token + i], state)[1])
        model.monitor.close()
        self.assertEqual([n for _, n in self.lengths()], [3] * 3 + [4] * 3 + [5] * 3)
        starts = {s["session_id"]: s["metadata"] for s in events(self.log, "session_start")}
        went_on = [s["session_id"] for s in events(self.log)][3:]
        self.assertEqual(went_on[:3], went_on[3:])  # sure again, once they said different things
        self.assertEqual([starts[session].get("branch_candidates") for session in went_on[:3]], [3, 3, 3])
        self.assertFalse([e for e in events(self.log) if "state_leak" in e["accuracy"]])

    def test_the_loop_of_one_chat_among_others_is_its_own(self):
        model = self.watched()
        states = [None, None, None]
        for i in range(130):
            for c in range(3):
                _, states[c] = model.forward([i % 4 if c == 1 else (i * i * 31 + 7 * c * i + i // 9) % 60], states[c])
        model.monitor.close()
        alarms = {a["session_id"] for a in events(self.log, "alarm") if a["alarm_type"] == "mode_collapse"}
        looping = [s["session_id"] for s in events(self.log) if s["accuracy"].get("repeat_cycle_period") == 4]
        self.assertEqual(alarms, {looping[-1]})

    def test_a_small_number_of_streams_never_ends_the_watching(self):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            for most in (1, 2, 5):
                model = self.watched(log_tokens=True, max_streams=most)
                chats = [self.chat(model, 5 * i, lambda s: s, 4) for i in range(5)]
                while any([next(c, self) is not self for c in chats]):
                    pass
                ended, last = model.monitor.ended_early, model.monitor.collectors[0]
                model.monitor.close()
                self.assertEqual((len(events(self.log)), last.totals.dropped), (25, 0))
                self.assertEqual(ended == 0, most == 5)
                self.assertEqual(last.totals.streams_refused, ended)
                self.assertEqual(len(events(self.log, "session_end")), len(events(self.log, "session_start")))
                os.remove(self.log)
        self.assertEqual(said.getvalue().count("as many as max-streams allows"), 2)
        self.assertRegex(said.getvalue(), r"rwkvmon: \d+ conversations were ended early")
        self.assertNotIn("monitoring stopped", said.getvalue())

    def test_calls_beyond_the_number_of_streams_are_dropped_and_counted(self):
        model, states, said = self.watched(max_streams=1), [None] * 4, io.StringIO()
        go, inside = threading.Event(), threading.Barrier(3)

        def held(tokens, state):
            inside.wait(60)
            go.wait(60)
            return model.rwkvmon_base.forward(model, tokens, state)

        def speak(i):
            _, states[i] = model.monitor.watch(held, [i], states[i], (), {})

        with contextlib.redirect_stderr(said):
            threads = [threading.Thread(target=speak, args=(i,)) for i in range(2)]
            [t.start() for t in threads]
            inside.wait(60)
            _, states[2] = model.forward([2], None)  # there is no stream left, and nobody to end
            go.set()
            [t.join() for t in threads]
            for i in (2, 0, 2):
                _, states[i] = model.forward([7], states[i])
            last = model.monitor.collectors[0]
            model.monitor.close()
        self.assertEqual((last.totals.records, last.totals.dropped, len(events(self.log))), (6, 1, 5))
        self.assertNotIn("monitoring stopped", said.getvalue())

    def test_many_prompts_one_after_the_other_are_sequences_of_one_session(self):
        model = self.watched()
        for i in range(30):
            state = None
            for token in (i, i + 1):
                _, state = model.forward([token], state)
        model.monitor.close()
        self.assertEqual(self.lengths(), [(i, n) for i in range(30) for n in (1, 2)])
        self.assertEqual(len(events(self.log, "session_start")), 1)


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
        watched = make(LoggingRWKV, model, monitor=Options(log=self.log, alarms_to_stderr=False))
        watched.monitor._force_device = True
        from dataclasses import replace

        watched.monitor._options = replace(watched.monitor._options, overhead_budget_pct=budget_pct)
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

    def test_a_verdict_on_a_state_is_that_after_its_own_call(self):
        said = []
        for device in (False, True):
            model, state = self.watched(log_tokens=True), None
            model.monitor._force_device = device
            fires = []
            for token in [1, 2, 3] * 60:
                _, state = model.forward([token], state)
                fires.append(model.monitor.verdict_of(state).fires)
            self.assertEqual(model.monitor.verdict_of([t.clone() for t in state]).fires, ())  # nobody's
            model.monitor.close()
            said.append([f[:1] for f in fires])
        self.assertIn(("loop",), said[0])
        self.assertEqual(*said)

    def test_what_comes_after_a_way_back_is_compared_with_what_it_was_given(self):
        from rwkvmon.verdict import Verdict

        model, state = self.on_device(), None
        for token in range(8):
            _, state = model.forward([token], state)
            if token == 3:
                kept = [t.clone() for t in state]
        before = [t.clone() for t in kept]
        model.monitor.went_back(4, state, kept, Verdict(("loop",), first_bad_token=5, go_back_tokens=4), 1)
        _, after = model.forward([100], kept)
        model.monitor.close()
        steps = events(self.log)
        self.assertEqual([s["sequence_length"] for s in steps], [1, 2, 3, 4, 5, 6, 7, 8, 5])
        self.assertAlmostEqual(steps[-1]["accuracy"]["state_similarity"], cosine_of(before, after), delta=1e-5)

    def test_a_sequence_begins_though_nobody_knows_its_first_token(self):
        """A replay of a CUDA graph, fed with an embedding that is no token's."""
        from rwkvmon.device import DeviceWatch, WallClock

        class Sink:
            got = []

            def begin(self): ...
            def new_sequence(self): Sink.got.append("new sequence")
            def set_number(self, path, value): ...
            def end(self, tokens, **what): Sink.got.append(tokens)

        device, state = DeviceWatch(torch, Sink(), 1, WallClock(), -1), [torch.ones(3), torch.ones(1, 2, 2), torch.ones(3)]
        for i, token in enumerate((-1, 5)):
            device.before(state, i == 0)
            device.after([0], torch.zeros(4), state, i == 0, 2, token=torch.tensor(token))
        device.deliver(wait=True)
        self.assertEqual(Sink.got, ["new sequence", [5]])

    def test_the_largest_fp16_value_is_told(self):
        from rwkvmon.device import DeviceWatch, WallClock

        class Sink:
            def begin(self): ...
            def new_sequence(self): ...
            def set_number(self, path, value): ...
            def end(self, tokens, **what): self.numbers = dict(what["numbers"])

        def told(logits, *state):
            sink = Sink()
            device = DeviceWatch(torch, sink, 1, WallClock(), -1)
            device.before(None, True)
            device.after([1], logits, list(state), True, 1)
            device.deliver(wait=True)
            return sink.numbers.get("fp16_largest")

        half, large, wide = torch.tensor([3.0, -60000.0]).half(), torch.tensor([5.0, -7.0]).half(), torch.tensor([[[1e6]]])
        self.assertEqual(told(torch.ones(4), half, wide, large), 60000)
        self.assertEqual(told(large, torch.ones(2), wide, torch.ones(2)), 7)
        self.assertIsNone(told(torch.ones(4), torch.ones(2), wide, torch.ones(2)))
        self.assertIsNone(told(torch.ones(4), half * 2, wide, large))  # infinite

    def test_bad_values_are_counted(self):
        from rwkvmon.device import DeviceWatch, WallClock

        class Sink:
            def begin(self): ...
            def new_sequence(self): ...
            def set_number(self, path, value): ...
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
