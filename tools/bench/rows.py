# SPDX-License-Identifier: Apache-2.0
"""The rows of docs/performance.md that can be measured by now. A row is a function that yields its contenders; each
contender does one measured step at a time, so that the rounds of all parties interleave."""
import dataclasses
import os
import pathlib
import subprocess
import time
from collections.abc import Callable

import engines
import traffic
from measure import private_kib


@dataclasses.dataclass
class Contender:
    """`step` returns one value. `before` and `after` stand around each step and are not measured."""
    party: object
    step: Callable
    before: Callable = None
    after: Callable = None
    close: Callable = None
    rounds: int = 0  # 0 = the row's
    note: str = ""


@dataclasses.dataclass
class Row:
    """`must`: peer's engine -> highest allowed ratio servin / peer. `budget`: highest own value."""
    id: str
    title: str
    make: Callable
    unit: str = "ms"
    rounds: int = 20
    must: dict = dataclasses.field(default_factory=dict)
    budget: float = 0
    warm: int = 1  # rounds before the first that counts


def milliseconds(party, argv, key="wall", whole=False):
    return party.runner.run(argv, whole=whole)[key] * 1000


# --- RUN

def pause():
    time.sleep(0.05)  # the row is about a machine that was idle


def run_once(bench, before=None, key="wall", whole=False, engines=True, runtimes=True):
    for party in bench.engines() if engines else bench.servins():
        argv = party.container("busybox", "true", rm=True)
        yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv, key, whole), before)
    for party in bench.runtimes() if runtimes else []:
        yield Contender(party, lambda party=party: milliseconds(party, party.run_true(), key, whole), before)


def back_to_back(bench, burst=10, **which):
    """One value is the mean of a burst: the first of it pays for what was idle, as in a loop of a shell."""
    def step(party, argv):
        start = time.perf_counter()
        for _ in range(burst):
            party.runner.run(argv())
        return (time.perf_counter() - start) / burst * 1000

    for party in bench.engines() if which.get("engines") else bench.servins():
        yield Contender(party, lambda party=party: step(party, lambda: party.container("busybox", "true", rm=True)))
    for party in bench.runtimes() if which.get("runtimes") else []:
        yield Contender(party, lambda party=party: step(party, party.run_true))


def bridged(bench, publish=None, burst=4):
    """Each party in its own default network. One container stays, as on a machine in use: making the network is not measured."""
    for party in bench.engines():
        name = f"bench-net-{os.getpid()}"
        party.runner.run(party.container("busybox", "sleep", "1000000", name=name, detach=True, network="bridge"))
        argv = party.container("busybox", "true", rm=True, network="bridge", publish=publish)

        def step(party=party, argv=argv):
            start = time.perf_counter()
            for _ in range(burst):
                party.runner.run(argv)
            return (time.perf_counter() - start) / burst * 1000

        yield Contender(party, step, close=lambda party=party, name=name: remove(party, name))


def cpu_of_run(bench):
    for party in [*bench.servins(), *bench.engines_of("podman")]:
        argv = party.container("busybox", "true", rm=True)
        yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv, "cpu", whole=True))
    for party in bench.runtimes():
        yield Contender(party, lambda party=party: milliseconds(party, party.run_true(), "cpu", whole=True))


def fleet(bench, count=200, at_a_time=32):
    for party in bench.engines():
        commands = [party.container("busybox", "true", rm=True)] * count
        yield Contender(party, lambda party=party, commands=commands: party.runner.run_many(commands, at_a_time)["wall"] / count * 1000,
                        rounds=3 if party.engine == "servin" else 1)


def sleeper(bench, party, word, network="none"):
    name = f"bench-{word}-{os.getpid()}"
    party.runner.run(party.container("busybox", "sleep", "1000000", name=name, detach=True, network=network))
    return name


def remove(party, name):
    words = ["-t0"] if party.engine == "podman" else []
    party.runner.try_run(party.argv("rm", "-f", *words, name))


def exec_true(bench):
    for party in bench.engines():
        name = sleeper(bench, party, "exec")
        argv = party.argv("exec", name, "true")
        yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv), close=lambda party=party, name=name: remove(party, name))
    for party in bench.runtimes():
        name = f"servin-bench-exec-{os.getpid()}"
        party.start_sleeper(name)
        argv = party.argv("exec", name, "true")
        yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv), close=lambda party=party, name=name: party.remove(name))


def rm_running(bench):
    for party in bench.engines():
        name = f"bench-rm-{os.getpid()}"
        words = ["-t0"] if party.engine == "podman" else []
        argv = party.argv("rm", "-f", *words, name)
        yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv),
                        before=lambda party=party: sleeper(bench, party, "rm", network="bridge"))


def start_stop(bench):
    """A sleeping container that ends at once when told to. By SIGKILL: PID 1 ignores what it does not handle, and a shell that is
    stopped right after its start may not have set its trap yet."""
    for party in bench.engines():
        name = f"bench-stop-{os.getpid()}"
        party.runner.run(party.container("busybox", "sleep", "1000000", name=name, verb="create", stop_signal="KILL"))

        def step(party=party, name=name):
            return milliseconds(party, party.argv("start", name)) + milliseconds(party, party.argv("stop", name))

        yield Contender(party, step, close=lambda party=party, name=name: remove(party, name))


# --- LS, MEM, G22

def create_many(party, count):
    argv = party.container("busybox", "true", verb="create")
    party.runner.run_many([argv] * count, 8 if party.engine == "servin" else 4)


def list_many(bench, count=1000):
    for party in bench.engines():
        bench.say(f"  {party.name}: creating {count} containers")
        create_many(party, count)
        argv = party.argv("ps", "-a")
        yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv), close=party.remove_all)


def memory(bench):
    for party in bench.engines():
        name = sleeper(bench, party, "memory")
        yield Contender(party, lambda party=party, name=name: private_kib(party.supervisor(name)), rounds=3,
                        close=lambda party=party, name=name: remove(party, name))


def free_memory():
    """MiB, without what the kernel could drop."""
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
    line = next(line for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if line.startswith("MemFree:"))
    return int(line.split()[1]) / 1024


def idle_fleet(bench, count):
    """What each of many idle containers in a bridge costs the host, kernel included."""
    def step(party):
        before = free_memory()
        argv = party.container("busybox", "sleep", "1000000", detach=True, network="bridge")
        party.runner.run_many([argv] * count, 8 if party.engine == "servin" else 4)
        return (before - free_memory()) / count

    for party in bench.engines():
        yield Contender(party, lambda party=party: step(party), after=party.remove_all, close=party.remove_all)


# --- NET

def published(bench, size=1 << 30, inside=5001, outside=34568):
    """From the host through a published port, beside the container's own address over the same pair of links."""
    parties = [bench.servins()[0], *bench.engines_of("podman")]
    for number, party in enumerate(parties):
        name, port = f"bench-net-{os.getpid()}", outside + number
        party.runner.run(party.container("busybox", "sleep", "1000000", name=name, detach=True, network="bridge", publish=f"{port}:{inside}"))
        receiver = traffic.Receiver(party, name, inside)

        def close(party=party, name=name, receiver=receiver):
            receiver.close()
            remove(party, name)

        yield Contender(party, lambda port=port: traffic.send("127.0.0.1", port, size), close=close)
        if party is parties[0]:
            direct = engines.Party("its own address", "", party.runner)
            direct.engine = "direct"
            yield Contender(direct, lambda address=receiver.address: traffic.send(address, inside, size))


def small_command(*words):
    def make(bench):
        for party in bench.engines():
            argv = party.argv(*words)
            yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv))
    return make


def list_hundred(bench):
    yield from list_many(bench, 100)


def inspect_one(bench):
    for party in bench.engines():
        name = f"bench-inspect-{os.getpid()}"
        party.runner.run(party.container("busybox", "true", name=name, verb="create"))
        argv = party.argv("inspect", name)
        yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv), close=lambda party=party, name=name: remove(party, name))


# --- IMP

def importing(image, form):
    """Each step loads into an empty store on a file system made for it (places.py), layers unpacked."""
    def make(bench):
        archive = bench.images.path(image, form)
        for party, disk in bench.importers():
            yield on_new_disk(party, party.argv("load", "-i", archive), disk)
        if form.startswith("oci"):
            yield from unpacking(bench, image)
        yield from copying(bench, image, form, archive)
    return make


def on_new_disk(party, argv, disk):
    def before():
        disk.renew()
        os.sync()

    return Contender(party, lambda: milliseconds(party, argv), before, disk.drop, disk.drop)


def unpacking(bench, image):
    umoci = bench.tool("umoci")
    if umoci:
        disk = bench.import_disk("umoci", umoci.runner)
        yield on_new_disk(umoci, [umoci.program, "unpack", "--image", f"{bench.images.layout(image)}:{image}", f"{disk.point}/bundle"], disk)


def copying(bench, image, form, archive):
    """skopeo into a containers-storage of its own: podman's storage without podman."""
    skopeo = bench.tool("skopeo")
    if skopeo and not form.endswith(".zst"):
        disk = bench.import_disk("skopeo", skopeo.runner)
        kind = "docker-archive" if form.startswith("docker") else "oci-archive"
        target = f"containers-storage:[overlay@{disk.point}/root+{disk.point}/run]localhost/bench:1"
        yield on_new_disk(skopeo, [skopeo.program, "--insecure-policy", "copy", "-q", f"{kind}:{archive}", target], disk)


def removing(image):
    def make(bench):
        archive = bench.images.path(image, "docker.tar")
        for party, disk in bench.importers():
            disk.renew()
            argv = party.argv("rmi", image)
            yield Contender(party, lambda party=party, argv=argv: milliseconds(party, argv), before=lambda party=party: party.load(archive), close=disk.drop)
    return make


def import_rows():
    for number, form in ((1, "docker.tar"), (2, "oci.tar")):
        must = {"podman": 0.5} if number == 1 else {"podman": 0.5, "umoci": 0.4}
        what = "docker save tar" if number == 1 else "OCI archive, gzip layers"
        for image in ("busybox", "debian", "nginx", "postgres"):
            yield Row(f"IMP-{number}-{image}", f"load of {image}, {what}", importing(image, form), rounds=5, must=must)
    yield Row("IMP-3", "image rm of debian, command returns", removing("debian"), rounds=5, must={"podman": 1 / 5})


def all_rows():
    yield Row("RUN-1-idle", "run --rm --network none, 50 ms idle before each", lambda bench: run_once(bench, pause, engines=False), must={"crun": 0.6})
    yield Row("RUN-1-b2b", "run --rm --network none, back to back", lambda bench: back_to_back(bench, runtimes=True), rounds=10, must={"crun": 1.3})
    yield Row("RUN-2", "run --rm --network none, back to back, engines", lambda bench: back_to_back(bench, burst=4, engines=True), rounds=6,
              must={"podman": 1 / 15})
    yield Row("RUN-3", "run --rm with a bridge, an address, NAT", bridged, rounds=6, must={"podman": 1 / 15})
    yield Row("RUN-4", "run --rm with a published port", lambda bench: bridged(bench, publish="127.0.0.1:34567:80"), rounds=6,
              must={"podman": 1 / 12, "docker": 1 / 12})
    yield Row("RUN-5", "user+sys CPU of run --rm, the whole tree", cpu_of_run, must={"crun": 1.2})
    yield Row("RUN-6", "200 runs, 32 at a time, per container", fleet, rounds=3, must={"podman": 1 / 10})
    yield Row("RUN-7", "exec C true", exec_true, must={"podman": 1 / 15, "docker": 1 / 5, "crun": 0.9})
    yield Row("RUN-8", "rm -f of a running bridged container", rm_running, rounds=10, must={"podman": 1 / 8, "docker": 1 / 8})
    yield Row("START-STOP", "start + stop of a sleeping container", start_stop, rounds=10)
    yield Row("MEM-1", "private memory of the supervisor", memory, unit="KiB", must={"podman": 0.6})
    yield Row("MEM-2", "host memory of an idle bridged container, of 100", lambda bench: idle_fleet(bench, 100), unit="MiB", rounds=1, warm=1,
              must={"podman": 0.5})
    yield Row("NET-1", "1 GiB from the host to a published port", published, rounds=7, must={"direct": 1 / 0.9})
    yield Row("G22-help", "--help", small_command("--help"), budget=10)
    yield Row("G22-version", "version", small_command("version"), budget=10)
    yield Row("G22-ps", "ps -a with 100 containers", list_hundred, budget=30)
    yield Row("G22-inspect", "inspect", inspect_one, budget=15)
    yield from import_rows()
    yield Row("LS-1", "ps -a with 1,000 containers", list_many, rounds=10, must={"podman": 1 / 10})


def unmount_below(folder):
    """podman and skopeo leave their overlay folder bind-mounted on itself."""
    points = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            point = line.split(" ")[4]
            if point.startswith(folder + "/"):
                points.append(point)
    for point in reversed(points):
        subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)
