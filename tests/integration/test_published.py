# SPDX-License-Identifier: Apache-2.0
"""Published ports over IPv6 from another machine, and connections that last: idle ones, half-closed ones, whatever happens to
networks and neighbours meanwhile. On a host of the test's own."""
import socket

import pytest

from support.hosts import OwnHost, free_port, inside

HOST6, MACHINE6 = "2001:db8:51::1", "2001:db8:51::2"


@pytest.fixture(name="host")
def make_host(engine):
    host = OwnHost(engine)
    yield host
    host.close()


def listen_in(engine, name, kind=socket.SOCK_STREAM):
    """A socket at port 80 inside of the container, for IPv4 and IPv6."""
    def make():
        sock = socket.socket(socket.AF_INET6, kind)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 80))
        if kind == socket.SOCK_STREAM:
            sock.listen(16)
        sock.settimeout(20)
        return sock

    return inside(f"/proc/{engine.inspect(name)['State']['Pid']}/ns/net", make)


def start(engine, name, *options):
    engine.ok("run", "-d", "--name", name, *options, "base", "sleep", "100000")


def connect(address, port):
    sock = socket.create_connection((address, port), timeout=20)
    sock.settimeout(20)
    return sock


def exchange(client, served, text):
    for here, there in ((client, served), (served, client)):
        here.sendall(text)
        assert there.recv(100) == text


def udp_client(address, port):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(20)
    sock.connect((address, port))
    return sock


@pytest.mark.parametrize("network", ["with IPv6", "without"])
def test_over_ipv6_from_another_machine(engine, host, network):
    """Into a network that has IPv6 the kernel forwards, with the other machine's address; into one that has none it is carried."""
    forwarded = network == "with IPv6"
    engine.ok("network", "create", *(["--ipv6"] if forwarded else []), "mine")
    port = free_port()
    start(engine, "web", "--network", "mine", "-p", f"{port}:80", "-p", f"{port}:80/udp")
    with listen_in(engine, "web") as server, host.there(lambda: connect(HOST6, port)) as client:
        served, source = server.accept()
        with served:
            assert (source[0] == MACHINE6) == forwarded, source
            exchange(client, served, b"by tcp")
    with listen_in(engine, "web", socket.SOCK_DGRAM) as server, host.there(lambda: udp_client(HOST6, port)) as client:
        for turn in (b"one", b"two"):
            client.send(turn)
            text, source = server.recvfrom(100)
            assert text == turn and (source[0] == MACHINE6) == forwarded, source
            server.sendto(b"answer to " + turn, source)
            assert client.recv(100) == b"answer to " + turn


def test_published_on_one_ipv6_address(engine, host):
    engine.ok("network", "create", "--ipv6", "mine")
    port = free_port()
    start(engine, "web", "--network", "mine", "-p", f"[::1]:{port}:80")
    start(engine, "other", "--network", "mine", "-p", f"[{HOST6}]:{port}:80")
    with listen_in(engine, "web") as server, host.here(lambda: connect("::1", port)):
        server.accept()[0].close()
    with listen_in(engine, "other") as server, host.there(lambda: connect(HOST6, port)):
        served, source = server.accept()
        served.close()
        assert source[0] == MACHINE6
    with pytest.raises(OSError):
        host.there(lambda: connect("198.51.100.1", port))


@pytest.mark.deadline(180)
def test_connections_outlast_what_happens_to_others(engine, host):
    """Forwarded and carried ones, busy or idle, while rules are made anew and neighbours come and go."""
    engine.ok("network", "create", "--ipv6", "mine")
    tcp, udp, carried = free_port(), free_port(socket.SOCK_DGRAM), free_port()
    start(engine, "web", "--network", "mine", "-p", f"{tcp}:80", "-p", f"{udp}:80/udp")
    start(engine, "plain", "-p", f"{carried}:80")  # no IPv6: over it everything is carried
    places = [("198.51.100.1", tcp, host.there), (HOST6, tcp, host.there), ("127.0.0.1", tcp, host.here), ("::1", tcp, host.here)]
    pairs = []
    with listen_in(engine, "web") as server, listen_in(engine, "web", socket.SOCK_DGRAM) as datagrams, listen_in(engine, "plain") as plain:
        for address, port, where in places:
            pairs.append((address, where(lambda: connect(address, port)), server.accept()[0]))
        pairs.append(("carried", host.there(lambda: connect(HOST6, carried)), plain.accept()[0]))
        client = host.there(lambda: udp_client("198.51.100.1", udp))
        idle = [pair for pair in pairs if pair[0] in ("198.51.100.1", "carried")]

        def all_go_on(text, which):
            for name, here, there in which:
                try:
                    exchange(here, there, text)
                except (OSError, AssertionError) as error:
                    raise AssertionError(f"{name}, {text}: {error!r}") from error
            client.send(text)
            received, source = datagrams.recvfrom(100)
            assert received == text
            datagrams.sendto(text, source)
            assert client.recv(100) == text

        all_go_on(b"at first", pairs)
        busy = [pair for pair in pairs if pair not in idle]
        for text, commands in ((b"reload", [["network", "reload"]] * 3),
                               (b"a neighbour comes", [["run", "-d", "--name", "next", "--network", "mine", "-p", "80", "base", "sleep", "100000"]]),
                               (b"comes in", [["network", "create", "other"], ["network", "connect", "other", "next"]]),
                               (b"goes out", [["network", "disconnect", "other", "next"]]),
                               (b"is restarted", [["restart", "-t", "0", "next"]]),
                               (b"goes", [["rm", "-f", "next"], ["network", "prune", "--force"]])):
            for command in commands:
                engine.ok(*command)
            all_go_on(text, busy)
        all_go_on(b"those that were idle", pairs)
        for sock in [client, *(sock for pair in pairs for sock in pair[1:])]:
            sock.close()


@pytest.mark.parametrize("way", ["forwarded", "carried"])
def test_half_closed(engine, host, way):
    """One direction is closed; the other one goes on as long as it likes, also after a reload, and its end arrives too."""
    port = free_port()
    start(engine, "web", "-p", f"{port}:80")
    address = "198.51.100.1" if way == "forwarded" else HOST6
    for first in ("client", "server"):
        with listen_in(engine, "web") as server, host.there(lambda: connect(address, port)) as client:
            served = server.accept()[0]
            with served:
                closing, going_on = (client, served) if first == "client" else (served, client)
                closing.sendall(b"the last")
                closing.shutdown(socket.SHUT_WR)
                assert going_on.recv(100) == b"the last" and going_on.recv(100) == b"", first
                engine.ok("network", "reload")
                much = b"x" * 30000  # fits into the buffers on the way
                sender = going_on.makefile("wb")
                for _ in range(3):
                    sender.write(much)
                    sender.flush()
                    got = closing.makefile("rb").read(len(much))
                    assert got == much, first
                going_on.shutdown(socket.SHUT_WR)
                assert closing.recv(100) == b"", first
