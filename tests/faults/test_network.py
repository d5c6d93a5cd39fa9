# SPDX-License-Identifier: Apache-2.0
"""Networks while somebody works against them: rules flushed under traffic, one port for many, a bridge that is gone."""
import concurrent.futures
import ipaddress
import os
import pathlib
import socket
import subprocess

import pytest

from support import netfilter
from support.hosts import free_port

# Sends back each line that comes.
SERVER = "nc -ll -p 80 -e cat"


def serve(engine, name, *options):
    engine.ok("run", "-d", "--name", name, *options, "base", "sh", "-c", SERVER)
    engine.wait_for("the server", lambda: ":0050 " in engine.ok("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6").out)


def exchange(connection, number):
    line = f"line {number}\n".encode()
    connection.sendall(line)
    got = b""
    while len(got) < len(line):
        part = connection.recv(len(line) - len(got))
        assert part, f"the connection ended at line {number}"
        got += part
    assert got == line


def connect(address, port):
    connection = socket.create_connection((address, port), timeout=20)
    connection.settimeout(20)
    return connection


def own_links(engine):
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if f"servin {engine.tag} " in line]


@pytest.mark.deadline(120)
def test_rules_flushed_under_traffic(engine):
    """Connections to the container's own address stay, and new ones through the port succeed before and after the repair. (An
    established one through the port is lost with its translation: the kernel has no rule any more that keeps it.)"""
    port = free_port()
    serve(engine, "web", "-p", f"{port}:80")
    address = engine.inspect("web")["NetworkSettings"]["IPAddress"]
    with connect(address, 80) as direct:
        for number in range(300):
            if number in (50, 150):
                netfilter.flush_ruleset()
            if number == 100:
                engine.ok("network", "reload")
            if number == 200:
                engine.ok("run", "--rm", "base", "true")  # the next start repairs
            exchange(direct, number)
            if number % 10 == 0:
                with connect("127.0.0.1", port) as fresh:
                    exchange(fresh, number)
    assert f"servin-{engine.tag}" in netfilter.tables()


@pytest.mark.deadline(180)
def test_one_port_for_eight(engine):
    """Exactly one gets it; the others say who has it, and leave nothing of theirs."""
    port = free_port()

    def start(number):
        return engine.run("run", "-d", "--name", f"c{number}", "-p", f"127.0.0.1:{port}:80", "base", "sleep", "100000")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(start, range(8)))
    failed = [result for result in results if result.code != 0]
    assert len(failed) == 7, [str(result) for result in results]
    assert all(result.code == 125 and "E-PORT-BUSY" in result.err for result in failed), [str(result) for result in failed]
    winner = next(number for number, result in enumerate(results) if result.code == 0)
    assert engine.ok("ps", "--format", "{{.Names}}").lines == [f"c{winner}"]
    bridge = next(line.split(": ")[1].split("@")[0] for line in own_links(engine) if "network" in line)
    assert len(os.listdir(f"/sys/class/net/{bridge}/brif")) == 1, "the losers' links are gone"
    subnet = ipaddress.ip_network(pathlib.Path(engine.root, "networks/bridge").read_text().strip())
    assert ipaddress.ip_address(engine.inspect(f"c{winner}")["NetworkSettings"]["IPAddress"]) in subnet
    engine.ok("rm", "--all", "--force")
    engine.wait_for("the links to go", lambda: not own_links(engine))
    assert start(9).code == 0, "the port is free again"


@pytest.mark.deadline(120)
def test_a_bridge_that_was_deleted_is_made_by_the_next_start(engine):
    serve(engine, "one")
    bridge = next(line.split(": ")[1].split("@")[0] for line in own_links(engine) if "network" in line)
    subprocess.run(["ip", "link", "del", bridge], check=True)
    serve(engine, "two")
    with connect(engine.inspect("two")["NetworkSettings"]["IPAddress"], 80) as connection:
        exchange(connection, 1)
    with connect(engine.inspect("one")["NetworkSettings"]["IPAddress"], 80) as connection:
        exchange(connection, 2)  # it hangs at the new bridge too
    assert engine.ok("exec", "one", "sh", "-c", f"echo hi | nc -w 5 {engine.inspect('two')['NetworkSettings']['IPAddress']} 80").out == "hi\n"
    engine.ok("rm", "--all", "--force")
    engine.wait_for("the links to go", lambda: not own_links(engine))
    assert not os.path.exists(f"/sys/class/net/{bridge}")
