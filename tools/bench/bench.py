#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench: servin beside every installed peer, same image, same options, rounds interleaved.

Prints a table row by row: median, 90th percentile and the ratio servin / peer, with the bound that must hold. Exit code
1 when one does not, 2 when something could not be measured.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
sys.path[:0] = [str(HERE), str(SOURCE / "tests")]

import engines  # noqa: E402
import rows  # noqa: E402
from measure import Failed, Runner, hybrid, median, percentile  # noqa: E402
from support.images import Images  # noqa: E402


class Bench:
    """The parties of this run and the folder of their state."""

    def __init__(self, options):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="servin-bench-"))
        self.images = Images()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SERVIN_")}
        environment["HOME"] = f"{self.folder}/home"
        os.mkdir(environment["HOME"])
        given = dict(peer.split("=", 1) for peer in options.peer)
        self.host = Runner("host", environment)
        self.view = Runner("v1", environment) if hybrid() else self.host
        self._servins, self._engines, self._importers, self._runtimes, self._tools = [], [], [], [], {}
        self._make_parties(options, given)

    def _make_parties(self, options, given):
        self._servins.append(engines.Servin("servin", options.servin, self.view, f"{self.folder}/servin"))
        if self.view is not self.host:
            self._servins.append(engines.Servin("servin (hybrid)", options.servin, self.host, f"{self.folder}/servin-hybrid"))
        self._importers.append(engines.Servin("servin", options.servin, self.host, f"{self.folder}/servin-import"))
        crun = engines.find_program("crun", given)
        runc = engines.find_program("runc", given)
        podman = engines.find_program("podman", given)
        if podman and (crun or runc):
            self._engines.append(engines.Podman("podman", podman, self.view, f"{self.folder}/podman", crun or runc))
            self._importers.append(engines.Podman("podman", podman, self.view, f"{self.folder}/podman-import", crun or runc))
        docker = engines.find_program("docker", given)
        if docker and engines.docker_answers(docker):
            self._engines.append(engines.Docker("docker", docker, self.host, f"{self.folder}/docker"))
        for name, program in (("crun", crun), ("runc", runc)):
            if program:
                self._runtimes.append(engines.OciRuntime(name, program, self.view, f"{self.folder}/{name}", self.images.path("busybox", "rootfs.tar")))
        for name in ("umoci", "skopeo"):
            program = engines.find_program(name, given)
            if program:
                self._tools[name] = engines.Party(name, program, self.host)
                self._tools[name].engine = name

    def servins(self):
        return self._servins

    def engines_of(self, name):
        return [party for party in self._engines if party.engine == name]

    def engines(self):
        return [*self._servins, *self._engines]

    def importers(self):
        """Engines with a store of their own that may be emptied; docker's daemon has only one."""
        return self._importers

    def runtimes(self):
        return self._runtimes

    def tool(self, name):
        return self._tools.get(name)

    def parties(self):
        return [self._servins[0], *self._engines, *self._runtimes, *self._tools.values()]

    @staticmethod
    def say(text):
        print(text, file=sys.stderr, flush=True)

    unmount_below = staticmethod(rows.unmount_below)

    def load_busybox(self):
        for party in self.engines():
            party.load(self.images.path("busybox", "docker.tar"))

    def close(self):
        for party in self.engines():
            party.remove_all()
        self.view.close()
        self.host.close()
        rows.unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


# --- measuring a row

def measure(bench, row, rounds):
    """Party's name -> its values; a party that fails is named and left out."""
    values, broken = {}, {}
    contenders = []
    try:
        for contender in row.make(bench):
            contenders.append(contender)
        for number in range(rounds + 1):  # the first round warms up
            for contender in contenders:
                name = contender.party.name
                if name in broken or (contender.rounds and number > contender.rounds):
                    continue
                try:
                    value = one_step(contender)
                except Failed as problem:
                    broken[name] = str(problem)
                    continue
                if number > 0:
                    values.setdefault(name, []).append(value)
    finally:
        for contender in contenders:
            if contender.close:
                contender.close()
    return values, broken, {contender.party.name: contender.party.engine for contender in contenders}


def one_step(contender):
    if contender.before:
        contender.before()
    value = contender.step()
    if contender.after:
        contender.after()
    return value


# --- the table

def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def report(row, values, broken, kinds):
    """Prints one row; returns its record and whether all that must hold does."""
    print(f"\n{row.id}: {row.title} [{row.unit}]")
    print(f"  {'':18}{'median':>10}{'p90':>10}{'n':>5}{'servin/peer':>13}  must")
    ours = {name: median(series) for name, series in values.items() if kinds[name] == "servin"}
    best = ours.get("servin")
    held = not any(kinds.get(name) == "servin" for name in broken)
    record = {"id": row.id, "title": row.title, "unit": row.unit, "parties": {}, "broken": broken}
    for name, series in values.items():
        entry = {"median": median(series), "p90": percentile(series, 0.9), "values": series}
        line = f"  {name:18}{number(entry['median']):>10}{number(entry['p90']):>10}{len(series):>5}"
        if kinds[name] == "servin":
            if row.budget:
                good = entry["median"] <= row.budget
                held = held and good
                line += f"{'':13}  <= {row.budget:g} {row.unit}: {'holds' if good else 'BROKEN'}"
        elif best is not None:
            entry["ratio"] = best / entry["median"]
            line += f"{entry['ratio']:>13.3f}"
            bound = row.must.get(kinds[name])
            if bound:
                entry["must"] = bound
                held = held and entry["ratio"] <= bound
                line += f"  <= {bound:.3f}: {'holds' if entry['ratio'] <= bound else 'BROKEN'}"
        record["parties"][name] = entry
        print(line)
    for name, problem in broken.items():
        print(f"  {name:18} not measured: {problem}")
    sys.stdout.flush()
    record["held"] = held
    return record


def machine():
    model = "?"
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, {'hybrid' if hybrid() else 'one'} cgroup layout"


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description="servin beside its peers; see docs/performance.md")
    parser.add_argument("--rows", default="*", metavar="PATTERNS", help="rows to measure, for example 'RUN-*,MEM-1'; default all")
    parser.add_argument("--rounds", type=int, metavar="N", help="measured rounds of each row (default: the row's own)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PATH", help="another podman, docker, crun, runc, skopeo or umoci")
    parser.add_argument("--servin", default=str(SOURCE / "build/release/bin/servin"), metavar="PATH", help="the program to measure")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    options = parser.parse_args()
    for peer in options.peer:
        if peer.partition("=")[0] not in ("podman", "docker", "crun", "runc", "skopeo", "umoci") or not os.access(peer.partition("=")[2], os.X_OK):
            parser.error(f"--peer {peer}: NAME=PATH with one of podman, docker, crun, runc, skopeo, umoci and a program")
    return options


def chosen(options):
    patterns = options.rows.split(",")
    found = [row for row in rows.all_rows() if any(fnmatch.fnmatchcase(row.id, pattern) for pattern in patterns)]
    if not found:
        sys.exit(f"no row matches {options.rows}; there are: {' '.join(row.id for row in rows.all_rows())}")
    return found


def run(bench, options):
    versions = {party.name: party.version() for party in bench.parties()}
    print(machine())
    for name, version in versions.items():
        print(f"  {name}: {version}")
    bench.load_busybox()
    records = []
    for row in chosen(options):
        records.append(report(row, *measure(bench, row, options.rounds or row.rounds)))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"machine": machine(), "versions": versions, "rows": records}, indent=1), encoding="utf-8")
    bad = [record["id"] for record in records if not record["held"]]
    print(f"\n{len(records)} rows, {'all bounds hold' if not bad else 'not held: ' + ' '.join(bad)}")
    return 1 if bad else 0


def main():
    options = parse()
    if options.list:
        for row in rows.all_rows():
            print(f"{row.id:16}{row.title}")
        return 0
    if os.geteuid() != 0:
        sys.exit("./dev bench makes containers as root: run it as root")
    for number_ in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number_, lambda *_: sys.exit(130))
    bench = None
    try:
        bench = Bench(options)
        return run(bench, options)
    except (Failed, subprocess.CalledProcessError, OSError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if bench:
            bench.close()


sys.exit(main())
