"""scripts/conformance kubernetes [--fixtures DIR] [--cpctl PROGRAM]: what `cpctl facets kubernetes` sees in requests, against the API
server's own tests (requestinfo), the audit log of a real API server (audit_oracle) and what kubectl sends.

A request is also counted as agreed where the gateway refuses it for a path with two readings, if the reading that it
shows beside the refusal is the server's; how many these are has a column of its own."""
from lib.requests import ask, options, records, report, reasons

METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH",
           "delete": "DELETE", "deletecollection": "DELETE"}
MEMBERS = {"verb": "verb", "apiGroup": "group", "apiVersion": "version", "namespace": "namespace",
           "subresource": "subresource", "name": "name"}


def differences(record, k8s):
    """What the record says and the facets do not."""
    found = []
    for member, facet in MEMBERS.items():
        if record.get(member) is not None and k8s.get(facet) != record[member]:
            found.append(f"{facet} {k8s.get(facet)!r}, not {record[member]!r}")
    if record.get("resource") is not None:
        whole = record["resource"] + ("/" + record["subresource"] if record.get("subresource") else "")
        if k8s.get("resource") != whole:
            found.append(f"resource {k8s.get('resource')!r}, not {whole!r}")
    if record.get("isResourceRequest") is not None and record["isResourceRequest"] != bool(k8s.get("version")):
        found.append(f"resource request: {bool(k8s.get('version'))}, not {record['isResourceRequest']}")
    return found


def compare(cpctl, title, rows, key):
    """rows: (record, method, target, server_refused). Prints a line of the table."""
    answers = ask(cpctl, "kubernetes", [{"method": method, "target": target} for _, method, target, _ in rows])
    disagreements, agreed, refused, both_refuse = [], 0, 0, 0
    for (record, method, target, server_refused), answer in zip(rows, answers):
        if server_refused:
            wrong = [] if "refused" in answer else ["read, where the API server refused"]
            both_refuse += not wrong
        elif "k8s" not in answer:
            wrong = ["refused: " + answer["refused"]]
        else:
            wrong = differences(record, answer["k8s"])
            refused += "refused" in answer and not wrong
        agreed += not wrong
        if wrong:
            disagreements.append((key(record, method, target), "; ".join(wrong)))
    print(f"{title:<22}{len(rows):>8}{agreed:>8}{refused:>10}{both_refuse:>9}{len(disagreements):>10}")
    return disagreements


def main():
    chosen = options("kubernetes")
    folder, cpctl = chosen.fixtures, chosen.cpctl
    print(f"{'':<22}{'records':>8}{'agree':>8}{'refused,':>10}{'both':>9}{'disagree':>10}")
    print(f"{'':<22}{'':>8}{'':>8}{'read alike':>10}{'refuse':>9}")
    key = lambda record, method, target: f"{method} {target}"
    wrong = compare(cpctl, "requestinfo", [(r, r["method"], r["url"] or "/", False)
                                    for r in records(folder / "requestinfo.jsonl")], key)
    wrong += compare(cpctl, "audit_oracle", [(r, r["method"], r["target"], r.get("audited") is False)
                                      for r in records(folder / "audit_oracle.jsonl")], key)
    sent = []
    for command in records(folder / "kubectl_requests.jsonl"):
        for request in command["resource_requests"]:
            # The name of what is made is in the body, which was not recorded; that an exec is asked for by GET is.
            record = dict(request)
            if request["verb"] == "create" and not request["subresource"]:
                record.pop("name")
            sent.append((record, METHODS[request["verb"]], request["uri"], False))
        for target in command.get("non_resource_requests", []):
            sent.append(({"verb": "get", "isResourceRequest": False}, "GET", target, False))
    wrong += compare(cpctl, "kubectl_requests", sent, key)
    raise SystemExit(report(wrong, reasons("kubernetes_reasons.tsv"), "tests/conformance/kubernetes_reasons.tsv"))


main()
