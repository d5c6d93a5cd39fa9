# SPDX-License-Identifier: Apache-2.0
"""Adds up what the lanes left in the results folder and prints the closing line of `./dev test`.

The folder holds LANE.xml (pytest's JUnit report), unit-PRESET/PROGRAM.{json,code} (GoogleTest's report and exit code)
and failed-steps (one line per build or lane that failed as a whole).
"""
import json
import pathlib
import sys
import xml.etree.ElementTree


class Tally:
    def __init__(self):
        self.passed = 0
        self.skipped = []
        self.failed = []


def add_pytest(tally, report):
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            tally.failed.append(name)
        elif "skipped" in kinds:
            reason = next(child for child in case if child.tag == "skipped").get("message") or ""
            tally.skipped.append(f"{name}: {reason}")
        else:
            tally.passed += 1


def add_unit_program(tally, code_file):
    program = code_file.stem
    code = int(code_file.read_text())
    before = len(tally.failed)
    report = code_file.with_suffix(".json")
    if report.exists():
        for suite in json.loads(report.read_text())["testsuites"]:
            for case in suite["testsuite"]:
                name = f"{program}: {suite['name']}.{case['name']}"
                if case.get("failures"):
                    tally.failed.append(name)
                elif case["result"] == "SKIPPED":
                    tally.skipped.append(name)
                elif case["result"] == "COMPLETED":
                    tally.passed += 1
    # A program that crashed, hung or found a leak at its end wrote no failure of a test.
    if code != 0 and len(tally.failed) == before:
        tally.failed.append(f"{program}: ended with exit code {code}")


def main():
    folder = pathlib.Path(sys.argv[1])
    tally = Tally()
    for report in sorted(folder.glob("*.xml")):
        add_pytest(tally, report)
    for code_file in sorted(folder.glob("unit-*/*.code")):
        add_unit_program(tally, code_file)
    steps = folder / "failed-steps"
    if steps.exists():
        tally.failed += steps.read_text().splitlines()
    for name in tally.skipped:
        print(f"skipped: {name}")
    for name in tally.failed:
        print(f"failed: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped", flush=True)
    return 0 if tally.passed > 0 and not tally.failed else 1


sys.exit(main())
