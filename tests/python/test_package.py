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

import rwkvmon
from rwkvmon import Collector, Description, Options, RWKVLogAnalyzer, RwkvmonError, _native, metrics

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOREIGN = os.path.join(ROOT, "tests", "logs", "foreign-python.log")
WORKED = os.path.join(ROOT, "tests", "logs", "worked.log")

try:
    import pandas
except ImportError:
    pandas = None
needs_pandas = unittest.skipUnless(pandas, "SKIPPED: RWKVLogAnalyzer.df: pandas is not installed")
STRUCTS = {"rwkvmon_config": _native.Config, "rwkvmon_tensor": _native.TensorView, "rwkvmon_state_sums": _native.StateSums,
           "rwkvmon_number": _native.Number, "rwkvmon_step": _native.Step, "rwkvmon_totals": _native.Totals}


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
        with Collector(Options(log=self.log, alarms=False), Description(**what)) as mon:
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

    def test_metrics_and_alarms_go_where_options_say(self):
        alarms, heard = self.path("alarms.jsonl"), self.path("heard")
        options = Options(log=None, alarms=False, listen="127.0.0.1:0", alarm_file=alarms,
                          alarm_command=["sh", "-c", 'cat >>"$0"', heard])
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

    def test_what_is_wrong_is_said(self):
        with self.assertRaisesRegex(RwkvmonError, "fsync.*expected interval, never, record"):
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
        self.assertEqual(str(df["timestamp"].dtype), "datetime64[ns, UTC]")
        self.assertEqual(len(df), analyzer.analysis["input"]["records"])
        for metric, found in analyzer.analysis["metrics"].items():
            if found and found["count"] and not found["nonfinite"] and metric in df.columns:
                self.assertEqual(int(df[metric].count()), found["count"], metric)
                self.assertAlmostEqual(float(df[metric].mean()), found["mean"], delta=1e-6 * max(1, abs(found["mean"])), msg=metric)

    @needs_pandas
    def test_damaged_lines_are_counted(self):
        self.write_log([(2.0, 0.9)] * 2)
        with open(self.log, "ab") as f:
            f.write(b'\xff\xfe\n[1]\n"text"\n{"no": "event"}\n\n{"event_type":"inference_step","timestamp":"x"}\n{"torn": ')
        analyzer = RWKVLogAnalyzer(self.log)
        self.assertEqual((len(analyzer.df), analyzer.skipped_lines), (3, 5))

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


class CommandLine(Folder):
    def run_module(self, *arguments):
        return subprocess.run([sys.executable, "-m", "rwkvmon", *arguments], capture_output=True, text=True, cwd=self.folder.name)

    def test_help_and_errors(self):
        self.assertIn("--log FILE", self.run_module("--help").stdout)
        missing = self.run_module("nothing.py")
        self.assertEqual((missing.returncode, missing.stderr.strip()), (3, "python -m rwkvmon: nothing.py: no such file"))
        self.assertEqual(self.run_module("--no-such-option", "x.py").returncode, 2)

    def test_listen_may_stand_alone(self):
        from rwkvmon.__main__ import _parser, _with_address

        for given, address in ((["--listen", "x.py", "a:1"], ""), (["--listen", "0.0.0.0:9", "x.py", "a:1"], "0.0.0.0:9"),
                               (["--listen=:7", "x.py", "a:1"], ":7"), (["x.py", "a:1"], None)):
            args = _parser().parse_args(_with_address(given))
            self.assertEqual((args.listen, args.script, args.arguments), (address, "x.py", ["a:1"]))

    def test_a_script_runs_as_ever(self):
        with open(self.path("script.py"), "w") as f:
            f.write("import sys, helper\nprint(sys.argv, __name__, helper.here)\nsys.exit(5)\n")
        with open(self.path("helper.py"), "w") as f:
            f.write("here = True\n")
        done = self.run_module("--quiet", "script.py", "--log", "x", "-m", "y")
        self.assertEqual((done.stdout.strip(), done.returncode), ("['script.py', '--log', 'x', '-m', 'y'] __main__ True", 5))
        self.assertEqual(self.run_module("-m", "helper").returncode, 0)


if __name__ == "__main__":
    unittest.main()
