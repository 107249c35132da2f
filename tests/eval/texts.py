"""Token streams that repeat themselves as texts of a kind do: prose, other languages, code, tables, JSON, songs, poems, bytes.

The share of repeated tokens in 100 follows what texts have under the World vocabulary of 65,536: fiction 25-28 %, other
languages 28-35, licences 33-40, code 41-43, tables 60-76; bytes 70-83.
"""
import math
import random

POOL = 1 << 16


class Zipf:
    """Token ids by Zipf's law, drawn from a table that is made once for each size of the vocabulary."""
    tables = {}

    def __init__(self, vocab):
        if vocab not in self.tables:
            order = list(range(1, vocab))
            random.Random(vocab).shuffle(order)
            total = math.log(vocab) + 0.58
            table = []
            for rank, token in enumerate(order, 1):
                table += [token] * max(int(POOL * 4 / (total * (rank + 0.6))), 1 if rank < POOL else 0)
            self.tables[vocab] = table
        self.table = self.tables[vocab]

    def draw(self, rng):
        return self.table[int(rng.random() * len(self.table))]


class Stream:
    """Endless tokens of one text; next() gives one. `history` holds all given so far."""

    # content: chance to take a token of the last 160 anew, to begin a phrase seen before
    REUSE = {"prose": (0.31, 0.012), "language": (0.40, 0.013), "licence": (0.48, 0.025), "code": (0.62, 0.035), "poem": (0.20, 0),
             "song": (0.25, 0), "table": (0.3, 0), "json": (0.2, 0), "sql": (0.2, 0), "bytes": (0, 0)}

    FREE = {"prose", "language", "licence", "code"}

    def __init__(self, content, vocab, rng):
        self.rng, self.content, self.vocab = rng, content, vocab
        self.zipf = Zipf(vocab)
        self.history = []
        self.queue = []
        if content in ("table", "json", "sql"):
            self.plan_rows()
        if content == "song":
            self.chorus = [self.line() for _ in range(rng.randint(2, 4))]
            self.chorus = [line for line in self.chorus for _ in range(rng.choice([1, 1, 1, 2]))]
        if content == "bytes":
            self.words = [[self.letter() for _ in range(rng.randint(2, 9))] for _ in range(400)]

    def letter(self):
        return min(int(self.rng.expovariate(1 / 7.0)), 25) + 97

    def word(self):
        if len(self.history) > 20 and self.rng.random() < self.REUSE[self.content][0]:
            return self.history[-1 - int(self.rng.random() * min(len(self.history), 160))]
        return self.zipf.draw(self.rng)

    def line(self):
        return [self.word() for _ in range(self.rng.randint(6, 13))] + [11]

    def plan_rows(self):
        rng = self.rng
        self.columns = []
        for _ in range(rng.randint(3, 8)):
            before = [self.zipf.draw(rng) for _ in range(rng.randint(1, 4) if self.content != "table" else 1)]
            kind = rng.choice(["number", "word", "enum", "number"])
            self.columns.append((before, kind, [self.zipf.draw(rng) for _ in range(rng.randint(3, 9))], rng.randint(1, 4)))

    def row(self):
        rng, out = self.rng, []
        for before, kind, values, width in self.columns:
            out += before
            if kind == "number":
                out += [rng.randint(20, 45) for _ in range(rng.randint(1, width))]
            elif kind == "word":
                out += [self.word() for _ in range(rng.randint(1, width))]
            else:
                out.append(rng.choice(values))
        return out + [11]

    def refill(self):
        rng, content = self.rng, self.content
        if content in ("table", "json", "sql"):
            self.queue = self.row()[::-1]
        elif content == "song":
            lines = [self.line() for _ in range(rng.randint(4, 8))] + self.chorus
            self.queue = [t for line in lines for t in line][::-1]
        elif content == "poem":
            self.queue = self.line()[::-1]
        elif content == "bytes":
            index = min(int(rng.expovariate(1 / 60.0)), 399)
            self.queue = (self.words[index] + [32])[::-1]

    def next(self):
        rng, history = self.rng, self.history
        if self.queue:
            token = self.queue.pop()
        elif self.content in self.FREE:
            reuse, phrase = self.REUSE[self.content]
            x = rng.random()
            if x < reuse and len(history) > 20:
                token = history[-1 - int(rng.random() * min(len(history), 160))]
            elif x < reuse + phrase and len(history) > 60:
                at = int(rng.random() * (len(history) - 40)) if len(history) < 440 else len(history) - 40 - int(rng.random() * 400)
                self.queue = history[at:at + rng.randint(3, 9)][::-1]
                token = self.queue.pop()
            else:
                token = self.zipf.draw(rng)
        else:
            self.refill()
            token = self.queue.pop()
        history.append(token)
        return token


class Repetition:
    """What the collector says about repetition, by docs/METRICS.md: of the last 100 tokens of the sequence, and of cycles
    among the generated ones."""

    LONGEST = 4096

    def __init__(self):
        self.last, self.counts = [], {}
        self.generated, self.where = [], {}
        self.period = self.run = 0
        self.matches, self.lags, self.near = [], {}, 0

    def feed(self, token, generated):
        last, counts = self.last, self.counts
        last.append(token)
        counts[token] = counts.get(token, 0) + 1
        if len(last) > 100:
            old = last[-101]
            counts[old] -= 1
            if not counts[old]:
                del counts[old]
        if generated:
            self.cycle(token)

    def repetition_pct(self):
        return 100.0 - len(self.counts) if len(self.last) >= 100 else None

    def cycle(self, token):
        g = self.generated
        g.append(token)
        n = len(g)
        if self.period and g[n - 1 - self.period] == token:
            self.run += 1
        else:
            self.period = self.run = 0
            if n >= 6:
                key = (g[-1], g[-2], g[-3], g[-4])
                at = self.where.get(key)
                if at is not None and n - at <= self.LONGEST:
                    self.period, self.run = n - at, 4
        if n >= 4:
            self.where[(g[-1], g[-2], g[-3], g[-4])] = n
        lag = self.lag_of(token, n)
        self.matches.append(lag)
        if lag:
            self.lags[lag] = self.lags.get(lag, 0) + 1
        if len(self.matches) > 100:
            old = self.matches[-101]
            if old:
                self.lags[old] -= 1
                if not self.lags[old]:
                    del self.lags[old]

    def lag_of(self, token, n):
        at = self.where.get(token)
        self.where[token] = n
        return n - at if at is not None and n - at <= self.LONGEST else 0

    def near_share(self):
        """Share of the last 100 generated tokens that equal the one a period before, for the period most of them suggest."""
        g = self.generated
        if len(g) < 200 or not self.lags:
            return 0
        if len(g) % 8 == 0:
            lag = max(self.lags, key=self.lags.get)
            self.near = lag if self.lags[lag] >= 25 else 0
        lag = self.near
        if not lag or len(g) < lag + 100:
            return 0
        return sum(x == y for x, y in zip(g[-100:], g[-100 - lag:-lag]))

    def fields(self):
        out = ""
        if self.period and self.run >= self.period and self.run + self.period >= 16:
            out = ',"repeat_cycle_tokens":%d,"repeat_cycle_period":%d' % (self.run + self.period, self.period)
            share = 100.0
        else:
            share = self.near_share()
        if share > 50:
            out += ',"repeat_share_pct":%g' % share
        return out
