"""The public cases of google/cel-spec against policy/cel, by file. The unit test of the same room is what compares them.

    scripts/conformance cel

Passed, failed, and out of scope with the reason: what needs protobuf messages, or functions that a case declares.
"""
import os
import pathlib
import subprocess

root = pathlib.Path(__file__).resolve().parents[2]
subprocess.run(["ninja", "-C", root / "build/dev", "test_policy_cel"], check=True, stdout=subprocess.DEVNULL)
program = str(root / "build/dev/tests/test_policy_cel")
os.execv(program, [program, "the public cases of CEL*"])
