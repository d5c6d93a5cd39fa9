# SPDX-License-Identifier: Apache-2.0
"""Bridge networks and published ports, from everywhere that a program may call from."""
import ipaddress
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from support import netfilter
from support.hosts import free_port, inside

ECHO = r'nc -ll -p 80 -e sh -c "cat; echo from \$NAME"'


def serve(engine, name, *options, network="bridge"):
    """A container that answers on its port 80 with what it gets and its name."""
    engine.ok("run", "-d", "--name", name, "--network", network, "-e", f"NAME={name}", *options, "base", "sh", "-c", ECHO)
    engine.wait_for("the server", lambda: ":0050 " in engine.ok("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6").out)


def ask(address, port, text="hello", timeout=10):
    with socket.create_connection((address, port), timeout=timeout) as sock:
        sock.settimeout(timeout)
        sock.sendall(text.encode())
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while part := sock.recv(65536):
            answer += part
    return answer.decode()


def refused(address, port):
    try:
        ask(address, port, timeout=2)
    except OSError:
        return True
    return False


def address_of(engine, name):
    return engine.inspect(name)["NetworkSettings"]["IPAddress"]


def test_a_container_has_a_network(engine):
    result = engine.ok("run", "--rm", "--network", "bridge", "base", "sh", "-c",
                       "ip -4 address show dev eth0; ip route; cat /etc/hosts; cat /sys/class/net/lo/operstate")
    assert re.search(r"inet 10\.\d+\.\d+\.\d+/20", result.out), result.out
    assert "default via 10." in result.out
    assert "host.containers.internal" in result.out


def test_published_for_everybody(engine, machine):
    port = free_port()
    serve(engine, "web", "-p", f"{port}:80")
    serve(engine, "other")
    answer = "hellofrom web\n"
    assert ask("127.0.0.1", port) == answer
    assert ask("198.51.100.1", port) == answer
    assert ask("::1", port) == answer, "carried: the kernel lets nothing of ::1 leave loopback"
    assert ask(address_of(engine, "web"), 80) == answer, "from the host, directly"
    assert inside(machine, lambda: ask("198.51.100.1", port)) == answer, "another machine"
    for caller in ("other", "web"):
        script = f"echo -n hello | nc 198.51.100.1 {port}"
        assert engine.ok("exec", caller, "sh", "-c", script).out == answer, f"{caller}, by the host's address"
    script = f"echo -n hello | nc {address_of(engine, 'web')} 80"
    assert engine.ok("exec", "other", "sh", "-c", script).out == answer, "directly"


def test_published_on_one_address(engine, machine):
    port = free_port()
    serve(engine, "web", "-p", f"127.0.0.1:{port}:80")
    assert ask("127.0.0.1", port) == "hellofrom web\n"
    assert refused("::1", port) and refused("198.51.100.1", port)
    assert inside(machine, lambda: refused("198.51.100.1", port))


def test_what_is_not_published_is_closed(engine, machine):
    serve(engine, "web", "-p", f"{free_port()}:81")
    address = address_of(engine, "web")
    subprocess.run(["ip", "-n", machine, "route", "add", "default", "via", "198.51.100.1"], check=True)
    assert inside(machine, lambda: refused(address, 80))


def test_the_source_is_kept(engine, machine):
    port = free_port()
    engine.ok("run", "-d", "--name", "web", "--network", "bridge", "-p", f"{port}:80", "base", "sh", "-c", 'nc -ll -p 80 -e sh -c "cat /proc/net/tcp6 /proc/net/tcp"')
    engine.wait_for("the server", lambda: ":0050 " in engine.ok("exec", "web", "cat", "/proc/net/tcp", "/proc/net/tcp6").out)
    seen = inside(machine, lambda: ask("198.51.100.1", port, ""))
    assert "026433C6:" in seen, f"198.51.100.2 in {seen}"


def udp_server(engine, name):
    """A socket at port 53 inside of the container."""
    def make():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 53))
        sock.settimeout(10)
        return sock

    return inside(f"/proc/{engine.inspect(name)['State']['Pid']}/ns/net", make)


def test_udp(engine):
    port = free_port(socket.SOCK_DGRAM)
    engine.ok("run", "-d", "--name", "udp", "--network", "bridge", "-p", f"{port}:53/udp", "base", "sleep", "1000")
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", port))
    client.settimeout(10)
    for turn in ("first", "after a restart"):
        with udp_server(engine, "udp") as server:
            client.send(turn.encode())
            text, source = server.recvfrom(100)
            assert text.decode() == turn, "the same client finds the new container"
            server.sendto(b"pong", source)
            assert client.recv(100) == b"pong"
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
                other.settimeout(10)
                other.connect(("::1", port))
                other.send(b"six")
                text, source = server.recvfrom(100)
                assert text == b"six", "carried"
                server.sendto(b"pong6", source)
                assert other.recv(100) == b"pong6"
        engine.ok("restart", "-t", "0", "udp")
    client.close()


def test_ranges_and_ports_of_the_engines_choice(engine):
    first = next(p for p in range(40000, 60000, 7) if all(_is_free(p + i) for i in range(3)))
    engine.ok("run", "-d", "--name", "many", "--network", "bridge", "-p", f"{first}-{first + 2}:80-82", "-p", "90", "base", "sleep", "1000")
    lines = engine.ok("port", "many").lines
    for i in range(3):
        assert f"{80 + i}/tcp -> 0.0.0.0:{first + i}" in lines and f"{80 + i}/tcp -> [::]:{first + i}" in lines
    chosen = engine.ok("port", "many", "90").lines
    assert re.fullmatch(r"0\.0\.0\.0:\d+", chosen[0]) and chosen[0] != "0.0.0.0:0"
    ports = engine.inspect("many")["NetworkSettings"]["Ports"]
    assert ports["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": str(first)}
    assert f"0.0.0.0:{first}->80/tcp" in engine.ok("ls").out


def _is_free(port):
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::", port))
        except OSError:
            return False
    return True


def test_one_port_of_a_range(engine):
    first = free_port()
    wanted = f"127.0.0.1:{first}-{first + 2}:80"
    taken = socket.create_server(("127.0.0.1", first))
    try:
        serve(engine, "one", "-p", wanted)
        serve(engine, "two", "-p", wanted)
        ports = {name: int(engine.inspect(name)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]) for name in ("one", "two")}
        assert set(ports.values()) <= {first + 1, first + 2} and len(set(ports.values())) == 2, ports
        for name, port in ports.items():
            assert ask("127.0.0.1", port) == f"hellofrom {name}\n"
        assert engine.inspect("one")["HostConfig"]["PortBindings"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": f"{first}-{first + 2}"}]
        result = engine.fails("run", "--rm", "-p", wanted, "base", "true", code=125)
        assert "E-PORT-BUSY" in result.err and f"all of {first}-{first + 2} are taken" in result.err, str(result)
    finally:
        taken.close()


def test_a_taken_port_is_never_reported_as_ours(engine):
    port = free_port()
    serve(engine, "first", "-p", f"{port}:80")
    result = engine.fails("run", "-d", "--name", "second", "--network", "bridge", "-p", f"{port}:80", "base", "sleep", "1", match="E-PORT-BUSY")
    assert f"container {engine.inspect('first')['Id'][:12]}" in result.err
    with pytest.raises(OSError), socket.create_server(("0.0.0.0", port)):
        pass
    engine.ok("rm", "-f", "first")
    engine.ok("start", "second")
    with pytest.raises(OSError), socket.create_server(("0.0.0.0", port)):
        pass


def test_after_a_flushed_ruleset(engine, machine):
    port, second = free_port(), free_port()
    serve(engine, "web", "-p", f"{port}:80")
    netfilter.flush_ruleset()
    assert ask("127.0.0.1", port) == "hellofrom web\n", "carried by the socket that holds the port"
    serve(engine, "next", "-p", f"{second}:80")
    assert any(name == f"servin-{engine.tag}" for name in netfilter.tables()), "the next start repairs"
    for p, name in ((port, "web"), (second, "next")):
        assert inside(machine, lambda: ask("198.51.100.1", p)) == f"hellofrom {name}\n"


def test_reload(engine, machine):
    engine.ok("network", "reload")  # nobody runs: nothing is made
    assert not any(engine.tag in name for name in netfilter.tables())
    port = free_port()
    serve(engine, "web", "-p", f"{port}:80")
    address = address_of(engine, "web")
    netfilter.flush_ruleset()
    bridge = next(line.split(": ")[1] for line in links(engine) if "network" in line)
    subprocess.run(["ip", "link", "del", bridge], check=True)
    assert refused(address, 80)
    engine.ok("network", "reload")
    assert ask(address, 80) == "hellofrom web\n", "the bridge and what was at it"
    assert inside(machine, lambda: ask("198.51.100.1", port)) == "hellofrom web\n"
    assert any(name == f"servin-{engine.tag}" for name in netfilter.tables())


def links(engine):
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if f"servin {engine.tag} " in line]


def test_the_address_stays(engine):
    serve(engine, "web")
    serve(engine, "other")
    before = address_of(engine, "web")
    engine.ok("stop", "-t", "0", "web")
    engine.ok("run", "--rm", "--network", "bridge", "base", "true")
    engine.ok("start", "web")
    assert address_of(engine, "web") == before
    assert address_of(engine, "other") != before


def test_after_kill_9(engine):
    port = free_port()
    serve(engine, "web", "-p", f"{port}:80")
    pid = engine.inspect("web")["State"]["Pid"]
    shim = int(re.search(r"PPid:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])
    os.kill(shim, signal.SIGKILL)
    engine.wait_for("the end", lambda: not os.path.exists(f"/proc/{pid}"))
    engine.ok("ls", "-a")
    engine.wait_for("the table to go", lambda: f"servin-{engine.tag}" not in netfilter.tables())
    engine.ok("start", "web")
    engine.wait_for("the server", lambda: ":0050 " in engine.ok("exec", "web", "cat", "/proc/net/tcp", "/proc/net/tcp6").out)
    assert ask("127.0.0.1", port) == "hellofrom web\n"


def test_two_roots(make_engine):
    one, two = make_engine(), make_engine()
    ports = free_port(), free_port()
    serve(one, "web", "-p", f"{ports[0]}:80")
    serve(two, "web", "-p", f"{ports[1]}:80", "-e", "NAME=two")
    assert address_of(one, "web") != address_of(two, "web"), "the second steps aside"
    assert ask("127.0.0.1", ports[0]) == "hellofrom web\n"
    two.ok("rm", "-f", "web")
    assert ask("127.0.0.1", ports[0]) == "hellofrom web\n"


def test_publishing_alone_is_enough(engine):
    engine.ok("run", "-d", "--name", "web", "-p", "80", "base", "sleep", "1000")
    assert engine.inspect("web")["HostConfig"]["NetworkMode"] == "bridge"
    assert address_of(engine, "web")


def test_exposed_ports(engine):
    engine.ok("run", "-d", "--name", "web", "-P", "--expose", "80", "--expose", "82-83/udp", "base", "sleep", "1000")
    shown = engine.ok("port", "web").lines
    assert {line.split(" ")[0] for line in shown} == {"80/tcp", "82/udp", "83/udp"}
    assert set(engine.inspect("web")["Config"]["ExposedPorts"]) == {"80/tcp", "82/udp", "83/udp"}
    engine.fails("create", "--expose", "8080:80", "base", match="--publish")


@pytest.mark.parametrize("network", ["bridge", "mine"])
def test_the_host_is_reached_by_its_name(engine, network):
    if network == "mine":
        engine.ok("network", "create", "mine")
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.settimeout(30)
        asked = engine.popen("run", "--rm", "--network", network, "base", "sh", "-c", f"echo hello | nc -w 10 host.docker.internal {server.getsockname()[1]}")
        connection, _ = server.accept()
        with connection:
            assert connection.makefile().readline() == "hello\n"
        assert asked.wait(30) == 0


def test_names_where_the_host_asks_itself(engine):
    """The host's name server listens on its loopback (systemd-resolved, dnsmasq): ours stands on the gateway."""
    conf = engine.file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = f'mount --bind {conf} /etc/resolv.conf && exec "$@"'
    command = engine.argv("run", "-d", "--name", "box", "--network", "bridge", "base", "sleep", "1000")
    assert engine.run(argv=["unshare", "-m", "sh", "-c", script, "sh", *command]).code == 0
    gateway = engine.inspect("box")["NetworkSettings"]["Gateway"]
    assert f"nameserver {gateway}" in engine.ok("exec", "box", "cat", "/etc/resolv.conf").out
    result = engine.run("exec", "box", "nslookup", "no-such-name.invalid", gateway)
    assert "timed out" not in result.out + result.err and gateway in result.out


def test_options_that_do_not_go_together(engine):
    for words in (["--network", "none", "-p", "80"], ["--network", "host", "-p", "80"]):
        engine.fails("run", *words, "base", "true", match="do not go together")
    for bad in ("0", "80:0", "70000", "8000-8002:80-81", "x:80", "1.2.3.4.5:80:80", "80/icmp", "82-80"):
        engine.fails("run", "--network", "bridge", "-p", bad, "base", "true", match="port")


def test_a_sysctl_of_its_own(engine):
    result = engine.ok("run", "--rm", "--network", "bridge", "--sysctl", "net.ipv4.ip_default_ttl=99", "base", "cat", "/proc/sys/net/ipv4/ip_default_ttl")
    assert result.out == "99\n"


def test_the_default_network_steps_aside(engine):
    script = 'ip link set lo up && ip address add 10.208.0.1/13 dev lo && exec "$@"'
    argv = ["unshare", "-n", "sh", "-c", script, "sh", *engine.argv("run", "--rm", "--network", "bridge", "base", "ip", "-4", "address", "show", "dev", "eth0")]
    out = engine.run(argv=argv).out
    address = re.search(r"inet 10\.(\d+)\.", out)
    assert address and 216 <= int(address[1]) <= 223, out


def test_it_steps_aside_for_stopped_containers_too(engine):
    """Two engines whose containers do not run at the same time may have chosen the same subnet."""
    engine.ok("run", "--name", "one", "--network", "bridge", "base", "ip", "-4", "-o", "address", "show", "dev", "eth0")
    engine.wait_for("the bridge to go", lambda: not engine.leftovers())
    subnet = pathlib.Path(f"{engine.root}/networks/bridge").read_text().strip()
    script = 'ip link set lo up && ip address add "$0" dev lo && exec "$@"'
    result = engine.run(argv=["unshare", "-n", "sh", "-c", script, subnet, *engine.argv("start", "-a", "one")])
    other = re.search(r"inet (10\.\d+\.\d+\.\d+)/20", result.out)
    assert result.code == 0 and other and ipaddress.ip_address(other[1]) not in ipaddress.ip_network(subnet), str(result)
