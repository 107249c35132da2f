"""Texts made by grammars: prose, code, tables in many notations, songs. Each is a function (rng) -> some 6,000 letters; TEXTS has them
by group. Made to look like what people generate, without a look at how loops are found."""
import json

from real_texts import knowing

NOUNS = ("harbour lantern widow miller orchard bridge letter cellar winter captain garden river chimney saddle market village doctor sister "
         "cousin soldier candle window barrel kitchen forest meadow church tower ferry parcel ledger mirror carpet violin engine station "
         "ticket notebook theory museum painter archive garment bakery island compass weather harvest council treaty border").split()
ADJECTIVES = ("old narrow silent golden broken bitter patient distant crooked honest pale sudden wooden quiet careless gentle heavy clever "
              "empty foreign proud rusty faithful lonely curious stubborn early late").split()
VERBS = ("carried followed opened remembered forgot painted crossed measured sold buried answered watched repaired lifted noticed burned "
         "promised refused collected borrowed described counted mended abandoned praised").split()
NAMES = "Anna Pieter Mathilda Joseph Ingrid Tobias Clara Edmund Oscar Ruth Bernard Agnes Hugo Lydia Felix Nora Emil Judith".split()
TEXTS = {}


def text(group):
    def add(function):
        TEXTS[function.__name__] = (group, function)
        return function
    return add


def thing(r):
    if r.random() < 0.2:
        return r.choice(NAMES)
    return r.choice(["the ", "a ", "his ", "her ", "every "]) + (r.choice(ADJECTIVES) + " " if r.random() < 0.6 else "") + r.choice(NOUNS)


def clause(r):
    out = "%s %s %s" % (thing(r), r.choice(VERBS), thing(r))
    if r.random() < 0.4:
        out += r.choice([" in ", " near ", " behind ", " after "]) + thing(r)
    if r.random() < 0.3:
        out += ", %s %s %s %s" % (r.choice(["and", "but", "though", "because", "until"]), thing(r), r.choice(VERBS), thing(r))
    return out


def sentence(r):
    return clause(r).capitalize() + r.choice("...!?")


def lines(n, make):
    return "\n".join(make(i) for i in range(n))


@text("prose")
def prose(r):
    return "\n\n".join(" ".join(sentence(r) for _ in range(r.randint(3, 8))) for _ in range(14))


@text("prose")
def dialogue(r):
    pair = r.sample(NAMES, 2)
    return lines(90, lambda i: "%s: %s" % (pair[i % 2], sentence(r)))


@text("prose")
def numbered(r):
    return lines(80, lambda i: "%d. %s %s: %s" % (i + 1, r.choice(ADJECTIVES).capitalize(), r.choice(NOUNS), sentence(r)))


@text("prose")
def calculation(r):
    out, x = [], r.randint(2, 60)
    for _ in range(80):
        b, sign = r.randint(2, 30), r.choice("+-*")
        y = x + b if sign == "+" else x - b if sign == "-" else x * b
        out.append("%s %d %s %d = %d, because %s" % (r.choice(["So", "Then", "Now", "Wait,", "Therefore"]), x, sign, b, y, sentence(r)))
        x = y % 97
    return "\n".join(out)


@text("code")
def python(r):
    return lines(14, lambda i: 'def %s_%s(%s):\n    """%s"""\n    total = %d\n    for x in %s:\n        if x %s %d:\n            total += x\n    return total\n' % (
        r.choice(VERBS), r.choice(NOUNS), r.choice(NOUNS), sentence(r), r.randint(0, 9), r.choice(NOUNS), r.choice("<>"), r.randint(0, 99)))


@text("code")
def unit_tests(r):
    return lines(40, lambda i: "    def test_%s_%s(self):\n        result = self.client.get('/%s/%d')\n        self.assertEqual(result.status_code, %d)\n"
                 "        self.assertIn('%s', result.json())\n" % (r.choice(ADJECTIVES), r.choice(NOUNS), r.choice(NOUNS), r.randint(1, 50),
                                                                   r.choice([200, 200, 404, 403]), r.choice(NOUNS)))


@text("code")
def defines(r):
    return lines(170, lambda i: "#define %s_%s 0x%04x" % (r.choice(NOUNS).upper(), r.choice(ADJECTIVES).upper(), 4 * i))


@text("code")
def assembly(r):
    places = ["eax", "ebx", "ecx", "rdi", "[rbp-4]", "[rbp-16]", "0x20"]
    return lines(300, lambda i: "    %s    %s, %s" % (r.choice(["mov", "add", "sub", "lea", "cmp", "xor"]), r.choice(places[:4]), r.choice(places)))


@text("code")
def form(r):
    names = [r.choice(NOUNS) + "_" + r.choice(ADJECTIVES) for _ in range(60)]
    return lines(60, lambda i: '<div class="field"><label for="%s">%s</label><input type="text" id="%s" name="%s" value=""></div>' % (
        names[i], names[i].capitalize(), names[i], names[i]))


def person(r, i):
    return {"id": i, "name": r.choice(NAMES), "active": r.random() < 0.8, "age": r.randint(18, 90), "balance": round(r.uniform(0, 9000), 2),
            "tags": r.sample(NOUNS, r.randint(1, 4)), "address": {"street": "%d %s Street" % (r.randint(1, 300), r.choice(NOUNS)), "zip": "%05d" % r.randint(0, 99999)}}


@text("tables")
def json_compact(r):
    return json.dumps([person(r, i) for i in range(45)])


@text("tables")
def json_indented(r):
    return json.dumps([person(r, i) for i in range(25)], indent=2)


@text("tables")
def json_series(r):
    return json.dumps([{"t": 1700000000 + 60 * i, "value": round(20 + r.gauss(0, 2), 1), "ok": True} for i in range(220)])


@text("tables")
def coordinates(r):
    return json.dumps([[round(r.uniform(-180, 180), 5), round(r.uniform(-90, 90), 5)] for _ in range(220)])


@text("tables")
def json_lines(r):
    return lines(60, lambda i: json.dumps({"time": "2024-03-%02dT%02d:%02d:00Z" % (1 + i // 40, r.randint(0, 23), r.randint(0, 59)),
                                           "level": r.choice(["INFO", "INFO", "WARN"]), "message": sentence(r), "ms": r.randint(1, 900)}))


@text("tables")
def yaml(r):
    return lines(50, lambda i: "- name: %s\n  image: registry/%s:%d.%d\n  replicas: %d\n  ports: [%d]" % (
        r.choice(NOUNS), r.choice(NOUNS), r.randint(0, 4), r.randint(0, 20), r.randint(1, 6), r.randint(1000, 9999)))


@text("tables")
def xml(r):
    return lines(75, lambda i: '  <item id="%d"><title>%s %s</title><price currency="EUR">%.2f</price></item>' % (
        i, r.choice(ADJECTIVES), r.choice(NOUNS), r.uniform(1, 99)))


@text("tables")
def sql(r):
    return lines(85, lambda i: "INSERT INTO orders (id, customer, item, price) VALUES (%d, '%s', '%s', %.2f);" % (
        1000 + i, r.choice(NAMES), r.choice(NOUNS), r.uniform(1, 400)))


@text("tables")
def sql_nulls(r):
    return lines(200, lambda i: "(%d, '%s', NULL, NULL, 0, %d, NULL)," % (i, r.choice(NAMES), r.randint(0, 1)))


@text("tables")
def csv_numbers(r):
    return lines(230, lambda i: "%d,%.3f,%.3f,%.3f,%d" % (i, r.gauss(0, 1), r.gauss(5, 1), r.uniform(0, 1), r.random() < 0.1))


@text("tables")
def csv_zeros(r):
    return lines(120, lambda i: ",".join(str(r.choice([0, 0, 0, 0, 0, 0, 1, 2, r.randint(3, 99)])) for _ in range(16)))


@text("tables")
def markdown_table(r):
    return lines(90, lambda i: "| %s %s | %s | %d | %.2f | %s |" % (r.choice(ADJECTIVES), r.choice(NOUNS), r.choice(["oil", "print", "bronze"]),
                                                                   r.randint(1700, 1990), r.uniform(5, 900), r.choice(["", "", "sold", "on loan"])))


@text("tables")
def html_table(r):
    return lines(75, lambda i: '<tr class="%s"><td>%d</td><td>%s</td><td><a href="/%s/%d">%s</a></td></tr>' % (
        ("odd", "even")[i % 2], i, r.choice(NAMES), r.choice(NOUNS), r.randint(1, 999), r.choice(ADJECTIVES)))


@text("tables")
def multiplication(r):
    return "\n".join("%d x %d = %d" % (a, b, a * b) for a in range(2, 22) for b in range(1, 21))


@text("tables")
def hex_dump(r):
    return lines(90, lambda i: "%08x  %s" % (16 * i, " ".join("%02x" % r.choice([0, 0, 255, r.randint(0, 255)]) for _ in range(16))))


@text("tables")
def tasks(r):
    return lines(150, lambda i: "- [%s] %s the %s (%s)" % (r.choice("x "), r.choice(VERBS), r.choice(NOUNS), r.choice(NAMES)))


@text("songs")
def song(r):
    chorus = lines(r.randint(2, 4), lambda i: clause(r).capitalize() + ",") + "\nOh %s, my %s, come home!" % (r.choice(NOUNS), r.choice(NOUNS))
    hook = r.choice([",", ", la la la,", ", hey ho,"])
    verse = lambda: lines(r.randint(4, 6), lambda i: clause(r).capitalize() + hook)
    return "\n\n".join(verse() + "\n\n" + (chorus if r.random() < 0.8 else chorus + "\n" + chorus) for _ in range(r.randint(6, 9)))


@text("songs")
def cumulative(r):
    parts = ["%s that %s the %s" % (r.choice(NOUNS), r.choice(VERBS), r.choice(NOUNS)) for _ in range(13)]
    return "\n\n".join("This is the %s." % ",\nthe ".join(reversed(parts[:i + 1])) for i in range(13))


@text("songs")
def counting(r):
    thing, place = r.choice(NOUNS), r.choice(NOUNS)
    return lines(40, lambda i: "%d green %ss on the %s, %d green %ss.\nTake one down, pass it around, %d green %ss on the %s.\n" % (
        40 - i, thing, place, 40 - i, thing, 39 - i, thing, place))


@text("songs")
def litany(r):
    return lines(110, lambda i: "From the %s and %s, %s us." % (r.choice(NOUNS), thing(r), r.choice(["deliver", "deliver", "spare"])))


@text("songs")
def psalm(r):
    return lines(60, lambda i: "%s: for his %s endureth for ever." % (clause(r).capitalize(), r.choice(["mercy", "mercy", "kindness"])))


def tokens(world, rng, wanted):
    """{kind: [tokens of a text, …]}, some so many tokens of each kind."""
    out = {}
    for kind, (group, make) in TEXTS.items():
        pieces = []
        while sum(map(len, pieces)) < wanted:
            pieces.append(knowing(world, make(rng)))
        out["%s: %s" % (group, kind)] = pieces
    return out
