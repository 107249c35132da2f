"""Real texts of this machine as World tokens: prose, other languages, licences, code, tables, JSON, SQL, songs.

The vocabulary is rwkv_vocab_v20230424.txt of the PyPI package `rwkv`; $RWKVMON_VOCAB names it, else it is looked for below
$RWKVMON_TEXTS and among installed packages, else pip fetches the package. Texts are what lies on the machine and below
$RWKVMON_TEXTS (unpacked Debian packages such as fortunes, fortunes-zh, fortunes-de, manpages-ja: `fetch()` gets them with
apt-get download). What is missing is left out and said.
"""
import ast
import glob
import gzip
import os
import re
import subprocess
import sys
import tempfile
import zipfile

TEXTS = os.environ.get("RWKVMON_TEXTS", os.path.join(tempfile.gettempdir(), "rwkvmon-texts"))
VOCAB_NAME = "rwkv_vocab_v20230424.txt"
PACKAGES = ["fortunes", "fortunes-min", "fortunes-zh", "fortunes-de", "manpages-ja", "manpages-de", "manpages-zh", "manpages-ru"]


def fetch():
    """Texts from Debian packages, unpacked below TEXTS; nothing is installed."""
    debs = os.path.join(TEXTS, "debs")
    os.makedirs(debs, exist_ok=True)
    for name in PACKAGES:
        if not glob.glob(os.path.join(debs, name + "_*.deb")):
            subprocess.run(["apt-get", "download", "-q", name], cwd=debs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for deb in glob.glob(os.path.join(debs, "*.deb")):
        subprocess.run(["dpkg", "-x", deb, os.path.join(TEXTS, "x")], stderr=subprocess.DEVNULL)


def vocabulary():
    """Path of the vocabulary, or None."""
    found = [os.environ.get("RWKVMON_VOCAB", "")] + glob.glob(os.path.join(TEXTS, "**", VOCAB_NAME), recursive=True)
    found += [os.path.join(p, "rwkv", VOCAB_NAME) for p in sys.path]
    for path in found:
        if path and os.path.exists(path):
            return path
    os.makedirs(TEXTS, exist_ok=True)
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", TEXTS, "rwkv==0.8.32"], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    for wheel in glob.glob(os.path.join(TEXTS, "rwkv-*.whl")):
        with zipfile.ZipFile(wheel) as z:
            for name in z.namelist():
                if name.endswith(VOCAB_NAME):
                    return z.extract(name, TEXTS)
    return None


class World:
    """The World tokenizer: greedy, the longest token first."""

    def __init__(self, path):
        self.ids = {}
        lengths = {}
        with open(path, encoding="utf-8") as f:
            for line in f:
                first, last = line.index(" "), line.rindex(" ")
                token = ast.literal_eval(line[first:last].strip())
                token = token.encode("utf-8") if isinstance(token, str) else token
                self.ids[token] = int(line[:first])
                lengths.setdefault(token[:2], set()).add(len(token))
        self.lengths = {k: sorted(v, reverse=True) for k, v in lengths.items()}
        self.bytes_of = {token: len(letters) for letters, token in self.ids.items()}

    def encode(self, text):
        data, ids, lengths = text.encode("utf-8"), self.ids, self.lengths
        out, i, n = [], 0, len(data)
        while i < n:
            for length in lengths.get(data[i:i + 2], ()):
                token = ids.get(data[i:i + length])
                if token is not None and i + length <= n:
                    out.append(token)
                    i += length
                    break
            else:
                out.append(ids[data[i:i + 1]])
                i += 1
        return out


KNOWN = 1 << 31  # of a token that every model would know: token_alarms.c


def counted(text):
    """The spans of numbers that follow a number of the 300 letters before, up or down by one."""
    last = []
    for m in re.finditer(r"\d{1,9}", text):
        value = int(m.group())
        last = [(n, at) for n, at in last if at > m.start() - 300]
        if any(abs(n - value) == 1 for n, _ in last):
            yield m.span()
        last.append((value, m.start()))


def knowing(world, text):
    """Tokens of a text; those of counted numbers are marked as KNOWN."""
    out, at, offsets = [], 0, [0]
    for letter in text:
        offsets.append(offsets[-1] + len(letter.encode("utf-8")))
    known = bytearray(offsets[-1] + 1)
    for begin, end in counted(text):
        known[offsets[begin]:offsets[end]] = b"\1" * (offsets[end] - offsets[begin])
    for token in world.encode(text):
        length = world.bytes_of[token]
        out.append(token | KNOWN if any(known[at:at + length]) else token)
        at += length
    return out


def read(path):
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
            return f.read(400000).decode("utf-8", "ignore")
    except OSError:
        return ""


def man(text):
    """The words of a page in roff."""
    lines = [re.sub(r"\\f.|\\[-&]|\\\(..|^\.[A-Z]{1,2} ?", "", line) for line in text.split("\n")
             if not line.startswith((".\\\"", "'\\\"", ".TH", ".if", ".ie", ".el", ".de", ".ds", ".nr", ".."))]
    return "\n".join(line for line in lines if line.strip() and not line.startswith("."))


def files(folder, *endings, deep=True):
    """Files below a folder of the machine and of the unpacked packages, by ending; at most 2,000, in the order of their names."""
    out = []
    for root in ("/", os.path.join(TEXTS, "x") + "/"):
        for where, folders, names in os.walk(root + folder):
            if not deep:
                folders.clear()
            out += [os.path.join(where, n) for n in names if n.endswith(endings)]
            if len(out) > 2000:
                break
    return sorted(set(out), key=lambda p: (os.path.basename(p), p))


def fortunes(*names):
    return [p for p in files("usr/share/games/fortunes", "") if os.path.basename(p) in names]


def pages(language):
    return files("usr/share/man/%sman1" % language, ".gz", deep=False) + files("usr/share/man/%sman7" % language, ".gz", deep=False)


def sources():
    """{kind: (paths, how their text is cleaned)}."""
    as_is = str
    german = [p for p in files("usr/share/games/fortunes/de", "") if "." not in os.path.basename(p)]
    return {
        "prose": (fortunes("literature", "science", "politics", "people", "men-women", "wisdom", "definitions", "law", "work", "love"), as_is),
        "songs": (fortunes("songs-poems", "kids", "limerick"), as_is),
        "chinese": (fortunes("chinese", "tang300", "song100"), as_is), "chinese manual": (pages("zh_CN/"), man),
        "german": (german, as_is), "german manual": (pages("de/")[:300], man), "japanese": (pages("ja/"), man),
        "russian": (pages("ru/")[:300], man), "manual": (pages("")[:600], man), "licence": (files("usr/share/common-licenses", ""), as_is),
        "code": (files("usr/lib/python3", ".py")[:400] + files("usr/include", ".h", deep=False), as_is),
        "csv": (files("usr/share/gdal", ".csv") + files("usr/share/matplotlib", ".csv"), as_is),
        "json": (files("usr/share/proj", ".json") + files("usr/share/iso-codes", ".json") + files("usr/share/nodejs", "package.json"), as_is),
        "sql": (files("usr/share/postgresql", ".sql"), as_is), "html": (files("usr/share/doc", ".html"), as_is),
    }


def tokens(world, rng, wanted):
    """{kind: [tokens of a piece, …]}: pieces of 12,000 letters until there are so many tokens of each kind."""
    out = {}
    for kind, (paths, clean) in sources().items():
        rng.shuffle(paths)
        pieces, total = [], 0
        for path in paths:
            text = clean(read(path))
            for at in range(0, len(text) - 1500, 12000):
                piece = knowing(world, text[at:at + 12000])
                pieces.append(piece)
                total += len(piece)
                if total >= wanted or at > 200000:
                    break
            if total >= wanted:
                break
        if pieces:
            out[kind] = pieces
    return out
