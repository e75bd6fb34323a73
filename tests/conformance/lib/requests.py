"""Shared by http1 and kubernetes: asks `cpctl facets` about many requests at once, and reads the reasons."""
import argparse
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
FIXTURES = pathlib.Path(os.environ.get("CLAWPATROL_FIXTURES") or ROOT.parent / "shared" / "fixtures")


def options(name):
    parser = argparse.ArgumentParser()
    parser.add_argument("--fixtures", type=pathlib.Path, default=FIXTURES / name, help="a folder like the public one")
    parser.add_argument("--cpctl", type=pathlib.Path, default=ROOT / "build/dev/cpctl/cpctl")
    return parser.parse_args()


def records(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ask(cpctl, protocol, questions):
    """The answers of `cpctl facets PROTOCOL --jsonl`, one for each question."""
    given = "".join(json.dumps(question) + "\n" for question in questions)
    run = subprocess.run([cpctl, "facets", protocol, "--jsonl"], input=given.encode(),
                         stdout=subprocess.PIPE, timeout=120, check=False)
    if run.returncode != 0:
        raise SystemExit(f"cpctl facets {protocol}: exit {run.returncode}")
    answers = [json.loads(line) for line in run.stdout.decode().splitlines()]
    if len(answers) != len(questions):
        raise SystemExit(f"cpctl facets {protocol}: {len(answers)} answers to {len(questions)} questions")
    return answers


def reasons(name):
    """KEY TAB REASON a line."""
    found = {}
    for line in (ROOT / "tests/conformance" / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            key, reason = line.split("\t")
            found[key] = reason
    return found


def report(disagreements, known, where):
    """Prints each with its reason; the exit status."""
    status = 0
    for key, what in disagreements:
        reason = known.get(key)
        print(f"  {key}: {what}\n    {'because ' + reason if reason else 'NO REASON in ' + where}")
        status |= reason is None
    for key in sorted(set(known) - {key for key, _ in disagreements}):
        print(f"  {key}: has a reason in {where} and no disagreement")
    return status
