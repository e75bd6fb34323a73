"""scripts/conformance http1 [--fixtures DIR] [--cpctl PROGRAM]: our parser of HTTP/1.1 against llhttp's strict cases, and against what
four servers did with every mutation of Transfer-Encoding: where they disagree, we must refuse."""
import base64
import re

from lib.requests import ask, options, records, report, reasons

UPGRADE = ("22", "23")  # llhttp stops there and leaves the rest to its caller


def is_strict(record):
    """Not those that tell llhttp to leave bodies out, which is its caller's word and not the wire's."""
    return record["kind"] == "http" and record["meta"].get("type") == "request" and "skipBody" not in record["meta"]


def wire_of(record):
    """The fixture's texts lost the empty lines at their end; llhttp's log says how many bytes it saw."""
    wire = bytes.fromhex(record["input_hex"])
    seen = max([int(match) for line in record["expect_log"] for match in re.findall(r"^off=(\d+)", line)] or [0])
    while len(wire) < seen:
        wire += b"\r\n"
    return wire


def with_host(wire):
    """Most of llhttp's cases name no host, which is not llhttp's concern: each request of HTTP/1.1 is given one, that
    of its target where that is absolute."""
    def add(line):
        target = re.search(rb" https?://([^/? ]*)", line.group(0))
        return line.group(0) + b"Host: " + (target.group(1) if target else b"h") + b"\r\n"
    return re.sub(rb"^[^\r\n]* HTTP/1\.1\r\n(?![Hh][Oo][Ss][Tt]:)", add, wire, flags=re.M)


def ask_to_the_end(cpctl, strict, wires):
    """Many of the cases that llhttp refuses end as soon as it has: they are gone on with, so that what we refuse is the
    same, and not that they end."""
    answers = ask(cpctl, "http", questions(wires))
    for i, record in enumerate(strict):
        if record["expect_error"] and answers[i].get("refused") == "the request is incomplete":
            wires[i] += b"\r\n\r\n"
    return ask(cpctl, "http", questions(wires))


def count(answer):
    return len(answer.get("requests", [0] if "http" in answer else []))


def questions(wires):
    return [{"wire_base64": base64.b64encode(wire).decode()} for wire in wires]


def compare_llhttp(cpctl, folder):
    strict = [record for record in records(folder / "llhttp.jsonl") if is_strict(record)]
    wires = [wire_of(record) for record in strict]
    answers = ask(cpctl, "http", questions(wires))
    for i, answer in enumerate(answers):
        if answer.get("refused") == "no Host" or (answer.get("refused") and b"\nHost:" not in wires[i]):
            wires[i] = with_host(wires[i])
    wrong, agreed, hosts = [], 0, sum(wire != wire_of(record) for wire, record in zip(wires, strict))
    for record, answer in zip(strict, ask_to_the_end(cpctl, strict, wires)):
        error = record["expect_error"]
        refuses = error is not None and error[0] not in UPGRADE
        complete = error is None and record["complete_messages"] or 0
        if refuses:
            problem = None if "refused" in answer else "read, where llhttp refuses: " + error[1]
        elif error is not None or complete == 0:
            problem = None  # it goes on beyond the bytes that there are: neither read nor refused
        else:
            problem = None if count(answer) >= complete and (
                "refused" not in answer or answer["refused"] == "the request is incomplete") else (
                    f"{answer.get('refused')}; llhttp reads {complete}")
        agreed += problem is None
        if problem:
            wrong.append((f"{record['file'].split('/')[-1]}:{record['line']}", problem))
    print(f"{'llhttp, strict':<34}{len(strict):>8}{agreed:>8}{len(wrong):>10}   (a Host added to {hosts})")
    return wrong


def compare_servers(cpctl, folder):
    mutations = records(folder / "transfer_encoding.jsonl")
    answers = ask(cpctl, "http", questions([bytes.fromhex(record["cl_te_request_hex"]) for record in mutations]))
    groups = {"all four read one request": [0, 0], "all four refuse": [0, 0], "they disagree": [0, 0]}
    wrong = []
    for record, answer in zip(mutations, answers):
        read = {len(statuses) if statuses[0] < 500 and statuses[0] != 400 else 0
                for statuses in record["upstream_statuses"].values()}
        group = ("they disagree" if len(read) > 1 else
                 "all four refuse" if read == {0} else "all four read one request")
        right = count(answer) == 1 and "refused" not in answer if read == {1} else "refused" in answer
        groups[group][0] += 1
        groups[group][1] += right
        if not right:
            wrong.append((record["name"], f"{answer.get('refused', 'read')}, where {group}"))
    for group, (all_of_it, right) in groups.items():
        print(f"{'  ' + group:<34}{all_of_it:>8}{right:>8}{all_of_it - right:>10}")
    return wrong


def compare_controls(cpctl):
    controls = [b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"]
    right = sum(count(answer) == 1 and "refused" not in answer for answer in ask(cpctl, "http", questions(controls)))
    print(f"{'  unmutated controls':<34}{len(controls):>8}{right:>8}{len(controls) - right:>10}")
    return [] if right == len(controls) else [("controls", "an ordinary request is refused")]


def main():
    chosen = options("http1")
    folder, cpctl = chosen.fixtures, chosen.cpctl
    print(f"{'':<34}{'cases':>8}{'agree':>8}{'disagree':>10}")
    wrong = compare_llhttp(cpctl, folder)
    print("Transfer-Encoding, mutated")
    wrong += compare_servers(cpctl, folder) + compare_controls(cpctl)
    raise SystemExit(report(wrong, reasons("http1_reasons.tsv"), "tests/conformance/http1_reasons.tsv"))


main()
