# SPDX-License-Identifier: Apache-2.0
"""Very many containers in one network: 500 in the deep lane, 40 otherwise."""
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import netfilter

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
