"""What each command answers when it is used wrongly: misuse.py RWKVMON"""
import re
import subprocess
import sys

RWKVMON = sys.argv[1]
failed = checked = 0


def run(words, lang="en"):
    return subprocess.run([RWKVMON, *words, *(["--lang", lang] if words[:1] and words[0] in commands else [])], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)


def check(words, what, holds):
    global failed, checked
    checked += 1
    if not holds:
        failed += 1
        print("FAILED: rwkvmon %s: %s" % (" ".join(words), what))


commands = []
commands = re.findall(r"(?m)^  (\w+) ", run(["--help"]).stdout)
options = {c: re.findall(r"(?m)^  (?:-\w, |    )--([\w-]+)", run([c, "--help"]).stdout) for c in commands}
open("model.pth", "w").close()
open("tokens.txt", "w").close()
open("some.log", "w").close()

# Words, and what the answer must contain. "$" stands for the command's example of `--help`.
ANSWERS = {
    "run": [("hello", 'rwkvmon run --prompt "hello"'), ("model.pth", 'rwkvmon run --model "model.pth"'), ("--prompt a b", "quote texts that hold spaces")],
    "chat": [("hello", 'rwkvmon chat --prompt "hello"'), ("model.pth", 'rwkvmon chat --model "model.pth"')],
    "eval": [("", "$"), ("hello", "$"), ("1,2,3", 'rwkvmon eval --tokens "1,2,3"'), ("tokens.txt", 'rwkvmon eval --tokens-file "tokens.txt"')],
    "analyze": [("", "$"), ("none.log", "none.log"), ("--model x", "run, chat, eval, tune, doctor")],
    "watch": [("", "http://127.0.0.1:8000"), ("none.log", "none.log")],
    "compare": [("", "--vs"), ("some.log", "found 1 log")],
    "diagnose": [("", "$"), ("none.log", "none.log")],
    "forecast": [("", "$"), ("none.log", "none.log")],
    "fleet": [("", "$"), ("none.log", "none.log")],
    "ship": [("", "$"), ("some.log", "--to")],
    "serve": [("", "$"), ("none.log", "none.log")],
    "proxy": [("", "$"), ("hello", "$"), ("http://127.0.0.1:1", 'rwkvmon proxy --upstream "http://127.0.0.1:1"')],
    "rules": [("", "$"), ("hello", "$"), ("lst", 'did you mean "list"'), ("check", "rwkvmon rules check"), ("replay", "$")],
    "log": [("", "$"), ("hello", "$"), ("check", "$")],
    "convert": [("", "$"), ("model.pth", "--output is missing"), ("a b", "found 2 model files")],
    "tune": [("hello", "$"), ("some.log", 'rwkvmon tune --from "some.log"'), ("model.pth", 'rwkvmon tune --model "model.pth"')],
    "doctor": [("hello", "$"), ("model.pth", 'rwkvmon doctor --model "model.pth"')],
    "export": [("", "rwkvmon export --help"), ("hello", "rwkvmon export --help"), ("grafanna", "rwkvmon export grafana")],
}
check(["--help"], "commands without a row: %s" % (set(commands) ^ set(ANSWERS)), set(commands) == set(ANSWERS))
for command in commands:
    example = run([command, "--help"]).stdout.split("\n  ")[-1].strip()
    check([command, "--help"], "the example is of another command: %s" % example, example.startswith("rwkvmon " + command))
    for given, wanted in ANSWERS[command]:
        words = [command, *given.split()]
        done = run(words)
        check(words, "exit code %d, expected 2 or 3" % done.returncode, done.returncode in (2, 3))
        check(words, "lacks %s: %s" % (wanted, done.stderr), (example if wanted == "$" else wanted) in done.stderr)
        others = set(re.findall(r"rwkvmon (\w+)", done.stderr)) - {command}
        check(words, "speaks of %s: %s" % (others, done.stderr), not others)
        check(words, "has no hint: %s" % done.stderr, "\n         " in done.stderr)
        chinese = run(words, "zh").stderr
        check(words, "English among Chinese: %s" % chinese, re.search("[\u4e00-\u9fff]", chinese))
    for option in options[command]:
        mistyped = option[:1] + option[2:] + "e" if len(option) < 5 else option[:-2] + option[-1] + option[-2]
        if len(option) < 4 or mistyped in options[command] or option == mistyped:
            continue
        done = run([command, "--" + mistyped])
        found = re.search(r"did you mean --([\w-]+)\?", done.stderr)
        check([command, "--" + mistyped], "suggests nothing of its own: %s" % done.stderr,
              done.returncode == 2 and found and found[1] in options[command])
    done = run([command, "-@"])
    check([command, "-@"], done.stderr, done.returncode == 2 and "no option -@\n" in done.stderr)

    # JSON has one name everywhere.
    formats = {form: run([command, *form.split(), "none.log"]).stderr for form in ("--json", "-j", "--format json", "--format=json", "-f json")}
    check([command], "JSON by some names only: %s" % formats, len({"there is no option" in e for e in formats.values()}) == 1)
    check([command], "its help names --json: %s" % options[command], ("json" in options[command]) != ("there is no option" in formats["--json"]))
    if "json" in options[command]:
        check([command], "a format that is none", "expected text" in run([command, "--format", "xml", "none.log"]).stderr)
for word, wanted in (("anlyze", "rwkvmon analyze"), ("some.log", "rwkvmon analyze some.log"), ("model.pth", "rwkvmon run --model model.pth"),
                     ("--lang", "the command comes first")):
    done = run([word])
    check([word], "lacks %s: %s" % (wanted, done.stderr), done.returncode == 2 and wanted in done.stderr)
print("%d checks, %d failed" % (checked, failed))
sys.exit(failed > 0)
