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
import places  # noqa: E402
import rows  # noqa: E402
from measure import Failed, Runner, hybrid, median, percentile  # noqa: E402
from support.images import Images  # noqa: E402


class Bench:
    """The parties of this run and the folder of their state."""

    def __init__(self, options):
        self.top = os.path.realpath(tempfile.mkdtemp(prefix="servin-bench-"))
        self.folder = f"{self.top}/disk"
        self.images = Images()
        self._places = [places.Disk(f"{self.top}/disk.img", self.folder)]
        self._places[0].renew()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SERVIN_")}
        environment["HOME"] = f"{self.folder}/home"
        os.mkdir(environment["HOME"])
        self._given = dict(peer.split("=", 1) for peer in options.peer)
        self._wanted = options.peers.split(",")
        self._memory = {name: self._add_memory(point) for name, point in (
            ("servin", f"{self.folder}/servin/root/run"), ("servin-hybrid", f"{self.folder}/servin-hybrid/root/run"),
            ("podman", f"{self.top}/podman"), ("crun", f"{self.top}/crun"), ("runc", f"{self.top}/runc"))}
        self.host = Runner("host", environment)
        self.view = Runner("v1", environment) if hybrid() else self.host
        self._servins, self._engines, self._importers, self._runtimes, self._tools = [], [], [], [], {}
        self._daemon = None
        try:
            self._make_parties(options)
        except BaseException:
            self.close()
            raise

    def _add_memory(self, point):
        self._places.append(places.Memory(point))
        return point

    def _find(self, name):
        return engines.find_program(name, self._given) if name in self._wanted else None

    def import_disk(self, name, runner):
        """For what `name` imports; renewed before each time."""
        disk = places.Disk(f"{self.top}/{name}-import.img", f"{self.top}/{name}-import", runner)
        self._places.append(disk)
        return disk

    def _make_parties(self, options):
        self._servins.append(engines.Servin("servin", options.servin, self.view, f"{self.folder}/servin"))
        if self.view is not self.host:
            self._servins.append(engines.Servin("servin (hybrid)", options.servin, self.host, f"{self.folder}/servin-hybrid"))
        disk = self.import_disk("servin", self.host)
        self._importers.append((engines.Servin("servin", options.servin, self.host, disk.point), disk))
        crun, runc, podman = self._find("crun"), self._find("runc"), self._find("podman")
        if podman and (crun or runc):
            memory = self._memory["podman"]
            self._engines.append(engines.Podman("podman", podman, self.view, f"{self.folder}/podman", memory, crun or runc))
            disk = self.import_disk("podman", self.view)
            self._importers.append((engines.Podman("podman", podman, self.view, disk.point, f"{memory}/import", crun or runc), disk))
        self._add_docker()
        for name, program in (("crun", crun), ("runc", runc)):
            if program:
                rootfs = self.images.path("busybox", "rootfs.tar")
                self._runtimes.append(engines.OciRuntime(name, program, self.view, f"{self.folder}/{name}", self._memory[name], rootfs))
        for name in ("umoci", "skopeo"):
            program = self._find(name)
            if program:
                self._tools[name] = engines.Party(name, program, self.host)
                self._tools[name].engine = name

    def _add_docker(self):
        docker = self._find("docker")
        if not docker or not engines.find_program("dockerd", {}):
            return
        self._daemon = engines.DockerDaemon(f"{self.folder}/docker")
        problem = self._daemon.wait(docker)
        if problem:
            self.say(f"docker: its daemon does not start: {problem}")
        else:
            self._engines.append(engines.Docker("docker", docker, self.host, f"{self.folder}/docker", self._daemon))

    def servins(self):
        return self._servins

    def engines_of(self, name):
        return [party for party in self._engines if party.engine == name]

    def engines(self):
        return [*self._servins, *self._engines]

    def importers(self):
        """Pairs of an engine and the disk that its store lies on; docker's daemon has only one store."""
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
        if self._daemon:
            self._daemon.close()
        for place in reversed(self._places[1:]):
            place.drop()
        self.view.close()
        self.host.close()
        rows.unmount_below(self.folder)
        self._places[0].drop()
        shutil.rmtree(self.top, ignore_errors=True)


# --- measuring a row

def measure(bench, row, rounds):
    """Party's name -> its values; a party that fails is named and left out."""
    values, broken = {}, {}
    contenders = []
    try:
        for contender in row.make(bench):
            contenders.append(contender)
        for number in range(1 - row.warm, rounds + 1):  # round 0 warms up
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
    parser.add_argument("--peers", default="podman,docker,crun,runc,skopeo,umoci", metavar="NAMES", help="only these (default: all that are installed)")
    parser.add_argument("--servin", default=str(SOURCE / "build/release/bin/servin"), metavar="PATH", help="the program to measure")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    options = parser.parse_args()
    for peer in options.peer:
        if peer.partition("=")[0] not in parser.get_default("peers").split(",") or not os.access(peer.partition("=")[2], os.X_OK):
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
