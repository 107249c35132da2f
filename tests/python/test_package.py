"""What of the package needs neither torch nor rwkv: structs, analyzer, metrics, command line. Pandas is optional."""
import contextlib
import ctypes
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import warnings
from datetime import datetime
from unittest import mock

import rwkvmon
from rwkvmon import Collector, Description, Options, RWKVLogAnalyzer, RwkvmonError, _native, metrics, rewind, settings, tune_bench
from rwkvmon.__main__ import parse
from rwkvmon._settings import SETTINGS
from rwkvmon.collector import config_of
from rwkvmon.verdict import Verdict

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOREIGN = os.path.join(ROOT, "tests", "logs", "foreign-python.log")
WORKED = os.path.join(ROOT, "tests", "logs", "worked.log")

try:
    import pandas
except ImportError:
    pandas = None
needs_pandas = unittest.skipUnless(pandas, "SKIPPED: RWKVLogAnalyzer.df: pandas is not installed")
STRUCTS = {"rwkvmon_config": _native.Config, "rwkvmon_tensor": _native.TensorView, "rwkvmon_state_sums": _native.StateSums,
           "rwkvmon_number": _native.Number, "rwkvmon_step": _native.Step, "rwkvmon_totals": _native.Totals,
           "rwkvmon_start": _native.Start, "rwkvmon_stream_config": _native.StreamConfig,
           "rwkvmon_verdict": _native.VerdictStruct,
           "rwkvmon_change": _native.Change, "rwkvmon_action": _native.Action}


class Structs(unittest.TestCase):
    def test_lie_where_the_header_has_them(self):
        """Every member in Python is one of the header's, at its offset, of its size; the header may have more at the end."""
        lines = [f'printf("{name} {field} %zu %zu\\n", offsetof(struct {name}, {field}), sizeof(((struct {name} *)0)->{field}));'
                 for name, struct in STRUCTS.items() for field, *_ in struct._fields_]
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "offsets.c"), "w") as f:
                f.write("#include <stdio.h>\n#include <rwkvmon.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n")
            program = os.path.join(folder, "offsets")
            subprocess.run([os.environ.get("CC", "cc"), f.name, "-I", os.path.join(ROOT, "include"), "-o", program], check=True)
            said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        for line in said.splitlines():
            name, field, offset, size = line.split()
            member = getattr(STRUCTS[name], field)
            self.assertEqual((member.offset, member.size), (int(offset), int(size)), f"{name}.{field}")

    def test_every_function_of_the_header_can_be_called(self):
        """Of a pair, the one that names a stream; begin and the environment are Python's own."""
        with open(os.path.join(ROOT, "include", "rwkvmon.h"), encoding="utf-8") as header:
            there = set(re.findall(r"RWKVMON_API [^(;]*?\b(rwkvmon_\w+)\(", header.read()))
        bound = {name for name, _, _ in _native._CALLS}
        left = {name for name in there - bound if name.replace("rwkvmon_", "rwkvmon_stream_", 1) not in bound}
        self.assertEqual(left, {"rwkvmon_begin", "rwkvmon_config_environment", "rwkvmon_new_sequence_from"})  # the last one is in Start
        self.assertEqual(bound - there, set())

    def test_versions_agree(self):
        with open(os.path.join(ROOT, "python", "pyproject.toml")) as f:
            declared = re.search(r'^version = "(.*)"', f.read(), re.M).group(1)
        self.assertEqual(declared, rwkvmon.version())


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log = self.path("run.log")

    def tearDown(self):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write_log(self, numbers, drift=(), **what):
        """One record per (entropy, similarity); the first have a drift too."""
        with Collector(Options(log=self.log, alarms_to_stderr=False), Description(**what)) as mon:
            for i, (entropy, similarity) in enumerate(numbers):
                mon.begin()
                mon.end([1], numbers=[("logits_entropy", entropy), ("state_similarity", similarity)]
                        + [("state_drift", d) for d in drift[i:i + 1]])


class Collecting(Folder):
    def test_a_record_per_call(self):
        self.write_log([(2.5, 0.9)] * 3, model_name="m", strategy="s", chunk_len=7)
        steps = [e for e in RWKVLogAnalyzer(self.log).entries() if e["event_type"] == "inference_step"]
        self.assertEqual([s["accuracy"]["logits_entropy"] for s in steps], [2.5] * 3)
        self.assertEqual(steps[0]["metadata"], {"model_name": "m", "strategy": "s", "chunk_len": 7})

    def test_what_the_caller_spends_on_monitoring_is_overhead(self):
        with Collector(Options(log=self.log, alarms_to_stderr=False)) as mon:
            mon.spent_since(time.perf_counter_ns() - 50_000_000)
            mon.begin()
            time.sleep(0.1)
            mon.end([1])
            self.assertTrue(0.05 <= mon.so_far().overhead_seconds < 0.1)

    def test_a_compressed_log_reads_the_same(self):
        self.log = self.path("run.log.zst")
        self.write_log([(2.5, 0.9)] * 300)
        entries = list(RWKVLogAnalyzer(self.log).entries())
        self.assertEqual(sum(e["event_type"] == "inference_step" for e in entries), 300)
        with open(self.log, "rb") as f:
            packed = f.read()
        with open(self.log, "wb") as f:
            f.write(packed[:-40])  # a kill tears the last frame
        torn = list(RWKVLogAnalyzer(self.log).entries())
        self.assertTrue(torn and torn == entries[:len(torn)])
        with open(self.log, "wb") as f:
            f.write(b"not zstd at all")
        with self.assertRaisesRegex(RwkvmonError, "damaged zstd data"):
            list(RWKVLogAnalyzer(self.log).entries())

    def test_a_call_that_is_given_anothers_state_is_told(self):
        chats = [(ctypes.c_float * 8)(*row) for row in ([1] * 8, [1, -1] * 4)]
        views = [(rwkvmon.TensorView * 1)(rwkvmon.TensorView(ctypes.addressof(c), 8, rwkvmon.F32, rwkvmon.WKV)) for c in chats]
        with Collector(Options(log=self.log, alarms_to_stderr=False, overhead_budget_pct=-1)) as mon:
            for chat in (0, 0, 0, 1, 1, 0):
                mon.begin(views[chat])
                chats[chat][0] += 0.25
                mon.end([1], state=views[chat])
        seen = [e.get("accuracy", {}) for e in RWKVLogAnalyzer(self.log).entries() if e["event_type"] == "inference_step"]
        self.assertEqual(["state_jump" in a for a in seen], [False, False, False, True, False, True])
        self.assertTrue(all(a["state_similarity"] > 0.99 for a in seen[1:]), seen)  # each with what it was given

    def test_streams_are_sessions_of_one_log(self):
        with Collector(Options(log=self.log, max_streams=3, alarms_to_stderr=False), Description(vocab_size=300)) as mon:
            talks = [mon.stream(request_id="even"), mon.stream(label="odd")]
            for i in range(120):
                mon.begin()
                mon.end_batch([talk.step([i * i % 251 if talk is talks[0] else i % 7], phase=_native.DECODE) for talk in talks])
            self.assertEqual([bool(talk.verdict) for talk in talks], [False, True])
            branch = talks[1].branch(request_id="branch")
            with self.assertRaisesRegex(RwkvmonError, "max-streams"):
                mon.stream()
            branch.went_back(20)
            branch.begin()
            branch.end([120 % 7])
            talks[0].close()
            with self.assertRaisesRegex(RwkvmonError, "closed"):
                talks[0].end([1])
            mon.stream().close()  # leaves nothing
            self.assertEqual((mon.so_far().records, mon.so_far().streams, mon.so_far().streams_refused), (241, 4, 1))
        self.assertEqual((mon.totals.records, mon.totals.dropped), (241, 0))
        entries = list(RWKVLogAnalyzer(self.log).entries())
        names = {e["session_id"]: e["metadata"].get("request_id") or e["metadata"].get("label") or ""
                 for e in entries if e["event_type"] == "session_start"}
        self.assertEqual(sorted(names.values()), ["", "branch", "even", "odd"])
        steps = {name: [e for e in entries if e["event_type"] == "inference_step" and names[e["session_id"]] == name]
                 for name in names.values()}
        self.assertEqual([len(steps[name]) for name in ("", "branch", "even", "odd")], [0, 1, 120, 120])
        self.assertTrue(all(s["batch_size"] == 2 for s in steps["odd"]))
        self.assertEqual(steps["branch"][0]["sequence_length"], 101)

    def test_a_closed_stream_refuses_every_call(self):
        """Its memory is another stream's by then, to which nothing may happen."""
        with Collector(Options(log=self.log, alarms_to_stderr=False)) as mon:
            old = mon.stream(request_id="old")
            old.end([1])
            step = old.step([2])
            old.close()
            self.wait_until(lambda: any(e["event_type"] == "session_end" for e in RWKVLogAnalyzer(self.log).entries()))
            new = mon.stream(request_id="new")
            self.assertEqual(new._stream.value, old._pointer.value, "this is about memory that is used again")
            for token in (1, 2, 3):
                new.end([token])
            values = (ctypes.c_float * 2)(1, 2)
            state = (rwkvmon.TensorView * 1)(rwkvmon.TensorView(ctypes.addressof(values), 2, rwkvmon.F32, rwkvmon.WKV))
            for call in (old.begin, lambda: old.begin(state), lambda: old.step([1]), lambda: old.end([1]), old.new_sequence,
                         lambda: old.new_sequence_from(state, None), lambda: old.wants_state(1), lambda: old.verdict,
                         lambda: old.went_back(2), lambda: old.acted("rewind", "mode_collapse"), old.branch,
                         lambda: mon.end_batch([step])):
                with self.assertRaisesRegex(RwkvmonError, "the stream is closed"):
                    call()
            old.close()  # more than once is fine
            new.end([4])
        steps = [e for e in RWKVLogAnalyzer(self.log).entries() if e["event_type"] == "inference_step"]
        self.assertEqual([(s["sequence"], s["sequence_length"]) for s in steps], [(0, 1), (0, 1), (0, 2), (0, 3), (0, 4)])
        self.assertEqual((mon.totals.records, mon.totals.dropped), (5, 0))

    def test_the_verdict_follows_the_call(self):
        with Collector(Options(log=None), Description(vocab_size=65536)) as mon:
            def say(token):
                mon.end([token], phase=_native.DECODE)
                return mon.verdict

            self.assertFalse(any(say(i * i % 977) for i in range(200)))
            said = [say(2000 + i % 11) for i in range(100)]
            first = next(v for v in said if v)
            self.assertEqual((first.fires, first.critical), (("loop",), ("loop",)))
            self.assertEqual((first.first_bad_token, first.go_back_tokens), (200 + 11 + 1, 80))
            self.assertEqual(first.first_bad, {"loop": 212})
            self.assertEqual(first.of({"loop", "freeze"}), first)
            self.assertEqual((bool(first.of({"freeze"})), first.of({"freeze"}).go_back_tokens), (False, 0))
            self.assertLessEqual({"stop", "go_back", "sampling"}, set(first.advice))
            self.assertGreater(first.alpha_frequency, 0)
            mon.went_back(said[-1].go_back_tokens)
            self.assertFalse(say(5))
            mon.end([6], numbers=[("nonfinite_state", 1)])
            self.assertEqual(mon.verdict.fires, ("non_finite",))
            self.wait_until(lambda: "non_finite" in mon.verdict.alarms)
            self.assertEqual(mon.verdict.alarms_age, 0)

    def test_a_verdict_of_some_signs_knows_nothing_of_others(self):
        """Another may fire since an earlier token: what acts on a loop goes back to the loop, and says so."""
        both = Verdict(("loop", "state_jump"), ("loop", "state_jump"), ("go_back",), 1.0, 40, 61, 1.0,
                       first_bad={"loop": 80, "state_jump": 40})
        loop = both.of(rewind.ACTS_ON)
        self.assertEqual((loop.fires, loop.critical, loop.first_bad), (("loop",), ("loop",), {"loop": 80}))
        self.assertEqual((loop.first_bad_token, loop.go_back_tokens, loop.temperature), (80, 21, 1.0))
        self.assertEqual(both.of({"state_jump"}).go_back_tokens, 61)

    def test_signs_and_advice_are_the_header_s(self):
        with open(os.path.join(ROOT, "include", "rwkvmon.h")) as f:
            header = f.read()
        for start, names in (("RWKVMON_", _native.SIGNS), ("RWKVMON_ADVISE_", _native.ADVICE)):
            for i, name in enumerate(names):
                self.assertIn(f"\t{start}{name.upper()} = 1 << {i},", header)

    def test_metrics_and_alarms_go_where_options_say(self):
        alarms, heard = self.path("alarms.jsonl"), self.path("heard")
        options = Options(log=None, alarms_to_stderr=False, listen="127.0.0.1:0", alarm_to=[
            f"file+{alarms}", "command+" + json.dumps(["sh", "-c", 'cat >>"$0"', heard])])
        with Collector(options, Description(model_name="heard")) as mon:
            for _ in range(30):
                mon.begin()
                mon.end([1], numbers=[("nonfinite_logits", 3)])
            def scraped():
                with urllib.request.urlopen(mon.url + "/metrics", timeout=60) as answer:
                    return answer.read().decode()

            self.wait_until(lambda: re.search(r"^rwkv\w*tokens\w*total\{.*\} 30$", scraped(), re.M))
            for path in (alarms, heard):
                self.wait_until(lambda: '"alarm_type":"non_finite"' in self.text_of(path).replace(" ", ""))

    def wait_until(self, condition):
        for _ in range(1200):
            if condition():
                return
            time.sleep(0.05)
        self.fail("it did not come about in a minute")

    @staticmethod
    def text_of(path):
        if not os.path.exists(path):
            return ""
        with open(path) as f:
            return f.read()

    def test_every_setting_arrives(self):
        """SETTINGS_TABLE (settings_test --table) says for each row what the configuration must hold."""
        table = os.environ.get("SETTINGS_TABLE")
        if not table:
            self.skipTest("SKIPPED: settings from Python: SETTINGS_TABLE names no table")
        rows = [line.split("\t") for line in self.text_of(table).splitlines()]
        self.assertEqual([row[0] for row in rows], [s.name for s in SETTINGS])
        for setting, (name, member, sample, wanted) in zip(SETTINGS, rows):
            with mock.patch.dict(os.environ, {"RWKVMON_" + name.replace("-", "_").upper(): sample}):
                said = parse(["script.py"])[1]
            value = {"flag": sample == "yes", "list": [sample]}.get(setting.kind)
            if value is None:
                value = (int(sample, 8) if setting.kind == "mode" else int(sample) if setting.kind == "count"
                         else float(sample) if setting.kind == "number" else sample)
            self.assertEqual(said, Options(**{setting.member: value}), f"environment, {name}")
            config = config_of(Options(**{setting.member: value}), Description())
            found = getattr(config, member)
            if setting.kind == "list":
                found = "<" + found[0].decode() + ">" if found[1] is None else None
            elif setting.kind == "number":
                found = f"{found:g}"
            self.assertEqual(found.decode() if isinstance(found, bytes) else str(found), wanted, name)
            _native.lib().rwkvmon_config_free(ctypes.byref(config))

    def test_the_command_line_says_the_same(self):
        for words, members in ((["--log-tokens", "--log-keep", "5"], {"log_tokens": True, "log_keep": 5}),
                               (["--log-tokens=no", "--listen"], {"log_tokens": False, "listen": ""}),
                               (["--listen", "127.0.0.1:1", "-q"], {"listen": "127.0.0.1:1", "alarms_to_stderr": False}),
                               (["--alarm-to", "file+a", "--alarm-to=file+b"], {"alarm_to": ["file+a", "file+b"]}),
                               (["--log", "none", "--log-mode", "0600"], {"log": None, "log_mode": 0o600})):
            args, options = parse([*words, "script.py", "--listen", "--log-keep"])
            self.assertEqual((args.script, args.arguments), ("script.py", ["--listen", "--log-keep"]))
            self.assertEqual(options, Options(**members))
        for words in (["--log-keep", "1", "--log-keep", "2"], ["--log-tokens", "--log-tokens"], ["--fsync", "often"]):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
                parse([*words, "script.py"])
            self.assertIn(words[0], said.getvalue())

    def test_an_option_comes_before_its_variable(self):
        with mock.patch.dict(os.environ, {"RWKVMON_LOG_KEEP": "5", "RWKVMON_ALARM_TO": "file+a\n\nfile+b\n", "RWKVMON_LOG": "none",
                                          "RWKVMON_ALARMS_TO_STDERR": "yes", "RWKVMON_LANG": ""}):
            self.assertEqual(parse(["script.py"])[1],
                             Options(log_keep=5, alarm_to=["file+a", "file+b"], log=None, alarms_to_stderr=True))
            self.assertEqual(parse(["-q", "--log-keep", "3", "--alarm-to", "file+c", "--log", "x", "script.py"])[1],
                             Options(log_keep=3, alarm_to=["file+c"], log="x", alarms_to_stderr=False))
            self.assertEqual(Options().log_keep, 0)  # only where it is asked for
        for name, text in (("LOG_KEEP", "many"), ("LOG_MODE", "9"), ("LOG_TEXT", "maybe"), ("OVERHEAD_BUDGET_PCT", "x")):
            with mock.patch.dict(os.environ, {"RWKVMON_" + name: text}):
                with self.assertRaisesRegex(RwkvmonError, f'RWKVMON_{name}: found "{text}", expected '):
                    Options.from_environment()

    def test_a_default_log_is_one_programs_alone(self):
        said = self.in_python(f"import os; from rwkvmon import Options; os.chdir({self.folder.name!r})\n"
                              "names = [Options(log='').log_path() for _ in range(2)]\n"
                              "open(names[0], 'w').write('x'); print(all(map(os.path.exists, names)), *names)").split()
        self.assertEqual(said[0], "True")
        self.assertNotEqual(said[1], said[2])
        self.assertTrue(os.path.exists(self.path(said[1])))
        self.assertFalse(os.path.exists(self.path(said[2])))  # nothing was written into it

    def settings_of(self, text):
        with open(self.path("chosen.yaml"), "w") as out:
            out.write(text)
        return settings.load(self.path("chosen.yaml"))

    def test_a_settings_file_says_how_to_run_and_to_watch(self):
        read = self.settings_of("---\n# as tune writes it\nstrategy: \"cuda fp16 *10 -> cpu fp32\"\nskip-zeros: no\nthreads: 4 # cores\n"
                                "chunk-len: 16\nlog: none\nlog-keep: 5\nlog-tokens: yes\ngoal: '20tps'\nmodel-name: a b#c\n")
        self.assertEqual((read.strategy, read.threads, read.chunk_len), ("cuda fp16 *10 -> cpu fp32", 4, 16))
        self.assertEqual(read.options(), Options(log=None, log_keep=5, log_tokens=True, goal="20tps", model_name="a b#c"))
        with mock.patch.dict(os.environ, {"RWKVMON_LOG_KEEP": "6", "RWKVMON_GOAL": "30tps"}):
            self.assertEqual(read.options(goal="1tps"), Options(log=None, log_keep=6, log_tokens=True, goal="1tps", model_name="a b#c"))
            args, options = parse(["--settings", self.path("chosen.yaml"), "--log-keep", "7", "script.py", "--settings"])
            self.assertEqual((args.settings, args.arguments), (read, ["--settings"]))
            self.assertEqual((options.log, options.log_keep, options.goal), (None, 7, "30tps"))
        self.assertEqual(self.settings_of("").options(), Options())

    def test_a_settings_file_for_the_built_in_runtime_is_taken(self):
        for flag, said in (("no", ""), ("yes", "rwkvmon: skip-zeros is left out: only the built-in runtime has it\n")):
            with contextlib.redirect_stderr(io.StringIO()) as told:
                read = self.settings_of(f'# Written by `rwkvmon tune`\nstrategy: "cpu bf16"\nskip-zeros: {flag}\nthreads: 2\nchunk-len: 64\n')
            self.assertEqual((read.strategy, read.threads, read.chunk_len, told.getvalue()), ("cpu bf16", 2, 64, said))

    def test_a_settings_file_that_cannot_be_is_refused_with_its_line(self):
        for text, said in (("seed: 1\n", ':1: Python has no option "seed"'), ("\nthread: 1\n", ":2: .*(?s:.)did you mean threads?"),
                           ("threads: 0\n", ':1: threads: found "0", expected a whole number'), ("threads: [1, 2]\n", ":1: expected one option"),
                           ("- threads\n", ":1: expected one option"), ("threads\n", ":1: expected one option"),
                           ("skip-zeros: much\n", ":1: skip-zeros: found"), ("log-keep: many\n", ":1: log-keep: found"),
                           ("threads: 1\nstrategy: ''\n", ":2: strategy: its value is empty"), ('instance: ""\n', ":1: instance: its value is empty"),
                           ("threads: 1\nthreads: 2\n", ":2: threads is given twice")):
            with self.assertRaisesRegex(RwkvmonError, "chosen.yaml" + said):
                self.settings_of(text)
        with self.assertRaisesRegex(RwkvmonError, "none.yaml: cannot be read"):
            settings.load(self.path("none.yaml"))

    def test_strategies_are_those_that_the_package_reads(self):
        self.assertEqual(tune_bench.strategies(True, 12, False), ["cpu fp32", "cpu bf16"])
        self.assertNotIn("->", "".join(tune_bench.strategies(True, 12, True)))  # of which its class for RWKV-7 reads the first part alone
        older = tune_bench.strategies(False, 25, True)
        self.assertIn("cuda fp16 *12 -> cpu fp32", older)
        self.assertIn("cuda fp16i8", older)
        self.assertLessEqual(len(older), 8)  # the program takes no more

    def test_the_default_length_of_chunks_gives_way_to_a_given_one(self):
        class Arguments:
            def __init__(self, temperature=1.0, chunk_len=256):
                self.chunk_len = chunk_len

        for _ in range(2):
            settings.default_chunk_len(Arguments, 16)
        self.assertEqual([a.chunk_len for a in (Arguments(), Arguments(0.5), Arguments(0.5, 8), Arguments(chunk_len=9))], [16, 16, 8, 9])

    def test_what_is_wrong_is_said(self):
        with self.assertRaisesRegex(RwkvmonError, "fsync.*expected interval, never or record"):
            Collector(Options(log=None, fsync="often"))
        with self.assertRaisesRegex(RwkvmonError, "(?s)no-such.yaml"):
            Collector(Options(log=None, rules="no-such.yaml"))
        with self.assertRaisesRegex(RwkvmonError, "(?s)cannot be loaded.*pip install"):
            self.in_python("import rwkvmon; rwkvmon.version()", RWKVMON_LIBRARY=FOREIGN)

    def in_python(self, code, **environment):
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True)
        if done.returncode:
            raise RwkvmonError(done.stderr)
        return done.stdout

    def test_a_missing_package_is_named(self):
        code = """
import sys, rwkvmon
class Without:
    def find_spec(name, path=None, target=None):
        if name == "rwkv":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Without)
try:
    rwkvmon.LoggingRWKV
except ImportError as e:
    print(e)
"""
        self.assertEqual(self.in_python(code).strip(), "rwkvmon.LoggingRWKV needs rwkv: pip install rwkv")


class Analyzing(Folder):
    def test_report(self):
        path = RWKVLogAnalyzer(WORKED).generate_performance_report(self.path("report.html"), lang="zh")
        self.assertEqual(path, self.path("report.html"))
        with open(path, encoding="utf-8") as f:
            self.assertIn('<html lang="zh', f.read())

    def test_names_like_options(self):
        """A log whose name begins with a dash is a file, and so is the report."""
        with tempfile.TemporaryDirectory() as folder:
            before = os.getcwd()
            os.chdir(folder)
            try:
                for name in ("-", "-q", "--help", "--lang=zh"):
                    shutil.copy(WORKED, os.path.join(folder, name))
                    self.assertEqual(RWKVLogAnalyzer(name).analysis["input"]["files"], [os.path.join(".", name)])
                RWKVLogAnalyzer("-q").generate_performance_report("-o.html")
                self.assertTrue(os.path.exists("-o.html"))
            finally:
                os.chdir(before)

    def test_errors(self):
        with self.assertRaisesRegex(FileNotFoundError, "no such log"):
            RWKVLogAnalyzer(self.path("none.log"))
        with open(self.log, "w") as f:
            f.write("no log at all\n")
        with self.assertRaisesRegex(RwkvmonError, "run.log"):
            RWKVLogAnalyzer(self.log).generate_performance_report(self.path("report.html"))

    @needs_pandas
    def test_data_frame_of_the_published_format(self):
        analyzer = RWKVLogAnalyzer(FOREIGN)
        df = analyzer.df
        for column in ("timestamp", "session_id", "sequence_length", "token_latency_ms", "throughput_tps", "chunk_process_time_ms",
                       "vram_used_mb", "gpu_utilization_pct", "state_size_bytes", "logits_entropy", "token_repetition_pct",
                       "state_similarity", "model_name", "strategy", "chunk_len"):
            self.assertIn(column, df.columns)
        self.assertRegex(str(df["timestamp"].dtype), r"datetime64\[[nu]s, UTC\]")  # pandas 3 keeps microseconds
        self.assertEqual(len(df), analyzer.analysis["input"]["records"])
        for metric, found in analyzer.analysis["metrics"].items():
            if found and found["count"] and not found["nonfinite"] and metric in df.columns:
                self.assertEqual(int(df[metric].count()), found["count"], metric)
                self.assertAlmostEqual(float(df[metric].mean()), found["mean"], delta=1e-6 * max(1, abs(found["mean"])), msg=metric)

    def test_hostile_logs_end_nothing(self):
        self.write_log([(2.0, 0.9)] * 200)
        with open(self.log, "rb") as f:
            whole = f.read()
        records = len(list(RWKVLogAnalyzer(self.log).entries()))
        with open(self.log, "ab") as f:
            f.write(b"[" * 200000 + b"\n")  # deeper than any parser goes
        analyzer = RWKVLogAnalyzer(self.log)
        self.assertEqual((len(list(analyzer.entries())), analyzer.skipped_lines), (records, 1))
        import gzip
        cut = self.log + ".gz"
        with open(cut, "wb") as f:
            packed = gzip.compress(whole)
            f.write(packed[:-9])  # its end is not there
        analyzer = RWKVLogAnalyzer(cut)
        self.assertGreater(len(list(analyzer.entries())), 0)
        with gzip.open(cut, "wb") as f:
            f.write(whole + bytes(40 << 20))  # zeros without a line end: pieces, not all of it
        analyzer = RWKVLogAnalyzer(cut)
        self.assertEqual(len(list(analyzer.entries())), records)
        self.assertGreater(analyzer.skipped_lines, 0)

    @needs_pandas
    def test_damaged_lines_are_counted(self):
        self.write_log([(2.0, 0.9)] * 2)
        with open(self.log, "ab") as f:
            f.write(b'\xff\xfe\n[1]\n"text"\n{"no": "event"}\n\n{"event_type":"inference_step","timestamp":"x"}\n{"torn": ')
        analyzer = RWKVLogAnalyzer(self.log)
        with self.assertWarnsRegex(UserWarning, "5 lines are no records"):
            self.assertEqual((len(analyzer.df), analyzer.skipped_lines), (3, 5))
        with open(self.log, "w") as f:
            f.write('{"event_type":"inference_step","performance":{"token_latency_ms":"2.5"},"token_count":"1"}\n')
        self.assertEqual(float(RWKVLogAnalyzer(self.log).df["token_latency_ms"].mean()), 2.5)

    @needs_pandas
    def test_state_evolution(self):
        numbers = [(1.0 + 0.01 * i, 0.9 - 0.001 * i) for i in range(100)]
        for direction, fine in ((numbers, False), ([(e, 1.8 - s) for e, s in numbers], True)):
            self.log = self.path(f"{fine}.log")
            self.write_log(direction, drift=[0.25, 0.75, 0.5] if fine else [])
            analyzer = RWKVLogAnalyzer(self.log)
            session = analyzer.analysis["sessions"][0]
            picture = self.path(f"{fine}.png")
            with warnings.catch_warnings(record=True) as seen, contextlib.redirect_stdout(io.StringIO()) as said:
                warnings.simplefilter("always")
                self.assertIs(rwkvmon.analyze_state_evolution(analyzer, session["session_id"], picture), fine)
            collapse = [w for w in seen if "mode collapse" in str(w.message)]
            self.assertEqual(len(collapse), 0 if fine else 1)
            self.assertEqual(session["state"]["collapse_warning"], not fine)
            self.assertIn("-1.00" if not fine else "1.00", said.getvalue())
            self.assertEqual("0.25 first, 0.50 last, 0.75 at most" in said.getvalue(), fine)
            if os.path.exists(picture):
                with open(picture, "rb") as f:
                    self.assertEqual(f.read(8), b"\x89PNG\r\n\x1a\n")
        with self.assertRaisesRegex(ValueError, "there is no session nobody"):
            rwkvmon.analyze_state_evolution(analyzer, "nobody")


class Metrics(unittest.TestCase):
    def test_scrape(self):
        server, thread = rwkvmon.start_http_server(0)
        try:
            before = metrics._values["rwkv_token_total"]
            step = {"event_type": "inference_step", "token_count": 3, "performance": {"token_latency_ms": 2.5},
                    "resources": {}, "accuracy": {"logits_entropy": 4.25}}
            rwkvmon.update_prometheus_metrics(step)
            rwkvmon.update_prometheus_metrics({**step, "tokens": [1, 2, 3, 4]})
            rwkvmon.update_prometheus_metrics({"event_type": "alarm", "token_count": 99})
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
                self.assertIn("version=0.0.4", answer.headers["Content-Type"])
            self.assertIn(f"rwkv_token_total {before + 7:g}\n", text)
            self.assertIn("rwkv_inference_latency_ms 2.5\n", text)
            self.assertIn("rwkv_logits_entropy 4.25\n", text)
            self.assertNotIn("rwkv_vram_usage_mb", text)  # nobody said it: unknown is absent
            if shutil.which("promtool"):
                check = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True)
                # 3: what it would name otherwise. The names are published; 1 would be text that it cannot read.
                self.assertIn(check.returncode, (0, 3), check.stderr)
            with self.assertRaises(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/other", timeout=10)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class WhatIsKept(unittest.TestCase):
    """States to go back to lie close together where a rewind is likely, and not elsewhere."""

    class Tensor(int):
        def clone(self):
            return self

    def kept(self, verdict):
        kept = rewind._Kept([], self.Tensor())
        for position in range(1, 200):
            kept.passed(position, [], self.Tensor(), rewind._loops_easily(verdict))
        return [position for position, _, _ in kept._kept]

    def test_close_together_where_a_loop_is_likely(self):
        self.assertEqual(self.kept(Verdict(mean_entropy=2.0, mean_surprisal=2.0)), [0, 64, 128, 192])
        for likely in Verdict(), Verdict(mean_entropy=2.0, mean_surprisal=1.0):
            self.assertEqual(self.kept(likely), list(range(0, 200, 16)))


class WayBack(unittest.TestCase):
    """After a rewind, sampling comes back to what was given step by step, and is bolder again before the next loop."""

    BOLD = Verdict(("loop",), temperature=1.0, top_p=0.85)

    def test_settings_come_back_step_by_step(self):
        ease, seen = rewind._Ease(self.BOLD, 100), []
        for tokens in range(500):
            ease.follow(Verdict(repeat_share=None), tokens)
            seen.append(ease.setting("temperature", 0.2))
        self.assertEqual(set(seen[:100]), {1.0})
        self.assertEqual([round(t, 6) for t in sorted(set(seen), reverse=True)], [round(0.2 + 0.1 * n, 6) for n in range(8, -1, -1)])
        self.assertEqual(seen.index(0.2), 100 + 7 * 32)
        self.assertEqual(ease.setting("alpha_frequency", 0.3), 0.3)  # nothing was advised

    def test_repetition_makes_it_bolder_again(self):
        ease = rewind._Ease(self.BOLD, 0)
        for tokens in range(1000):
            ease.follow(Verdict(repeat_share=0.0), tokens)
        self.assertEqual(ease.setting("top_p", 0.3), 0.3)
        ease.follow(Verdict(repeat_share=0.15), 1000)
        self.assertEqual(ease.step, 0)
        for tokens in range(1000, 2000):
            ease.follow(Verdict(repeat_share=0.25), tokens)
        self.assertEqual(ease.setting("top_p", 0.3), 0.85)

    def test_dullness_makes_it_bolder_again(self):
        ease = rewind._Ease(self.BOLD, 100)
        for n in range(100):
            ease.follow(Verdict(mean_surprisal=None if n < 50 else 1 + (0.1 if n % 2 else -0.1)), n)
        for n, surprisal, step in ((100, 0.85, 8), (101, 0.95, 7), (133, 0.85, 7), (134, 0.7, 8), (150, None, 7)):
            ease.follow(Verdict(mean_surprisal=surprisal), n)
            self.assertEqual(ease.step, step)

    def test_without_a_rewind_or_advice_nothing_moves(self):
        for ease in (rewind._Ease(), rewind._Ease(Verdict(("non_finite",)), 5)):
            for tokens in range(300):
                ease.follow(Verdict(repeat_share=0.9), tokens)
            self.assertEqual(ease.setting("temperature", 0.2), 0.2)


class CommandLine(Folder):
    def run_module(self, *arguments):
        return subprocess.run([sys.executable, "-m", "rwkvmon", *arguments], capture_output=True, text=True, cwd=self.folder.name)

    def test_help_and_errors(self):
        self.assertIn("--log FILE", self.run_module("--help").stdout)
        missing = self.run_module("nothing.py")
        self.assertEqual((missing.returncode, missing.stderr.strip()), (3, "python -m rwkvmon: nothing.py: no such file"))
        self.assertEqual(self.run_module("--no-such-option", "x.py").returncode, 2)


    def test_a_script_without_a_model_is_told_loudly(self):
        with open(os.path.join(self.folder.name, "own.py"), "w", encoding="utf-8") as f:
            f.write("import sys\nprint('done')\nsys.exit(7 if len(sys.argv) > 1 else 0)\n")
        for arguments, status in (([], 0), (["x"], 7)):
            run = self.run_module("--log", "own.log", "own.py", *arguments)
            self.assertEqual((run.returncode, run.stdout), (status, "done\n"))
            self.assertIn("NOTHING WAS WATCHED", run.stderr)
            self.assertFalse(os.path.exists(os.path.join(self.folder.name, "own.log")))

    def test_a_script_that_ends_without_a_word_is_told_too(self):
        """By a signal, as coreutils' timeout sends one, or by os._exit; its status and what it sees of itself are its own."""
        call = "from rwkvmon import Collector, Options\nwith Collector(Options(log=None)) as mon:\n    mon.end([1])\n"
        alone = "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\ntry:\n    sys.exit(f'a child: {os.wait()}')\nexcept ChildProcessError:\n    pass\n"
        ends = {"os.kill(os.getpid(), signal.SIGTERM)": -15, "os.kill(os.getpid(), signal.SIGKILL)": -9, "os._exit(3)": 3,
                "os.kill(os.getpid(), signal.SIGABRT)": -6,
                "signal.signal(signal.SIGTERM, lambda *_: os._exit(5)); os.kill(os.getpid(), signal.SIGTERM)": 5}
        with open(self.path("ends.py"), "w", encoding="utf-8") as f:
            f.write(f"import os, signal, sys\n{alone}if len(sys.argv) > 2:\n    exec({call!r})\nprint('done', flush=True)\nexec(sys.argv[1])\n")
        for how, status in ends.items():
            for arguments in (how,), (how, "call"):
                run = self.run_module("--log", "none", "ends.py", *arguments)
                self.assertEqual((run.returncode, run.stdout), (status, "done\n"), run.stderr)
                self.assertEqual(run.stderr.count("NOTHING WAS WATCHED"), 2 - len(arguments), run.stderr)

    def test_what_a_child_watched_was_watched(self):
        """Whether or not there is a log to tell it by."""
        with open(self.path("child.py"), "w", encoding="utf-8") as f:
            f.write("from rwkvmon import Collector, Options\nwith Collector(Options(log=None)) as mon:\n    mon.end([1])\n")
        with open(self.path("forks.py"), "w", encoding="utf-8") as f:
            f.write("import os, runpy\npid = os.fork()\nif not pid:\n    runpy.run_path('child.py')\n    os._exit(0)\nos.waitpid(pid, 0)\n")
        with open(self.path("starts.py"), "w", encoding="utf-8") as f:
            f.write("import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'], check=True)\n")
        with open(self.path("asks.py"), "w", encoding="utf-8") as f:  # about its child, as it is asked about itself
            f.write("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'rwkvmon', '--log', 'none', 'child.py'], check=True)\n")
        for script in "child.py", "forks.py", "starts.py", "asks.py":
            run = self.run_module("--log", "none", script)
            self.assertEqual((run.returncode, run.stderr), (0, ""), script)

    def test_a_child_imports_of_the_parents_packages_rwkvmon_alone(self):
        """Those that lie beside it may be made for another Python."""
        site, own = self.path("site"), self.path("own")
        shutil.copytree(os.path.join(ROOT, "python", "rwkvmon"), os.path.join(site, "rwkvmon"), ignore=shutil.ignore_patterns("__pycache__"))
        os.makedirs(os.path.join(own, "rwkv"))
        for path, text in ((os.path.join(site, "neighbour.py"), ""), (os.path.join(own, "rwkv", "__init__.py"), ""),
                           (os.path.join(own, "rwkv", "model.py"), "torch = None\nclass RWKV:\n    pass\n"),
                           (os.path.join(own, "child.py"), "import sys\nbefore = list(sys.path)\nfrom rwkv.model import RWKV\n"
                            "print(RWKV.__name__, sys.path == before)\nimport neighbour\n"),
                           (os.path.join(own, "parent.py"), "import os, subprocess, sys\nchild = {**os.environ, 'PYTHONPATH': "
                            "os.environ['PYTHONPATH'].split(os.pathsep)[0]}\n"
                            "subprocess.run([sys.executable, 'child.py'], env=child)\n")):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        run = subprocess.run([sys.executable, "-m", "rwkvmon", "--log", "none", "parent.py"], capture_output=True, text=True, cwd=own,
                             env={**os.environ, "PYTHONPATH": site}, check=False)
        self.assertEqual(run.stdout, "LoggingRWKV True\n", run.stderr)
        self.assertIn("No module named 'neighbour'", run.stderr)
        self.assertNotIn("not watching", run.stderr)

    def test_a_script_that_fails_is_not_called_one_without_a_model(self):
        with open(os.path.join(self.folder.name, "bad.py"), "w", encoding="utf-8") as f:
            f.write("raise TypeError('mmap')\n")
        run = self.run_module("--log", "bad.log", "bad.py")
        self.assertEqual(run.returncode, 1)
        self.assertIn("TypeError ended bad.py before a model was ready", run.stderr)
        self.assertNotIn("made no rwkv", run.stderr)

    def test_listen_may_stand_alone(self):
        for given, address in ((["--listen", "x.py", "a:1"], ""), (["--listen", "0.0.0.0:9", "x.py", "a:1"], "0.0.0.0:9"),
                               (["--listen=:7", "x.py", "a:1"], ":7"), (["x.py", "a:1"], None)):
            args, options = parse(given)
            self.assertEqual((options.listen, args.script, args.arguments), (address, "x.py", ["a:1"]))

    def test_a_script_runs_as_ever(self):
        with open(self.path("script.py"), "w") as f:
            f.write("import sys, helper\nprint(sys.argv, __name__, helper.here)\nsys.exit(5)\n")
        with open(self.path("helper.py"), "w") as f:
            f.write("here = True\n")
        done = self.run_module("--quiet", "script.py", "--log", "x", "-m", "y")
        self.assertEqual((done.stdout.strip(), done.returncode), ("['script.py', '--log', 'x', '-m', 'y'] __main__ True", 5))
        self.assertEqual(self.run_module("-m", "helper").returncode, 0)


FAKE_NVML = os.path.join(os.path.dirname(os.environ.get("RWKVMON_LIBRARY", "")), "tests", "fake_nvml")


def samples_within(steps):
    """At most: the one at opening, the one a quarter of a second later, and then one every 5 s, an eighth of a second early."""
    first, last = (datetime.fromisoformat(s["timestamp"].replace("Z", "+00:00")) for s in (steps[0], steps[-1]))
    return 2 + int((last - first).total_seconds() / 4.8)


class SeveralGpus(unittest.TestCase):
    @unittest.skipUnless(os.path.isdir(FAKE_NVML), "SKIPPED: several GPUs: the stand-in for NVML is not built")
    def test_each_stands_in_the_log_among_own_fields(self):
        script = """
import sys, time
from rwkvmon import Collector, Description, Options
with Collector(Options(log=sys.argv[1]), Description(strategy="cuda:0 fp16 *10 -> cuda:1 fp16")) as mon:
    for path in sys.argv[2:]:
        mon.set_number(path, 7)
    for _ in range(2400):  # until the first sample is in the log: a deadline, never a measure
        mon.begin(); mon.end([1]); time.sleep(0.05)
        if '"gpus"' in open(sys.argv[1]).read():
            break
    for _ in range(5):  # which has been told
        mon.begin(); mon.end([1])
"""
        for own in ((), ("performance.a", "resources.b", "accuracy.c", "d"), ("d",)):
            with self.subTest(own), tempfile.TemporaryDirectory() as folder:
                log = os.path.join(folder, "run.log")
                environment = dict(os.environ, LD_LIBRARY_PATH=FAKE_NVML)
                environment.pop("CUDA_VISIBLE_DEVICES", None)
                subprocess.run([sys.executable, "-c", script, log, *own], env=environment, check=True)
                with open(log) as lines:
                    steps = [e for e in map(json.loads, lines) if e["event_type"] == "inference_step"]
                told = [e for e in steps if "gpus" in e["resources"]]
                self.assertGreater(len(told), 0)
                self.assertLessEqual(len(told), samples_within(steps), "each sample is told once")
                self.assertEqual([(g["device"], g["vram_total_mb"]) for g in told[0]["resources"]["gpus"]],
                                 [("cuda:0", 24576.0), ("cuda:1", 49152.0)])
                for step in steps:
                    for path in own:
                        group, _, name = path.rpartition(".")
                        self.assertEqual((step[group] if group else step)[name], 7)
                said = subprocess.run([os.environ["RWKVMON_PROGRAM"], "analyze", "--quiet", "--format", "json", log], check=True,
                                      capture_output=True)
                self.assertEqual(json.loads(said.stdout)["input"]["skipped_lines"], 0)


if __name__ == "__main__":
    unittest.main()
