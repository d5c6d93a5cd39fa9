# SPDX-License-Identifier: Apache-2.0
"""Very many containers in one network: 500 in the deep lane, 40 otherwise; and more than one bridge has ports for."""
import ipaddress
import os
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import netfilter
from support.hosts import OwnHost

COUNT = 500 if os.environ.get("SERVIN_DEEP") else 40
SERVER = 'nc -ll -p 80 -e echo "$NAME"'


def name_behind(address, port=80):
    with socket.create_connection((address, port), timeout=20) as sock:
        sock.settimeout(20)
        return sock.makefile().read().strip()


@pytest.mark.in_memory
@pytest.mark.deadline(1800)
def test_all_reach_all_and_go_without_a_trace(engine):
    names = [f"c{n}" for n in range(COUNT)]
    base = 20000 + os.getpid() % 10000

    def start(name):
        engine.ok("run", "-d", "--name", name, "--network", "bridge", "-p", f"127.0.0.1:{base + int(name[1:])}:80", "-e", f"NAME={name}",
                  "base", "sh", "-c", SERVER, timeout=120)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, names))
    found = {c["Name"].lstrip("/"): c["NetworkSettings"]["IPAddress"] for c in engine.ok("inspect", *names, timeout=120).json()}
    assert len(set(found.values())) == COUNT, "an address each"
    for name in names:
        engine.wait_for(f"the server of {name}", lambda: can_connect(found[name]))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: name_behind(found[name]), names)) == names, "the host reaches each of them"
        assert list(pool.map(lambda n: name_behind("127.0.0.1", base + n), range(COUNT))) == names, "and each by its port"
        # From the first one to all, and from each to the next one: both directions of each link are used.
        to_all = "; ".join(f"nc -w 20 {found[name]} 80 </dev/null" for name in names)
        assert engine.ok("exec", names[0], "sh", "-c", to_all, timeout=600).lines == names

        def ask_next(n):
            return engine.ok("exec", names[n], "sh", "-c", f"nc -w 20 {found[names[(n + 1) % COUNT]]} 80 </dev/null", timeout=120).out.strip()

        assert list(pool.map(ask_next, range(COUNT))) == names[1:] + names[:1]
    engine.ok("rm", "--all", "--force", timeout=600)
    engine.wait_for("the links to go", lambda: not own_links(engine))
    engine.wait_for("the table to go", lambda: not any(engine.tag in table for table in netfilter.tables()))
    assert all(can_bind(base + n) for n in range(COUNT)), "the ports are free again"


def can_connect(address):
    try:
        socket.create_connection((address, 80), timeout=5).close()
        return True
    except OSError:
        return False


def can_bind(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def own_links(engine):
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if f"servin {engine.tag} " in line]


# --- further bridges: shard_size of src/network/plan.h

SHARD = 900
NETWORK = ipaddress.ip_network("10.77.0.0/20")


def bridges_of(engine):
    """How many ports each of the engine's bridges has; the trunks between them are ports too."""
    names = [re.match(r"\d+: ([^:@]+)", line)[1] for line in own_links(engine)]
    return sorted(len(os.listdir(f"/sys/class/net/{name}/brif")) for name in names if os.path.isdir(f"/sys/class/net/{name}/brif"))


def join(engine, index, *options):
    """A container at the network's address number `index`."""
    engine.ok("run", "-d", "--name", f"c{index}", "--network", "mine", "--ip", NETWORK[index], "-e", f"NAME=c{index}", *options, "base", "sh", "-c", SERVER, timeout=120)


def expect_that_they_reach_each_other(engine, indexes):
    for index in indexes:
        engine.wait_for(f"the server of c{index}", lambda: can_connect(str(NETWORK[index])))
        assert name_behind(str(NETWORK[index])) == f"c{index}", "from the host"
    for caller in indexes:
        for others in ([str(NETWORK[index]) for index in indexes], [f"c{index}" for index in indexes]):
            script = "; ".join(f"nc -w 20 {other} 80 </dev/null" for other in others)
            assert engine.ok("exec", f"c{caller}", "sh", "-c", script).lines == [f"c{index}" for index in indexes], (caller, others)


def endpoint_of(engine, index):
    """The host's end of the container's link."""
    ident = engine.inspect(f"c{index}")["Id"]
    return re.match(r"\d+: ([^:@]+)", next(line for line in own_links(engine) if f"container {ident}" in line))[1]


def test_further_bridges(engine):
    """Which bridge an endpoint is at follows from its address: a few addresses are enough for many bridges."""
    engine.ok("network", "create", "--subnet", NETWORK, "mine")
    base = 30000 + os.getpid() % 10000
    indexes = [2, SHARD - 1, SHARD, 2 * SHARD + 7, 4000]
    for number, index in enumerate(indexes):
        join(engine, index, "-p", f"127.0.0.1:{base + number}:80")
    assert len(bridges_of(engine)) == 4
    expect_that_they_reach_each_other(engine, indexes)
    for number, index in enumerate(indexes):
        assert name_behind("127.0.0.1", base + number) == f"c{index}"
    # The far ones come back too when everything is made anew.
    shown = subprocess.run(["ip", "-4", "-o", "address"], capture_output=True, text=True, check=True).stdout
    first = re.search(rf"^\d+: (\S+) +inet {NETWORK[1]}/", shown, re.M)[1]
    subprocess.run(["ip", "link", "del", first], check=True)
    netfilter.delete_table(f"servin-{engine.tag}")
    engine.ok("network", "reload")
    expect_that_they_reach_each_other(engine, indexes)
    # One of the further bridges is made by the next start at it.
    far = next(name for name in os.listdir("/sys/class/net") if os.path.exists(f"/sys/class/net/{name}/brif/{endpoint_of(engine, SHARD)}"))
    subprocess.run(["ip", "link", "del", far], check=True)
    join(engine, SHARD + 1)
    expect_that_they_reach_each_other(engine, [2, SHARD, SHARD + 1, 4000])
    engine.ok("rm", "--all", "--force")
    engine.ok("network", "rm", "mine")
    engine.wait_for("the links to go", lambda: not own_links(engine))


@pytest.mark.parametrize("bridge_nf", [0, 1])
def test_further_bridges_keep_containers_apart(engine, bridge_nf):
    """With enable_icc=false neighbours do not reach each other, whichever bridge they are at; the gateway does. With and without
    br_netfilter, which shows our table what bridges carry."""
    host = OwnHost(engine)
    try:
        host.run("sh", "-c", f"cd /proc/sys/net/bridge 2>/dev/null || exit 0; echo {bridge_nf} >bridge-nf-call-iptables")
        engine.ok("network", "create", "--subnet", NETWORK, "--opt", "com.docker.network.bridge.enable_icc=false", "mine")
        indexes = [2, 3, SHARD, SHARD + 1, 2 * SHARD]
        for index in indexes:
            join(engine, index)
        for index in indexes:
            engine.wait_for(f"the server of c{index}", lambda: host.here(lambda: can_connect(str(NETWORK[index]))))

        def ask_the_others(caller):
            tries = " ".join(f"nc -w 2 {NETWORK[index]} 80 </dev/null &" for index in indexes if index != caller)
            return engine.run("exec", f"c{caller}", "sh", "-c", f"{tries} wait; nslookup c{caller}").out

        with ThreadPoolExecutor(8) as pool:
            for caller, heard in zip(indexes, pool.map(ask_the_others, indexes)):
                assert not re.search(r"^c\d+$", heard, re.M), f"c{caller}: {heard}"
                assert str(NETWORK[caller]) in heard, "the name server answers"
    finally:
        host.close()


@pytest.mark.deep
@pytest.mark.in_memory
@pytest.mark.deadline(3600)
def test_more_than_one_bridge_has_ports_for(engine):
    engine.ok("network", "create", "--subnet", NETWORK, "mine")
    indexes = range(2, 1102)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: join(engine, index), indexes))
    ports = bridges_of(engine)
    assert len(ports) == 2 and sum(ports) == len(indexes) + 2, ports
    expect_that_they_reach_each_other(engine, [indexes[0], SHARD - 1, SHARD, indexes[-1]])
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda index: name_behind(str(NETWORK[index])), indexes)) == [f"c{index}" for index in indexes], "from the host"
        script = "; ".join(f"nc -w 20 c{index} 80 </dev/null" for index in indexes)
        assert engine.ok("exec", f"c{indexes[0]}", "sh", "-c", script, timeout=600).lines == [f"c{index}" for index in indexes], "by name"
    engine.ok("rm", "--all", "--force", timeout=1200)
    engine.ok("network", "rm", "mine", timeout=300)
    engine.wait_for("the links to go", lambda: not own_links(engine), timeout=120)
