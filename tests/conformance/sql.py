#!/usr/bin/env python3
"""How the gateway reads SQL, against the answers of a real PostgreSQL 15 and of libpg_query.

    scripts/conformance sql [--cases FILE] [--cpctl PROGRAM] [--verbose]

FILE has records as fixtures/postgres/regress15.jsonl has them: `sql`, `runs` (the command tags of a server, or its
error), `stmts` (what the grammar names). Drives `cpctl facets postgres --jsonl`, one process, which is the product.

Every disagreement needs a reason in sql_reasons.tsv; the command fails for one without, below the shares that the
project promises, when the process dies, and when it is not through in ten minutes.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
PROMISED = {"verbs": 0.995, "tables": 0.98, "functions": 0.98}
TIMEOUT_S = 600


def rows(name, columns):
    for line in (HERE / name).read_text().splitlines():
        if line and not line.startswith("#"):
            cells = line.split("\t")
            if len(cells) != columns:
                sys.exit(f"{name}: {len(cells)} columns, not {columns}: {line}")
            yield cells


TAGS = {tag: (verb, how) for tag, verb, how in rows("sql_tags.tsv", 3)}


class Reasons:
    """What is compared, kind of statement, what differs and the text: each a pattern, and the reason."""

    def __init__(self):
        self.rows = [(what, re.compile(kind), re.compile(differs), re.compile(text, re.I | re.S), reason)
                     for what, kind, differs, text, reason in rows("sql_reasons.tsv", 5)]
        self.used = collections.Counter()

    def find(self, disagreement):
        for what, kind, differs, text, reason in self.rows:
            if (what == disagreement.what and kind.fullmatch(disagreement.kind) and
                    differs.fullmatch(disagreement.differs) and text.search(disagreement.sql)):
                self.used[what, reason] += 1
                return reason
        return None


Disagreement = collections.namedtuple("Disagreement", "what kind differs sql")


def leaf(name):
    return name.rsplit(".", 1)[-1]


def uncounted(tag):
    return re.sub(r"( \d+)+$", "", tag)


def first_verb(text):
    """The verb of a query by its first keyword outside parentheses, its WITH left out."""
    words = re.findall(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|[()]", text)
    while words and words[0] == "(":
        words = words[1:]
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        word = word.lower()
        if depth <= 0 and word in ("select", "insert", "update", "delete", "merge", "values", "table", "create",
                                   "execute", "declare", "refresh"):
            return "select" if word in ("values", "table") else word
    return None


def wrapped(tag, sql):
    """The text inside EXPLAIN ANALYZE, PREPARE, COPY (query) and DECLARE; None where the wrapper's verb stays."""
    sql = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.S)
    if tag == "EXPLAIN":
        options = re.match(r"\s*explain\s*(\([^)]*\)|(?:\s*\b(?:analyze|verbose)\b)*)", sql, re.I)
        on = re.search(r"\banaly[sz]e\b(?!\s+(?:off|false|0))", options.group(1), re.I)
        return sql[options.end():] if on else None
    if tag == "COPY":
        query = re.match(r"\s*copy\s*\((.*)\)\s*to\b", sql, re.I | re.S)
        # Reading rows and sending them is what COPY is: only of what changes rows the page says more.
        return query.group(1) if query and first_verb(query.group(1)) != "select" else None
    if tag == "PREPARE":
        return re.match(r"\s*prepare\s+\S+?\s*(?:\(.*?\))?\s+as\s+(.*)", sql, re.I | re.S).group(1)
    return re.search(r"\bfor\b(.*)", sql, re.I | re.S).group(1)  # DECLARE


def tag_of(tag, kind, sql):
    tag = uncounted(tag)
    if tag == "SELECT" and kind == "CreateTableAsStmt":
        return "SELECT of CREATE TABLE AS"
    if tag == "SELECT" and kind == "SelectStmt" and re.search(r"\binto\b", sql, re.I) and not re.search(
            r"\binsert\s+into\b|\bmerge\s+into\b", sql, re.I):
        return "SELECT of SELECT INTO"
    return tag


def verb_agrees(seen, tag, kind, sql):
    tag = tag_of(tag, kind, sql)
    verb, how = TAGS.get(tag, (tag.split(" ")[0].lower(), "verb"))
    if how == "inner":
        return seen["verb"] == "create" and bool({verb, "execute"} & set(seen["verbs"][1:]) or
                                                 verb == seen["verbs"][0])
    if how == "verb":
        return seen["verb"] == verb
    inner = wrapped(tag, sql)
    wanted = first_verb(inner) if inner is not None else verb
    return seen["verbs"][0] == verb and seen["verb"] == wanted


class Measure:
    def __init__(self, reasons):
        self.reasons = reasons
        self.agree = collections.Counter()
        self.of = collections.Counter()
        self.explained = collections.Counter()
        self.unexplained = []

    def count(self, what, agrees, kind, differs, sql):
        self.of[what] += 1
        self.agree[what] += bool(agrees)
        if agrees:
            return
        disagreement = Disagreement(what, kind, differs, sql)
        if self.reasons.find(disagreement) is None:
            self.unexplained.append(disagreement)
        else:
            self.explained[what] += 1

    def record(self, record, answer):
        stmts, sql = record.get("stmts"), record["sql"]
        errors = [run for run in record["runs"] if "error" in run]
        ran = [run for run in record["runs"] if "error" not in run]
        kinds = ",".join(stmt["type"] for stmt in stmts or [])
        readable = "statements" in answer
        if stmts is None or (errors and not ran and not readable):
            # What neither the server nor its grammar takes is nothing to agree about, unless we read it.
            self.count("refused texts", not readable or stmts is not None, kinds, "", sql)
            return
        if not readable or len(answer["statements"]) != len(stmts):
            self.count("readable texts", False, kinds, answer.get("unevaluable", "number of statements"), sql)
            for run in ran:
                if len(stmts) == 1 and len(run["tags"]) == 1:
                    self.count("verbs", False, kinds, "unevaluable", sql)
            return
        self.count("readable texts", True, kinds, "", sql)
        for seen, stmt in zip(answer["statements"], stmts):
            self.names("tables", "tables beyond theirs", seen["tables"],
                       {table["name"] for table in stmt["tables"]}, stmt["type"], sql)
            self.names("functions", "functions beyond theirs", seen["functions"], set(stmt["functions"]),
                       stmt["type"], sql)
        for run in ran:
            if len(stmts) == 1 and len(run["tags"]) == 1:
                self.verb(answer["statements"][0], run["tags"][0], kinds, sql)

    def verb(self, seen, tag, kind, sql):
        self.count("verbs", verb_agrees(seen, tag, kind, sql), kind,
                   f"{uncounted(tag)}: {','.join(seen['verbs'])}", sql)

    def names(self, what, beyond, seen, recorded, kind, sql):
        """Each recorded name is ours; and of each statement, that we have no leaf name that they have not."""
        for name in recorded:
            self.count(what, name in seen or leaf(name) in seen, kind, name, sql)
        extra = sorted({leaf(name) for name in seen} - {leaf(name) for name in recorded})
        self.count(beyond, not extra, kind, ",".join(extra), sql)

    def table(self):
        print(f"{'':<26}{'agree':>8}{'of':>8}{'share':>10}{'promised':>10}{'reasons':>9}{'without':>9}")
        without = collections.Counter(item.what for item in self.unexplained)
        for what in ("readable texts", "refused texts", "verbs", "tables", "functions", "tables beyond theirs",
                     "functions beyond theirs"):
            share = self.agree[what] / self.of[what] if self.of[what] else 1
            promised = f"{PROMISED[what]:.1%}" if what in PROMISED else ""
            name = {"tables beyond theirs": "no table beyond theirs",
                    "functions beyond theirs": "no function beyond theirs"}.get(what, what)
            print(f"{name:<26}{self.agree[what]:>8}{self.of[what]:>8}{share:>10.3%}{promised:>10}"
                  f"{self.explained[what]:>9}{without[what]:>9}")

    def failures(self):
        for what, promised in PROMISED.items():
            if self.of[what] and self.agree[what] / self.of[what] < promised:
                yield f"{what}: below {promised:.1%}"
        if self.unexplained:
            yield f"{len(self.unexplained)} disagreements have no reason in tests/conformance/sql_reasons.tsv"


def answers(cpctl, records):
    lines = "".join(json.dumps({"sql": record["sql"]}) + "\n" for record in records)
    try:
        done = subprocess.run([cpctl, "facets", "postgres", "--jsonl"], input=lines.encode(), capture_output=True,
                              timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"{cpctl} is not through {len(records)} texts in {TIMEOUT_S} s")
    out = done.stdout.decode().splitlines()
    if done.returncode != 0 or len(out) != len(records):
        sys.exit(f"{cpctl} ended with {done.returncode} after {len(out)} of {len(records)} texts\n"
                 f"{done.stderr.decode()[-2000:]}")
    return [json.loads(line) for line in out]


def main():
    fixtures = os.environ.get("CLAWPATROL_FIXTURES", TREE.parent / "shared" / "fixtures")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=pathlib.Path(fixtures) / "postgres" / "regress15.jsonl")
    parser.add_argument("--cpctl", default=TREE / "build/dev/cpctl/cpctl")
    parser.add_argument("--verbose", action="store_true", help="print the reasons, and how often each was one")
    options = parser.parse_args()
    with open(options.cases, encoding="utf-8") as cases:
        records = [json.loads(line) for line in cases]
    reasons = Reasons()
    measure = Measure(reasons)
    for record, answer in zip(records, answers(options.cpctl, records)):
        measure.record(record, answer)
    print(f"{len(records)} texts of {options.cases}")
    measure.table()
    if options.verbose:
        for (what, reason), count in sorted(reasons.used.items()):
            print(f"{count:>6}  {what}: {reason}")
    for item in measure.unexplained[:50]:
        print(f"no reason: {item.what}, {item.kind}, {item.differs}: {' '.join(item.sql.split())[:160]}")
    failures = list(measure.failures())
    for failure in failures:
        print("FAILED: " + failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
