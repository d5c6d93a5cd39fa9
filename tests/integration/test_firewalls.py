# SPDX-License-Identifier: Apache-2.0
"""Beside the firewalls and engines of others: all that a container needs works, all that was there goes on working, and nothing of
ours is left in it. On a host of the test's own (a network namespace), whose rules may be anything."""
import concurrent.futures
import contextlib
import re
import socket

import pytest

from support import netfilter
from support.hosts import OwnHost, free_port
from support.peers import Docker, Podman

HOST, MACHINE = (("198.51.100.1", "2001:db8:51::1"), ("198.51.100.2", "2001:db8:51::2"))
SERVER = r'nc -ll -p 80 -e sh -c "cat; echo from $NAME"'


@pytest.fixture(name="host")
def make_host(engine):
    host = OwnHost(engine)
    yield host
    host.close()


def ask(address, port, text="hello", timeout=10):
    with socket.create_connection((address, port), timeout=timeout) as sock:
        sock.sendall(text.encode())
        sock.shutdown(socket.SHUT_WR)
        return sock.makefile().read()


def serve(engine, name, *options):
    engine.ok("run", "-d", "--name", name, "-e", f"NAME={name}", *options, "base", "sh", "-c", SERVER)
    engine.wait_for("the server", lambda: ":0050 " in engine.ok("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6").out)


@contextlib.contextmanager
def server_at(host):
    """A server on the other machine, which tells its one caller whom it sees; gives its port."""
    with host.there(lambda: socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)) as server:
        server.settimeout(20)

        def answer():
            connection, source = server.accept()
            with connection:
                connection.sendall(source[0].removeprefix("::ffff:").encode() + b"\n")

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            done = pool.submit(answer)
            yield server.getsockname()[1]
            done.result()


def everything_works(engine, host):
    """Out, in from everywhere, between containers, by name. Gives a published port of `web`."""
    port = free_port()
    engine.ok("network", "create", "--ipv6", "mine")
    serve(engine, "web", "--network", "mine", "-p", f"{port}:80")
    serve(engine, "other", "--network", "mine")
    serve(engine, "plain", "-p", f"{port + 1}:80")
    for published, name in ((port, "web"), (port + 1, "plain")):
        answer = f"hellofrom {name}\n"
        for address in ("127.0.0.1", "198.51.100.1", "::1"):
            assert host.here(lambda: ask(address, published)) == answer, f"{name} from the host by {address}"
        for address in HOST if name == "web" else HOST[:1]:  # without an IPv6 address a socket of the host serves: rules for input hold
            assert host.there(lambda: ask(address, published)) == answer, f"{name} from the other machine by {address}"
    assert engine.ok("exec", "other", "sh", "-c", "echo -n hello | nc -w 10 web 80").out == "hellofrom web\n", "by name"
    assert engine.ok("exec", "other", "sh", "-c", f"echo -n hello | nc -w 10 198.51.100.1 {port + 1}").out == "hellofrom plain\n", "by the host's address"
    for near, far in zip(HOST, MACHINE):
        with server_at(host) as there:
            assert engine.ok("exec", "other", "nc", "-w", "10", far, there).out == f"{near}\n", "out, with the host's address"
    return port


def wait_until_it_is_gone(engine, host):
    engine.wait_for("the links to go", lambda: not host.links_of_engine())
    engine.wait_for("the table to go", lambda: f"servin-{engine.tag}" not in host.here(netfilter.tables))


def leave(engine, host, rules, before):
    engine.ok("rm", "--force", "--all")
    engine.ok("network", "prune", "--force")
    wait_until_it_is_gone(engine, host)
    after = rules(host)
    same = after == before
    assert same, f"gone: {[rule for rule in before if rule not in after]}, new: {[rule for rule in after if rule not in before]}"


def by_iptables(host):
    """Lines, without comments and counters."""
    saved = "".join(host.run(program) for program in ("iptables-save", "ip6tables-save"))
    return re.sub(r"\[\d+:\d+\]|^#.*\n", "", saved, flags=re.M).splitlines()


def by_nftables(host):
    return host.here(netfilter.rules)


def restore(host, text):
    host.run("iptables-restore", input=text)
    host.run("ip6tables-restore", input=text.replace("-p icmp", "-p ipv6-icmp"))


DROPPING = """*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
COMMIT
"""

# The shape of ufw's rules after "ufw enable": chains of its own, everything unknown dropped by policy, and some by a last rule.
UFW = """*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT ACCEPT
:ufw-before-input -
:ufw-before-forward -
:ufw-user-input -
:ufw-skip-to-policy-input -
-A INPUT -j ufw-before-input
-A INPUT -j ufw-user-input
-A INPUT -p udp --dport 137 -j ufw-skip-to-policy-input
-A FORWARD -j ufw-before-forward
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -p icmp -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
-A ufw-skip-to-policy-input -j DROP
COMMIT
"""

# As Red Hat's iptables.service has it: no policy, but a last rule.
LAST_RULE = """*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -j REJECT
-A FORWARD -j REJECT
COMMIT
"""

FIREWALLS = {
    "iptables -P FORWARD DROP": (by_iptables, lambda host: restore(host, DROPPING)),
    "ufw": (by_iptables, lambda host: restore(host, UFW)),
    "a last rule of iptables": (by_iptables, lambda host: restore(host, LAST_RULE)),
    "nftables.conf": (by_nftables, lambda host: host.here(lambda: netfilter.add_firewall("filter"))),
    "firewalld": (by_nftables, lambda host: host.here(lambda: netfilter.add_firewall("firewalld", rejects=True))),
}


@pytest.mark.deadline(180)
@pytest.mark.parametrize("name", FIREWALLS)
def test_firewall(engine, host, name):
    rules, put = FIREWALLS[name]
    put(host)
    before = rules(host)
    everything_works(engine, host)
    if rules is by_iptables:
        assert any(f'--comment "servin-{engine.tag} ' in rule for rule in rules(host)), "its owner sees whose rules these are"
    leave(engine, host, rules, before)


# --- other engines

def peer_works(host, peer, port):
    """Reached through its port, and reaches out."""
    assert host.there(lambda: ask("198.51.100.1", port)) == "hellofrom theirs\n"
    with server_at(host) as far:
        assert peer.run("exec", "theirs", "nc", "-w", "10", "198.51.100.2", far) == "198.51.100.1"


def work_beside(engine, host, peer, images):
    peer.run("load", "-i", images.path("busybox", "docker.tar"))
    port = free_port()
    peer.start("theirs", "-e", "NAME=theirs", "-p", f"{port}:80", "busybox", "sh", "-c", SERVER)
    engine.wait_for("the peer's server", lambda: ":0050 " in peer.run("exec", "theirs", "cat", "/proc/net/tcp", "/proc/net/tcp6"))
    peer_works(host, peer, port)
    before = by_iptables(host)
    ours = everything_works(engine, host)
    peer_works(host, peer, port)
    assert engine.ok("exec", "other", "sh", "-c", f"echo -n hello | nc -w 10 198.51.100.1 {port}").out == "hellofrom theirs\n", "from ours to theirs"
    assert peer.run("exec", "theirs", "sh", "-c", f"echo -n hello | nc -w 10 198.51.100.1 {ours}") == "hellofrom web", "and back"
    assert "E-PORT-BUSY" in engine.fails("run", "--rm", "-p", f"{port}:80", "base", "true").err
    leave(engine, host, by_iptables, before)
    peer_works(host, peer, port)


@pytest.mark.deadline(300)
def test_docker(engine, images):
    docker = Docker(f"servin-peer-{engine.tag[:4]}")
    try:
        engine.wait_for("the docker daemon", docker.answers, timeout=60)
        host = OwnHost(engine, docker.pid)
        try:
            host.run("iptables", "-P", "FORWARD", "DROP")  # as the daemon does where it is the one that turns forwarding on
            work_beside(engine, host, docker, images)
        finally:
            host.close()
    finally:
        docker.close()


@pytest.mark.deadline(300)
def test_podman(engine, host, images):
    podman = Podman(f"servin-peer-{engine.tag[:4]}", host.way)
    try:
        work_beside(engine, host, podman, images)
    finally:
        podman.close()


# --- firewalls that come later, or let nobody in

@pytest.mark.deadline(180)
def test_a_firewall_that_is_started_later(engine, host):
    def count(host):
        return [len(by_nftables(host))]

    host.here(lambda: netfilter.add_firewall("filter"))
    before = count(host)
    host.here(netfilter.flush_ruleset)
    port = free_port()
    engine.ok("network", "create", "mine")
    serve(engine, "web", "--network", "mine", "-p", f"{port}:80")
    host.here(lambda: netfilter.add_firewall("filter"))
    with pytest.raises(OSError):
        host.there(lambda: ask("198.51.100.1", port, timeout=2))
    for _ in range(2):
        engine.ok("network", "reload")
        assert host.there(lambda: ask("198.51.100.1", port)) == "hellofrom web\n"
    host.here(netfilter.flush_ruleset)
    host.here(lambda: netfilter.add_firewall("filter"))
    serve(engine, "next", "--network", "mine")  # the next start repairs too
    assert host.there(lambda: ask("198.51.100.1", port)) == "hellofrom web\n"
    assert engine.ok("exec", "next", "sh", "-c", "echo -n hello | nc -w 10 web 80").out == "hellofrom web\n"
    leave(engine, host, count, before)


@pytest.mark.deadline(180)
def test_a_firewall_that_belongs_to_its_program(engine, host):
    """firewalld 2 owns its table: nobody else may change it. Then a warning names chain and cure, the container runs, and the cure
    works."""
    with host.here(netfilter.own) as owner:
        host.here(lambda: netfilter.add_firewall("firewalld", owner=owner))
        result = engine.ok("run", "--rm", "base", "echo", "runs")
        assert result.out == "runs\n"
        for chain in ("inet firewalld forward", "inet firewalld input"):
            found = re.search(rf"warning: the firewall's chain {chain} drops .*: let (sv\S+)\* through in its configuration", result.err, re.I)
            assert found, result.err
        wait_until_it_is_gone(engine, host)
    with host.here(netfilter.own) as owner:
        host.here(lambda: netfilter.add_firewall("firewalld", owner=owner, trusted=found[1]))
        before = by_nftables(host)
        assert "warning" not in engine.ok("run", "--rm", "base", "true").err
        everything_works(engine, host)
        leave(engine, host, by_nftables, before)
