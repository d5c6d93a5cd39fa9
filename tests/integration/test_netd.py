# SPDX-License-Identifier: Apache-2.0
"""The resolver process of a user-defined network, by itself: in a network namespace with name servers of the test."""
import concurrent.futures
import fcntl
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from support import dns
from support.engine import PROGRAM

NETD = str(pathlib.Path(PROGRAM).parent / "servin-netd")
WEB, DB = "1f" + "a" * 62, "2f" + "b" * 62
GATEWAY, WEB_ADDRESS, DB_ADDRESS = "10.66.0.1", "10.66.0.2", "10.66.0.3"


class Network:
    """RUN/networks/ID with a resolver in a namespace of its own, whose /etc the test writes."""

    def __init__(self, engine):
        self.base = pathlib.Path(engine.dir)
        self.etc = self.base / "etc"
        self.etc.mkdir()
        self.etc.chmod(0o755)
        # All addresses are the namespace's own: containers, gateway and the world outside.
        self.space = dns.Namespace(f"mount --bind {self.etc} /etc", "ip addr add 10.66.0.0/24 dev lo")
        self.dir = self.base / "root/run/networks/net1"
        self.dir.mkdir(parents=True)
        self.dir.parent.chmod(0o755)
        self.dir.chmod(0o711)
        self.open = [self.space]
        self.endpoints = {WEB: f"{WEB_ADDRESS} - {WEB} web www all", DB: f"{DB_ADDRESS} - {DB} db all"}
        self.servers("10.66.0.100")
        self.write_names()

    def servers(self, *addresses, file="resolv.conf"):
        temporary = self.etc / "new"
        temporary.write_text("".join(f"nameserver {address}\n" for address in addresses))
        temporary.rename(self.etc / file)

    def write_names(self, *directives):
        temporary = self.dir / "names.new"
        lines = ["!network net1", f"!listen {GATEWAY}", *directives, *self.endpoints.values()]
        temporary.write_text("\n".join(lines) + "\n")
        temporary.chmod(0o644)
        temporary.rename(self.dir / "names")

    def upstream(self, *args, **options):
        server = dns.Upstream(self.space, *args, **options)
        self.open.append(server)
        return server

    def start(self, folder=None, wait=True):
        """As network::ensure_netd does: a pipe that ends when it listens, and the lock that it gives back."""
        folder = folder or self.dir
        ready, write = os.pipe()
        lock = os.open(folder / "netd.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        script = 'exec "$@" 3<&"$READY" 4<&"$LOCK"'
        process = subprocess.Popen([*self.space.prefix(), "bash", "-c", script, "-", NETD, str(folder)], pass_fds=(write, lock),
                                   env={**os.environ, "READY": str(write), "LOCK": str(lock)}, stdin=subprocess.DEVNULL)
        os.close(write)
        os.close(lock)
        with os.fdopen(ready, "rb") as answer:
            error = answer.read()
        if wait:
            assert error == b"", error
        self.process = process
        return error

    def ask(self, name, kind=dns.A, source=WEB_ADDRESS, tcp=False):
        return dns.ask(self.space, GATEWAY, name, kind, source, tcp)

    def close(self):
        if getattr(self, "process", None):
            self.process.kill()
            self.process.wait()
        for thing in reversed(self.open):
            thing.close()


@pytest.fixture
def network(engine):
    made = Network(engine)
    yield made
    made.close()


def test_names_of_the_network(network):
    up = network.upstream("10.66.0.100", "8.8.8.8")
    network.start()
    assert network.ask("DB").answers == [DB_ADDRESS]
    assert network.ask("db.net1").answers == [DB_ADDRESS]
    assert network.ask(WEB[:12]).answers == [WEB_ADDRESS]
    assert sorted(network.ask("all").answers) == [WEB_ADDRESS, DB_ADDRESS]
    assert {network.ask("all").answers[0] for _ in range(4)} == {WEB_ADDRESS, DB_ADDRESS}
    empty = network.ask("db", dns.AAAA)
    assert (empty.rcode, empty.answers) == (dns.NOERROR, [])
    assert network.ask("3.0.66.10.in-addr.arpa", dns.PTR).answers == ["db.net1"]
    assert network.ask("host.docker.internal").answers == [GATEWAY]
    assert network.ask("db", source="10.66.0.9").rcode == dns.REFUSED
    assert up.asked == []
    # A rename counts for the next question.
    network.endpoints[DB] = f"{DB_ADDRESS} - {DB} database"
    network.write_names()
    assert network.ask("database").answers == [DB_ADDRESS]
    assert network.ask("db").answers == ["8.8.8.8"]


def test_it_has_no_rights(network):
    network.start()
    status = pathlib.Path(f"/proc/{netd_pid(network)}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split() and "0" not in fields["Gid"].split() and fields["Groups"].strip() == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[name], 16) == 0, name
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2" and fields["Threads"] == "1"


def netd_pid(network):
    return int((network.dir / "netd.pid").read_text().split()[0])


def test_follows_the_hosts_resolv_conf(network):
    """The VPN comes up and goes: rewritten, renamed over, and a link on the way swapped."""
    home, vpn = network.upstream("10.66.0.100", "1.1.1.1"), network.upstream("10.66.0.101", "2.2.2.2")
    network.start()
    assert network.ask("intra.example").answers == ["1.1.1.1"]
    network.servers("10.66.0.101")
    assert network.ask("intra.example").answers == ["2.2.2.2"]
    (network.etc / "resolv.conf").write_text("# by hand, in place\nnameserver 10.66.0.100\n")
    assert network.ask("intra.example").answers == ["1.1.1.1"]
    for name, server in (("a", "10.66.0.100"), ("b", "10.66.0.101")):
        (network.etc / name).mkdir()
        network.servers(server, file=f"{name}/resolv.conf")
    (network.etc / "current").symlink_to("b")
    (network.etc / "link").symlink_to("current/resolv.conf")
    (network.etc / "link").rename(network.etc / "resolv.conf")
    assert network.ask("intra.example").answers == ["2.2.2.2"]
    (network.etc / "other").symlink_to("a")
    (network.etc / "other").rename(network.etc / "current")  # a folder that no watch on /etc/resolv.conf's own would see
    assert network.ask("intra.example").answers == ["1.1.1.1"]
    assert len(home.asked) == 3 and len(vpn.asked) == 2


def test_truncated_answers_come_by_tcp(network):
    network.upstream("10.66.0.100", "1.1.1.1")
    network.start()
    assert network.ask("long.example").truncated
    whole = network.ask("long.example", tcp=True)
    assert len(whole.answers) == 200 and not whole.truncated
    assert network.ask("missing.example").rcode == dns.NXDOMAIN
    # Our own answers too.
    for i in range(100):
        network.endpoints[i] = f"10.66.0.{i + 100} - {i:02}{'c' * 62} many{i} crowd"
    network.write_names()
    assert network.ask("crowd").truncated
    assert len(network.ask("crowd", tcp=True).answers) == 100


def test_dead_servers_are_passed_over(network):
    silent = network.upstream("10.66.0.101", "9.9.9.9", silent=True)
    network.upstream("10.66.0.102", "1.1.1.1")
    network.servers("10.66.0.100", "10.66.0.101", "10.66.0.102")  # nobody, silent, good
    network.start()
    for _ in range(5):
        assert network.ask("a.example").answers == ["1.1.1.1"]
    assert len(silent.asked) == 1  # remembered
    network.servers("10.66.0.100")
    assert network.ask("a.example").rcode == dns.SERVFAIL


def test_own_servers_of_a_container(network):
    network.upstream("10.66.0.100", "1.1.1.1")
    network.upstream("10.66.0.101", "2.2.2.2")
    network.endpoints[DB] += " @10.66.0.101"
    network.write_names()
    network.start()
    assert network.ask("a.example", source=DB_ADDRESS).answers == ["2.2.2.2"]
    assert network.ask("a.example", source=WEB_ADDRESS).answers == ["1.1.1.1"]
    assert network.ask("web", source=DB_ADDRESS).answers == [WEB_ADDRESS]


def test_nothing_leaves_an_internal_network(network):
    up = network.upstream("10.66.0.100", "1.1.1.1")
    network.write_names("!internal")
    network.start()
    assert network.ask("a.example").rcode == dns.REFUSED
    assert network.ask("db").answers == [DB_ADDRESS]
    assert network.ask("4.4.8.8.in-addr.arpa", dns.PTR).rcode == dns.REFUSED
    assert up.asked == []


def test_a_thousand_questions_at_once(network):
    up = network.upstream("10.66.0.100", "1.1.1.1")
    network.start()
    with network.space.socket(socket.SOCK_DGRAM, WEB_ADDRESS) as s:
        s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        s.connect((GATEWAY, 53))
        names = {number: "db" if number % 2 else f"n{number}.example" for number in range(1000)}
        answered = {}
        # A burst loses packets somewhere on any system; a client asks again for what did not come.
        while len(answered) < len(names):
            for number, name in names.items():
                if number not in answered:
                    s.send(dns.question(name, number=number))
            s.settimeout(1)
            try:
                while len(answered) < len(names):
                    reply = dns.Reply(s.recv(65535))
                    answered[reply.id] = reply
            except TimeoutError:
                pass
        for number, name in names.items():
            assert answered[number].name == name
            assert answered[number].answers == [DB_ADDRESS if number % 2 else "1.1.1.1"]
    assert not any(name == "db" for name in up.asked)


def test_hostile_packets(network):
    network.upstream("10.66.0.100", "1.1.1.1")
    network.start()
    with network.space.socket(socket.SOCK_DGRAM, WEB_ADDRESS) as s:
        s.connect((GATEWAY, 53))
        for i in range(2000):
            good = bytearray(dns.question("db", number=i))
            good[(i * 7) % len(good)] ^= 1 << (i % 8)
            s.send(bytes(good[:i % 40]) + os.urandom(i % 5))
    with network.space.socket(socket.SOCK_STREAM, WEB_ADDRESS) as s:
        s.connect((GATEWAY, 53))
        s.sendall(b"\0\5hello and rubbish")
        assert s.recv(10) == b""
    assert network.ask("db").answers == [DB_ADDRESS]
    assert network.process.poll() is None


def wait_end(process):
    return process.wait(30)


def test_ends_with_the_last_container(network):
    network.start()
    process = network.process
    saved, network.endpoints = network.endpoints, {}
    network.write_names()
    assert wait_end(process) == 0
    assert (network.dir / "netd.pid").read_text() == ""
    network.endpoints = saved
    network.write_names()
    network.start()  # on the same port
    assert network.ask("db").answers == [DB_ADDRESS]


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_ends_with_its_folder(network, how):
    network.start()
    if how == "renamed":
        network.dir.rename(network.base / "root/trash")
    else:
        subprocess.run(["rm", "-r", network.dir], check=True)
    assert wait_end(network.process) == 0


def test_a_second_one_reports_the_port(network):
    network.start()
    first = network.process
    error = network.start(wait=False)
    assert b"port 53" in error and wait_end(network.process) == 1
    assert netd_pid(network) == first.pid
    network.process = first
    assert network.ask("db").answers == [DB_ADDRESS]


def test_is_no_command(engine):
    result = engine.run(argv=[NETD, "/nonexistent"])
    assert result.code == 125 and "started by servin" in result.err


def test_survives_signals_of_a_terminal_and_dies_of_term(network):
    network.start()
    network.process.send_signal(signal.SIGPIPE)
    assert network.ask("db").answers == [DB_ADDRESS]
    network.process.terminate()
    assert wait_end(network.process) == -signal.SIGTERM
    network.start()
    assert network.ask("db").answers == [DB_ADDRESS]


def test_memory_stays_small(network):
    """A client that opens all the connections it may and sends rubbish makes it keep no more than a few megabytes."""
    network.upstream("10.66.0.100", "1.1.1.1")
    network.start()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: network.ask(f"long{i}.example", tcp=True), range(100)))
    status = pathlib.Path(f"/proc/{netd_pid(network)}/status").read_text()
    anonymous = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    assert anonymous < 8192, f"{anonymous} KiB"
