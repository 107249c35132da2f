"""Texts of rows that repeat nearly, as people generate them: listings, dumps, logs, markup, boilerplate, hymns. Each is a function
(rng) -> some 6,000 letters. Written without a look at how loops are found."""
import json

from grammar_texts import ADJECTIVES, NAMES, NOUNS, VERBS, clause, lines, sentence
from real_texts import KNOWN, knowing

TEXTS = {}


def text(function):
    TEXTS[function.__name__] = function
    return function


@text
def csv_counter(r):
    """A code list, most of whose rows are reserved."""
    word = r.choice(["Reserved", "Unassigned", "not used"])
    return lines(150, lambda i: '%d,"%s","","%s"' % (i, word if r.random() < 0.7 else r.choice(ADJECTIVES) + " " + r.choice(NOUNS), r.choice(["N", "N", "N", "Y"])))


@text
def csv_measurements(r):
    return "time,sensor,value,unit,status\n" + lines(150, lambda i: "2024-05-%02d %02d:%02d:00,%s,%.1f,C,%s" % (
        1 + i // 96, i // 4 % 24, i % 4 * 15, r.choice("AABC"), 20 + r.gauss(0, 3), r.choice(["ok", "ok", "ok", "late"])))


@text
def csv_people(r):
    return lines(110, lambda i: "%d,%s,%s,%s@example.com,%d,active" % (i + 1, r.choice(NAMES), r.choice(NOUNS).capitalize(), r.choice(NAMES).lower(), r.randint(18, 80)))


@text
def sql_dump(r):
    table = r.choice(NOUNS) + "s"
    return lines(80, lambda i: "INSERT INTO `%s` VALUES (%d,'%s','%s',%d,NULL,NULL,'2023-%02d-%02d 00:00:00');" % (
        table, i + 1, r.choice(NAMES), r.choice(NOUNS), r.randint(0, 500), r.randint(1, 12), r.randint(1, 28)))


@text
def sql_grants(r):
    return lines(70, lambda i: "GRANT SELECT, INSERT, UPDATE ON TABLE public.%s_%s TO %s;\nALTER TABLE public.%s_%s OWNER TO %s;" % (
        r.choice(NOUNS), r.choice(NOUNS), r.choice(["readers", "writers"]), r.choice(NOUNS), r.choice(VERBS), r.choice(NAMES).lower()))


@text
def sql_functions(r):
    kind = [r.choice(NOUNS) for _ in range(12)]
    return lines(45, lambda i: "CREATE FUNCTION %s_%s(internal)\nRETURNS internal\nAS 'MODULE_PATHNAME'\nLANGUAGE C IMMUTABLE STRICT;\n" % (
        kind[i // 4], ("in", "out", "compress", "same")[i % 4]))


@text
def server_log(r):
    ip = ["10.0.%d.%d" % (r.randint(0, 3), r.randint(1, 250)) for _ in range(6)]
    return lines(75, lambda i: '%s - - [12/Mar/2024:10:%02d:%02d +0000] "GET /%s/%s HTTP/1.1" %d %d' % (
        r.choice(ip), i // 20, i * 3 % 60, r.choice(NOUNS), r.choice(["", "index.html", "style.css"]), r.choice([200, 200, 200, 304, 404]), r.randint(100, 9000)))


@text
def heartbeat_log(r):
    return lines(90, lambda i: "2024-03-12 10:%02d:%02d INFO  [worker-%d] heartbeat ok, queue=%d" % (i // 6, i % 6 * 10, i % 3 + 1, r.choice([0, 0, 0, r.randint(1, 40)])))


@text
def kernel_log(r):
    return lines(90, lambda i: "[%5d.%06d] %s: %s %s" % (i // 9, r.randint(0, 999999), r.choice(["usb 1-%d" % r.randint(1, 4), "eth0", "ext4", "pci 0000:00:%02x.0" % r.randint(0, 31)]),
                                                   r.choice(VERBS), r.choice(NOUNS)))


@text
def json_array(r):
    return json.dumps([{"id": i, "type": "point", "visible": True, "x": round(r.uniform(0, 100), 2), "y": round(r.uniform(0, 100), 2), "label": r.choice(["", "", r.choice(NOUNS)])} for i in range(90)])


@text
def json_package(r):
    return json.dumps({"dependencies": {r.choice(NOUNS) + "-" + r.choice(ADJECTIVES): {"version": "%d.%d.%d" % (r.randint(0, 9), r.randint(0, 20), r.randint(0, 9)), "dev": True, "license": "MIT"} for _ in range(70)}}, indent=2)


@text
def geojson(r):
    return json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [
        round(r.uniform(5, 15), 4), round(r.uniform(45, 55), 4)]}} for _ in range(60)]})


@text
def html_rows(r):
    return "<table>\n" + lines(70, lambda i: "  <tr>\n    <td>%d</td>\n    <td>%s</td>\n    <td>%s</td>\n    <td>%d</td>\n  </tr>" % (i + 1, r.choice(NAMES), r.choice(NOUNS), r.randint(1, 999)))


@text
def html_versions(r):
    name = r.choice(NOUNS)
    return lines(60, lambda i: '<li><a href="https://example.org/docs/latest-v%d.x/api/%s.html">%d.x%s</a></li>' % (90 - i, name, 90 - i, r.choice(["", " <b>LTS</b>"])))


@text
def html_nav(r):
    return lines(60, lambda i: '<li class="nav-item"><a class="nav-link" href="/%s/%s.html" title="%s">%s</a></li>' % (r.choice(NOUNS), r.choice(NOUNS), r.choice(ADJECTIVES), r.choice(NOUNS).capitalize()))


@text
def options(r):
    return "<select>\n" + lines(110, lambda i: '  <option value="%d">%d</option>' % (1900 + i, 1900 + i))


@text
def markdown(r):
    return "| id | name | item | done |\n|---|---|---|---|\n" + lines(150, lambda i: "| %d | %s | %s | %s |" % (i + 1, r.choice(NAMES), r.choice(NOUNS), r.choice(["yes", "no"])))


@text
def getters(r):
    return lines(30, lambda i: "    public String get%s%s() {\n        return this.%s;\n    }\n\n    public void set%s(String value) {\n        this.%s = value;\n    }\n" % (
        r.choice(NOUNS).capitalize(), r.choice(NOUNS).capitalize(), r.choice(NOUNS), r.choice(NOUNS).capitalize(), r.choice(NOUNS)))


@text
def switch_cases(r):
    return lines(90, lambda i: "        case %d:\n            return \"%s\";" % (i, r.choice(NOUNS)))


@text
def opcodes(r):
    return lines(90, lambda i: "    { 0x%02x, \"%s\", OP_NONE, 0, NULL }," % (i, r.choice(VERBS)))


@text
def array_fill(r):
    return lines(25, lambda i: "    " + ", ".join("0x%02x" % r.choice([0, 0, 0, r.randint(0, 255)]) for _ in range(16)) + ",")


@text
def assertions(r):
    return lines(110, lambda i: "    assert_eq!(parse(\"%d\"), Ok(%d));" % ((i * 37) % 211, (i * 37) % 211))


@text
def translations(r):
    return lines(60, lambda i: 'msgid "%s"\nmsgstr ""\n' % sentence(r))


@text
def refrain_poem(r):
    refrain = "And %s, and %s no more." % (clause(r), r.choice(VERBS))
    return "\n\n".join(lines(3, lambda i: clause(r).capitalize() + ",") + "\n" + refrain for _ in range(28))


@text
def hymn(r):
    chorus = lines(4, lambda i: clause(r).capitalize() + ("," if i < 3 else "."))
    verse = lambda: lines(4, lambda i: clause(r).capitalize() + ",")
    return "\n\n".join("%d. %s\n\nRefrain:\n%s" % (i + 1, verse(), chorus) for i in range(14))


@text
def bottles(r):
    thing = r.choice(NOUNS)
    return lines(32, lambda i: "%d bottles of %s on the wall, %d bottles of %s.\nTake one down and pass it around, %d bottles of %s on the wall.\n" % (60 - i, thing, 60 - i, thing, 59 - i, thing))


@text
def gifts(r):
    gift = ["%d %s %ss" % (i + 1, r.choice(ADJECTIVES), r.choice(NOUNS)) for i in range(12)]
    return "\n\n".join("On day %d of the fair my true love gave to me\n%s." % (i + 1, ",\n".join(reversed(gift[:i + 1]))) for i in range(12))


@text
def begats(r):
    name = [r.choice(NAMES) + r.choice(["", "el", "ah", "us"]) for _ in range(200)]
    return lines(120, lambda i: "And %s begat %s;" % (name[i], name[i + 1]))


@text
def shopping(r):
    return lines(150, lambda i: "- %d %s %s" % (r.randint(1, 12), r.choice(ADJECTIVES), r.choice(NOUNS)))


@text
def dialogue_chess(r):
    return lines(90, lambda i: "%d. %s%s%d %s%s%d" % (i + 1, r.choice("NBRQK"), r.choice("abcdefgh"), r.randint(1, 8), r.choice("NBRQK"), r.choice("abcdefgh"), r.randint(1, 8)))


@text
def minutes(r):
    return lines(40, lambda i: "%02d:%02d  The chair called on %s, who %s the %s. Agreed." % (9 + i // 12, i % 12 * 5, r.choice(NAMES), r.choice(VERBS), r.choice(NOUNS)))


@text
def faq(r):
    return lines(30, lambda i: "**Q%d: How do I get the %s %s?**\n\nA: %s\n" % (i + 1, r.choice(ADJECTIVES), r.choice(NOUNS), sentence(r)))


# ---- loops in which a number grows

def counter_loop(world, rng, before, n):
    """(n tokens, position where the first period begins, its period): a text that falls into a few sentences with a number that grows."""
    body = rng.choice([sentence, lambda r: sentence(r) + " " + sentence(r), lambda r: sentence(r) + " " + sentence(r) + " " + sentence(r)])(rng)
    form = rng.choice(["%d. {}\n", "Step %d: {}\n", "{} (%d)\n", "## Section %d\n\n{}\n\n"]).replace("{}", body)
    first = rng.choice([1, 1, rng.randint(2, 400)])
    rows = [form % i for i in range(first, first + max(n // 5, 4))]
    loop = knowing(world, "".join(rows))
    return (before + loop)[:n], len(before), len(knowing(world, rows[0]))


def tokens(world, rng, wanted):
    """{kind: [tokens of a text, …]}, some so many tokens of each kind."""
    out = {}
    for kind, make in TEXTS.items():
        pieces = []
        while sum(map(len, pieces)) < wanted:
            pieces.append(knowing(world, make(rng)))
        out[kind] = pieces
    return out
