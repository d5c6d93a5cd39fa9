# SPDX-License-Identifier: Apache-2.0
"""Networks of one's own: make, list, remove; who is in them, under which addresses and names."""
import fcntl
import ipaddress
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from support.engine import Engine

ECHO = r'nc -ll -p 80 -e sh -c "cat; echo from \$NAME"'
SUBNET = "10.77.0.0/24"


def in_a_space(engine, script, *args):
    """The command in a network namespace of its own, after `script`."""
    return engine.run(argv=["unshare", "-n", "sh", "-c", f'ip link set lo up && {script} && exec "$@"', "sh", *engine.argv(*args)])


def names(engine):
    return engine.ok("network", "ls", "--filter", "type=custom", "--format", "{{.Name}}").lines


def subnets(engine, name):
    return [c["Subnet"] for c in engine.ok("network", "inspect", name).json()[0]["IPAM"]["Config"]]


def place(engine, container, network="mine"):
    return engine.inspect(container)["NetworkSettings"]["Networks"][network]


def serve(engine, name, *options, network="mine"):
    engine.ok("run", "-d", "--name", name, "--network", network, "-e", f"NAME={name}", *options, "base", "sh", "-c", ECHO)
    engine.wait_for("the server", lambda: ":0050 " in engine.ok("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6").out)


def ask(engine, caller, target):
    return engine.ok("exec", caller, "sh", "-c", f"echo -n hello | nc {target} 80").out


def found(engine, caller, name):
    """Addresses that nslookup finds, without the name server's own."""
    result = engine.run("exec", caller, "nslookup", name)
    return set(re.findall(r"^Address: (\S+)$", result.out, re.M)) if result.code == 0 else set()


# --- the list

def test_create_ls_inspect_rm(engine):
    made = engine.ok("network", "create", "--subnet", SUBNET, "--gateway", "10.77.0.254", "--ip-range", "10.77.0.128/25",
                     "--opt", "mtu=1400", "--label", "tier=back", "mine").out.strip()
    assert re.fullmatch("[0-9a-f]{64}", made)
    engine.ok("network", "create", "--internal", "--ipv6", "second")
    assert names(engine) == ["mine", "second"]
    lines = engine.ok("network", "ls").lines
    assert lines[0].split("  ")[0] == "NETWORK ID" and [line.split()[1] for line in lines[1:]] == ["bridge", "host", "mine", "none", "second"]
    whole = engine.ok("network", "inspect", "mine", made[:12]).json()
    assert whole[0] == whole[1]
    first = whole[0]
    assert first["Id"] == made and first["Driver"] == "bridge" and not first["Internal"] and not first["EnableIPv6"]
    assert first["IPAM"]["Config"] == [{"Subnet": SUBNET, "IPRange": "10.77.0.128/25", "Gateway": "10.77.0.254"}]
    assert first["Options"] == {"mtu": "1400"} and first["Labels"] == {"tier": "back"} and first["Containers"] == {}
    second = engine.ok("inspect", "--type", "network", "second").json()[0]
    assert second["Internal"] and second["EnableIPv6"]
    four, six = (ipaddress.ip_network(c["Subnet"]) for c in second["IPAM"]["Config"])
    assert four.version == 4 and six.version == 6 and six.is_private
    for text, wanted in (("label=tier", ["mine"]), ("name=sec", ["second"]), (f"id={made[:5]}", ["mine"]), ("driver=macvlan", []), ("dangling=true", ["mine", "second"]),
                         ("scope=local", ["mine", "second"])):
        assert engine.ok("network", "ls", "--filter", text, "--filter", "type=custom", "--format", "{{.Name}}").lines == wanted, text
    engine.fails("network", "ls", "--filter", "drivr=x", match="did you mean \"driver\"")
    engine.fails("network", "inspect", "mime", match="did you mean \"mine\"")
    assert engine.ok("network", "rm", "mine", "second").lines == ["mine", "second"]
    engine.fails("network", "rm", "mine", match="E-NETWORK-NOT-FOUND")
    engine.ok("network", "rm", "--force", "mine")
    assert names(engine) == [] and not engine.leftovers()


def test_what_cannot_be_made(engine):
    for words, why in ((["--subnet", "10.77.0.1/24"], "10.77.0.0/24"), (["--subnet", "10.77.0.0/31"], "too small"), (["--subnet", "127.5.0.0/24"], "meaning of their own"),
                       (["--gateway", "10.77.0.1"], "needs a --subnet"), (["--subnet", SUBNET, "--gateway", "10.78.0.1"], "lies in none"),
                       (["--subnet", SUBNET, "--gateway", "10.77.0.255"], "nobody's"), (["--subnet", SUBNET, "--ip-range", "10.77.0.0/16"], "larger"),
                       (["--subnet", SUBNET, "--subnet", "10.78.0.0/24"], "one subnet of each family"), (["--driver", "overlay"], "bridge, macvlan, ipvlan"),
                       (["--opt", "mtu=1"], "68"), (["--opt", "mut=1400"], "no such option"), (["--driver", "macvlan"], "parent="),
                       (["--driver", "macvlan", "--opt", "parent=nosuch0"], "nosuch0"), (["--ipv6", "--opt", "mtu=1000"], "1280")):
        engine.fails("network", "create", *words, "mine", match=why)
    for name in ("bridge", "host", "none"):
        engine.fails("network", "create", name, match="E-NETWORK-BUILT-IN")
        engine.fails("network", "rm", name, match="E-NETWORK-BUILT-IN")
    engine.fails("network", "create", "no/slash", match="E-NAME-INVALID")
    engine.ok("network", "create", "mine")
    engine.fails("network", "create", "mine", match="E-NETWORK-EXISTS")
    assert names(engine) == ["mine"]


def test_two_at_once_with_one_name(engine):
    makers = [engine.popen("network", "create", "mine") for _ in range(8)]
    outcomes = [(maker.communicate(timeout=60), maker.returncode) for maker in makers]
    assert sorted(code for _, code in outcomes) == [0] + [125] * 7
    assert all(b"E-NETWORK-EXISTS" in err for (_, err), code in outcomes if code)
    assert names(engine) == ["mine"]


def test_networks_made_at_once_do_not_overlap(engine):
    makers = [engine.popen("network", "create", f"n{i}") for i in range(12)]
    makers.append(engine.popen("run", "--rm", "--network", "bridge", "base", "true"))  # which chooses a subnet too
    for maker in makers:
        assert maker.wait(60) == 0
    chosen = [ipaddress.ip_network(subnets(engine, name)[0]) for name in [*names(engine), "bridge"]]
    assert len(chosen) == 13
    assert not [(a, b) for i, a in enumerate(chosen) for b in chosen[i + 1:] if a.overlaps(b)]


def test_prune(engine):
    for name in ("used", "free", "kept"):
        engine.ok("network", "create", "--label", f"{name}=1", name)
    engine.ok("create", "--network", "used", "base", "true")
    engine.fails("network", "prune", match="E-NO-TERMINAL")
    assert engine.ok("network", "prune", "--dry-run", "--filter", "label!=kept").lines[:2] == ["Deleted Networks:", "free"]
    assert names(engine) == ["free", "kept", "used"]
    engine.ok("network", "prune", "--force", "--filter", "label!=kept")
    assert names(engine) == ["kept", "used"]
    engine.ok("network", "prune", "--force", "--filter", "until=1h")
    assert names(engine) == ["kept", "used"]
    engine.ok("system", "prune", "--force")
    assert names(engine) == [], "the stopped container goes first, then its network"


def test_events(engine):
    made = engine.ok("network", "create", "mine").out.strip()
    engine.ok("network", "rm", "mine")
    events = [json.loads(line) for line in engine.ok("events", "--since", "0", "--until", "0s", "--filter", "type=network", "--format", "json").lines]
    assert [e["Action"] for e in events] == ["create", "destroy"]
    assert all(e["Actor"]["ID"] == made and e["Actor"]["Attributes"] == {"name": "mine", "type": "bridge"} for e in events)


# --- subnets

def test_an_overlapping_subnet_is_refused(engine):
    engine.ok("network", "create", "--subnet", SUBNET, "mine")
    result = engine.fails("network", "create", "--subnet", "10.77.0.128/25", "other", match="E-SUBNET-USED")
    assert "network mine, which has 10.77.0.0/24" in result.err and "choose another subnet" in result.err
    result = in_a_space(engine, "ip address add 10.99.3.4/16 dev lo", "network", "create", "--subnet", "10.99.1.0/24", "other")
    assert result.code == 125 and "10.99.0.0/16, which the host uses" in result.err and "ip route" in result.err
    assert names(engine) == ["mine"]
    engine.ok("network", "create", "--subnet", "10.77.1.0/24", "other")


def test_a_chosen_subnet_steps_aside(engine):
    half = ipaddress.ip_network("10.208.0.0/13")
    for i in range(4):
        result = in_a_space(engine, "ip address add 10.208.0.1/13 dev lo", "network", "create", f"n{i}")
        assert result.code == 0, result
        assert not ipaddress.ip_network(subnets(engine, f"n{i}")[0]).overlaps(half)
    # Later too, while nobody else has an address in it.
    before = subnets(engine, "n0")[0]
    use = f"ip address add {before} dev lo"
    result = in_a_space(engine, use, "run", "--rm", "--network", "n0", "base", "ip", "-4", "address", "show", "dev", "eth0")
    assert result.code == 0, result
    after = subnets(engine, "n0")[0]
    assert after != before and ipaddress.ip_interface(re.search(r"inet (\S+)", result.out)[1]).network == ipaddress.ip_network(after)
    engine.ok("create", "--name", "sleeper", "--network", "n1", "base", "true")
    result = in_a_space(engine, f"ip address add {subnets(engine, 'n1')[0]} dev lo", "run", "--rm", "--network", "n1", "base", "true")
    assert result.code == 125 and "E-SUBNET-USED" in result.err and subnets(engine, "n1")[0] in result.err
    engine.ok("run", "--rm", "--network", "n1", "base", "true")


def test_two_roots_do_not_collide(engine, images):
    other = Engine(images)
    try:
        for e in (engine, other):
            e.ok("network", "create", "mine")
            serve(e, "web")
        networks = [ipaddress.ip_network(subnets(e, "mine")[0]) for e in (engine, other)]
        assert not networks[0].overlaps(networks[1])
        for e in (engine, other):
            assert found(e, "web", "web") == {place(e, "web")["IPAddress"]}
        theirs = place(other, "web")["IPAddress"]
        engine.fails("exec", "web", "sh", "-c", f"echo | nc -w 2 {theirs} 80", code=None)
        engine.ok("rm", "-f", "web")
        engine.ok("network", "rm", "mine")
        assert found(other, "web", "web") == {theirs}
    finally:
        other.close()


# --- containers

def test_names(engine):
    engine.ok("network", "create", "--ipv6", "mine")
    serve(engine, "db", "--network-alias", "sql", "--network-alias", "Store")
    serve(engine, "web", "--cap-add", "NET_RAW")
    db = place(engine, "db")
    assert db["Aliases"] == ["sql", "Store"] and db["IPAddress"] and db["GlobalIPv6Address"] and db["Gateway"]
    short = engine.inspect("db")["Id"][:12]
    assert db["DNSNames"] == ["db", "sql", "Store", short]
    for name in ("db", "sql", "store", short, "db.mine"):
        assert found(engine, "web", name) == {db["IPAddress"], db["GlobalIPv6Address"]}, name
        assert ask(engine, "web", name) == "hellofrom db\n", name
    assert ask(engine, "db", "web") == "hellofrom web\n"
    assert "1 packets received" in engine.ok("exec", "web", "ping", "-4", "-c", "1", "db").out
    assert "name = db.mine" in engine.ok("exec", "web", "nslookup", db["IPAddress"]).out
    assert found(engine, "web", "nobody-has-this-name") == set()
    assert place(engine, "web")["MacAddress"] in engine.ok("exec", "web", "ip", "link", "show", "eth0").out
    members = engine.ok("network", "inspect", "mine").json()[0]["Containers"]
    assert {m["Name"]: m["IPv4Address"].split("/")[0] for m in members.values()} == {"db": db["IPAddress"], "web": place(engine, "web")["IPAddress"]}


def test_a_renamed_container_has_its_new_name(engine):
    engine.ok("network", "create", "mine")
    serve(engine, "old")
    serve(engine, "web")
    address = place(engine, "old")["IPAddress"]
    assert found(engine, "web", "old") == {address}
    engine.ok("rename", "old", "new")
    assert found(engine, "web", "new") == {address} and found(engine, "web", "old") == set()
    engine.ok("restart", "-t", "0", "new")
    assert found(engine, "web", "new") == {place(engine, "new")["IPAddress"]}


def test_an_address_is_kept(engine):
    engine.ok("network", "create", "--subnet", SUBNET, "mine")
    serve(engine, "one")
    serve(engine, "two")
    before = place(engine, "one")["IPAddress"]
    engine.ok("stop", "-t", "0", "one")
    stopped = place(engine, "one")
    assert stopped["IPAddress"] == "" and stopped["NetworkID"], "as docker shows one that does not run"
    serve(engine, "three")
    assert place(engine, "three")["IPAddress"] != before
    engine.ok("start", "one")
    assert place(engine, "one")["IPAddress"] == before
    assert engine.ok("exec", "two", "nslookup", "one").out.count(before) == 1
    engine.ok("rm", "-f", "one")
    serve(engine, "four")
    assert place(engine, "four")["IPAddress"] == before, "free again"


def test_what_is_asked_for(engine):
    engine.ok("network", "create", "--subnet", SUBNET, "--subnet", "fd00:77::/64", "mine")
    engine.ok("network", "create", "auto")
    asked = ["--ip", "10.77.0.9", "--ip6", "fd00:77::9", "--mac-address", "02:42:0a:4d:00:09"]
    engine.ok("run", "-d", "--name", "one", "--network", "mine", *asked, "base", "sleep", "1000")
    one = place(engine, "one")
    assert (one["IPAddress"], one["GlobalIPv6Address"], one["MacAddress"]) == ("10.77.0.9", "fd00:77::9", "02:42:0a:4d:00:09")
    shown = engine.ok("exec", "one", "ip", "address", "show", "dev", "eth0").out
    assert "10.77.0.9/24" in shown and "fd00:77::9/64" in shown and "02:42:0a:4d:00:09" in shown
    for option, address in (("--ip", "10.77.0.9"), ("--ip6", "fd00:77::9")):
        result = engine.fails("create", "--network", "mine", option, address, "base", "true", match="E-ADDRESS-TAKEN")
        assert f"{address}: container one has it" in result.err
    for words, why in ((["--ip", "10.77.0.1"], "gateway"), (["--ip", "10.78.0.1"], SUBNET), (["--ip", "10.77.0.255"], "nobody's"), (["--ip", "fd00::1"], "not an IPv4"),
                       (["--mac-address", "01:00:5e:00:00:01"], "not the address of one interface"), (["--network-alias", "two words"], "not a host name")):
        engine.fails("create", "--network", "mine", *words, "base", "true", match=why)
    engine.fails("create", "--network", "auto", "--ip", "10.208.0.9", "base", "true", match="engine's choice")
    for network in ("none", "host", "bridge"):
        engine.fails("create", "--network", network, "--ip", "10.77.0.10", "base", "true", match="E-OPTION-CONFLICT")
    assert engine.ok("ls", "-aq").lines == engine.ok("ls", "-q").lines, "a create that failed left a container"
    engine.ok("rm", "-f", "one")
    engine.ok("run", "--rm", "--network", "mine", "--ip", "10.77.0.9", "base", "true")


def test_in_use(engine):
    engine.ok("network", "create", "mine")
    engine.ok("create", "--name", "stopped", "--network", "mine", "base", "true")
    engine.ok("run", "-d", "--name", "running", "--network", "mine", "base", "sleep", "1000")
    result = engine.fails("network", "rm", "mine", match="E-NETWORK-IN-USE")
    assert "running" in result.err and "stopped" in result.err
    assert engine.ok("ls", "-a", "--filter", "network=mine", "--format", "{{.Names}}").lines == ["running", "stopped"]
    engine.ok("rm", "-f", "running", "stopped")
    engine.ok("network", "rm", "mine")
    engine.fails("run", "--rm", "--network", "mine", "base", "true", match="E-NETWORK-NOT-FOUND")


def test_app_and_database_without_a_way_out(engine):
    engine.ok("network", "create", "--internal", "--subnet", SUBNET, "vault")
    serve(engine, "db", network="vault")
    serve(engine, "app", network="vault")
    assert ask(engine, "app", "db") == "hellofrom db\n"
    assert "default" not in engine.ok("exec", "app", "ip", "route").out
    with socket.create_server(("10.77.0.1", 0)) as host:
        port = host.getsockname()[1]
        engine.fails("exec", "app", "sh", "-c", f"echo | nc -w 2 10.77.0.1 {port}", code=None)
        host.settimeout(0)
        with pytest.raises(BlockingIOError):
            host.accept()
    # With a route of its own it does not come out either.
    engine.ok("run", "-d", "--name", "outside", "--network", "bridge", "-e", "NAME=outside", "base", "sh", "-c", ECHO)
    outside = place(engine, "outside", "bridge")["IPAddress"]
    pid = engine.inspect("app")["State"]["Pid"]
    subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "route", "add", "default", "via", "10.77.0.1"], check=True)
    engine.fails("exec", "app", "sh", "-c", f"echo | nc -w 2 {outside} 80", code=None)
    engine.fails("exec", "outside", "sh", "-c", f"echo | nc -w 2 {place(engine, 'db', 'vault')['IPAddress']} 80", code=None)
    engine.fails("run", "--rm", "--network", "vault", "-p", "80", "base", "true", match="leads out")
    assert found(engine, "app", "example.com") == set()


def test_networks_are_apart(engine):
    for name in ("mine", "theirs"):
        engine.ok("network", "create", name)
    serve(engine, "one")
    serve(engine, "two", network="theirs")
    assert found(engine, "one", "two") == set()
    engine.fails("exec", "one", "sh", "-c", f"echo | nc -w 2 {place(engine, 'two', 'theirs')['IPAddress']} 80", code=None)


def test_a_killed_resolver_comes_back_with_the_next_container(engine):
    made = engine.ok("network", "create", "mine").out.strip()
    serve(engine, "one")
    pid = int(pathlib.Path(f"{engine.root}/run/networks/{made}/netd.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    engine.wait_for("its end", lambda: not pathlib.Path(f"/proc/{pid}").exists())
    pathlib.Path(f"{engine.root}/run/networks/{made}/names").unlink()
    serve(engine, "two")
    assert found(engine, "one", "two") == {place(engine, "two")["IPAddress"]}
    assert found(engine, "two", "one") == {place(engine, "one")["IPAddress"]}


def test_a_killed_resolver_comes_back_with_reload(engine):
    made = engine.ok("network", "create", "mine").out.strip()
    serve(engine, "one")
    serve(engine, "two")
    pid = int(pathlib.Path(f"{engine.root}/run/networks/{made}/netd.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    engine.wait_for("its end", lambda: not pathlib.Path(f"/proc/{pid}").exists())
    engine.ok("network", "reload")
    assert found(engine, "one", "two") == {place(engine, "two")["IPAddress"]}


def test_a_damaged_record_hides_nothing_and_can_be_removed(engine):
    made = engine.ok("network", "create", "mine").out.strip()
    engine.ok("network", "create", "other")
    pathlib.Path(f"{engine.root}/networks/{made}/config").write_text("{")
    result = engine.ok("network", "ls")
    assert "other" in result.out and made[:12] in result.err
    engine.ok("network", "rm", made[:12])
    assert engine.ok("network", "ls").err == ""


def test_rm_by_the_beginning_of_an_id(engine):
    """Two that begin alike: neither goes, damaged or not."""
    made = engine.ok("network", "create", "mine").out.strip()
    other = made[:-1] + ("1" if made[-1] == "0" else "0")
    folder = pathlib.Path(f"{engine.root}/networks")
    (folder / other).mkdir()
    (folder / other / "config").write_text((folder / made / "config").read_text().replace('"mine"', '"twin"'))
    for options in ([], ["--force"]):
        engine.fails("network", "rm", *options, made[:12], match="E-ID-AMBIGUOUS")
    assert names(engine) == ["mine", "twin"]
    for id in (made, other):
        (folder / id / "config").write_text("{")
    engine.fails("network", "rm", "--force", made[:12], match="E-ID-AMBIGUOUS")
    assert (folder / made / "config").exists() and (folder / other / "config").exists()
    for id in (made, other):
        engine.ok("network", "rm", id)
    assert engine.ok("network", "ls").err == "" and not (folder / made).exists()


def test_a_damaged_record_hides_no_container(engine):
    made = engine.ok("network", "create", "mine").out.strip()
    engine.ok("create", "--name", "app", "--network", "bridge", "base", "true")
    engine.ok("network", "connect", "mine", "app")
    config = pathlib.Path(f"{engine.root}/networks/{made}/config")
    whole = config.read_text()
    config.write_text("{")
    result = engine.ok("inspect", "app")
    assert result.json()[0]["Name"].strip("/") == "app" and made[:12] in result.err
    assert "mine" not in result.json()[0]["NetworkSettings"]["Networks"]
    engine.fails("start", "app", code=None, match=made[:12])
    config.write_text(whole)
    assert "mine" in engine.inspect("app")["NetworkSettings"]["Networks"]
    engine.ok("start", "app")


def test_leases_of_a_killed_create_are_free(engine):
    """What a kill between the steps leaves: an address of a container that is not there, and a folder without a record."""
    made = engine.ok("network", "create", "--subnet", SUBNET, "mine").out.strip()
    engine.ok("create", "--name", "one", "--network", "mine", "base", "true")
    folder = pathlib.Path(f"{engine.root}/networks/{made}")
    (folder / "addresses/10.77.0.3").write_text("f" * 64)
    (folder / "containers" / ("f" * 64)).write_text("10.77.0.3\n")
    engine.ok("run", "-d", "--name", "two", "--network", "mine", "--ip", "10.77.0.3", "base", "sleep", "1000")
    engine.ok("rm", "-f", "one", "two")
    engine.ok("network", "rm", "mine")
    pathlib.Path(f"{engine.root}/networks/{'e' * 64}/addresses").mkdir(parents=True)
    engine.ok("network", "create", "mine")
    assert sorted(p.name for p in pathlib.Path(f"{engine.root}/networks").iterdir() if len(p.name) == 64) == [engine.ok("network", "ls", "-q", "--no-trunc", "--filter", "name=mine").out.strip()]


# --- several networks

def interfaces(engine, container):
    """Name -> addresses of the container's interfaces, without loopback."""
    found = {}
    for line in engine.ok("exec", container, "ip", "-4", "-o", "address").lines:
        _, name, _, address = line.split()[:4]
        if name != "lo":
            found[name] = address.split("/")[0]
    return found


def test_several_networks_from_the_beginning(engine):
    for name in ("front", "back"):
        engine.ok("network", "create", name)
    serve(engine, "web", network="front")
    serve(engine, "db", network="back")
    engine.ok("run", "-d", "--name", "app", "--network", "front", "--network", "back", "base", "sleep", "1000")
    both = engine.inspect("app")["NetworkSettings"]["Networks"]
    assert interfaces(engine, "app") == {"eth0": both["front"]["IPAddress"], "eth1": both["back"]["IPAddress"]}
    assert ask(engine, "app", "web") == "hellofrom web\n" and ask(engine, "app", "db") == "hellofrom db\n"
    assert found(engine, "db", "app") == {both["back"]["IPAddress"]} and found(engine, "web", "app") == {both["front"]["IPAddress"]}
    assert found(engine, "web", "db") == set()
    engine.fails("network", "rm", "front", match="app")
    engine.ok("restart", "-t", "0", "app")
    assert engine.inspect("app")["NetworkSettings"]["Networks"] == both
    for second in ("bridge", "none", "host", "container:web"):
        engine.fails("create", "--network", "front", "--network", second, "base", "true", match="E-OPTION-CONFLICT")


def test_a_network_named_twice_is_refused(engine):
    made = engine.ok("network", "create", "--subnet", SUBNET, "mine").out.strip()
    engine.ok("network", "create", "other")
    for words in (["mine", "mine"], ["mine", made[:12]], ["other", "mine", "mine"]):
        result = engine.fails("create", *[part for word in words for part in ("--network", word)], "base", "true", match="E-OPTION-CONFLICT")
        assert "network mine is given twice" in result.err
    assert engine.ok("ls", "-aq").out == "" and not list(pathlib.Path(f"{engine.root}/networks/{made}").glob("addresses/*"))


def test_connect_and_disconnect_a_running_container(engine):
    engine.ok("network", "create", "--subnet", SUBNET, "mine")
    serve(engine, "db")
    serve(engine, "app", network="bridge")
    assert found(engine, "app", "db") == set()
    engine.ok("network", "connect", "--ip", "10.77.0.9", "--alias", "front", "mine", "app")
    assert set(interfaces(engine, "app")) == {"eth0", "eth1"} and interfaces(engine, "app")["eth1"] == "10.77.0.9"
    assert ask(engine, "app", "db") == "hellofrom db\n", "the names are there at once"
    assert ask(engine, "db", "front") == "hellofrom app\n"
    assert place(engine, "app")["Aliases"] == ["front"] and place(engine, "app", "bridge")["IPAddress"]
    engine.fails("network", "connect", "mine", "app", match="E-NETWORK-MEMBER")
    engine.ok("restart", "-t", "0", "app")
    assert interfaces(engine, "app")["eth1"] == "10.77.0.9"
    serving = lambda: ":0050 " in engine.ok("exec", "app", "cat", "/proc/net/tcp", "/proc/net/tcp6").out
    engine.wait_for("the server", serving)
    assert ask(engine, "db", "app") == "hellofrom app\n"
    # Out of the first one, and out of the second.
    engine.ok("network", "disconnect", "bridge", "app")
    assert interfaces(engine, "app") == {"eth1": "10.77.0.9"} and list(engine.inspect("app")["NetworkSettings"]["Networks"]) == ["mine"]
    assert "via 10.77.0.1" in engine.ok("exec", "app", "ip", "route").out, "the way out is the other network's"
    engine.fails("network", "disconnect", "mine", "app", match="is the only one")
    engine.ok("network", "create", "other")
    engine.ok("network", "connect", "other", "app")
    assert interfaces(engine, "app")["eth0"] == place(engine, "app", "other")["IPAddress"]
    engine.ok("network", "disconnect", "mine", "app")
    assert found(engine, "db", "app") == set() and found(engine, "app", "db") == set()
    engine.ok("network", "disconnect", "--force", "mine", "app")
    engine.fails("network", "disconnect", "mine", "app", match="E-NETWORK-MEMBER")
    engine.ok("restart", "-t", "0", "app")
    assert list(engine.inspect("app")["NetworkSettings"]["Networks"]) == ["other"]
    engine.ok("create", "--name", "next", "--network", "mine", "--ip", "10.77.0.9", "base", "true")


@pytest.mark.parametrize("trouble", ["names", "resolver"])
def test_a_connect_that_fails_leaves_nothing(engine, trouble):
    """Neither an interface nor a name nor an address; the next container has the address, and the connect works later."""
    made = engine.ok("network", "create", "--subnet", SUBNET, "mine").out.strip()
    engine.ok("run", "-d", "--name", "app", "--network", "bridge", "base", "sleep", "1000")
    hosts = engine.ok("exec", "app", "cat", "/etc/hosts").out
    folder = pathlib.Path(f"{engine.root}/run/networks/{made}")
    folder.mkdir(parents=True, exist_ok=True)
    if trouble == "names":
        with open(folder / "names.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = engine.fails("network", "connect", "mine", "app", match="E-LOCKED")
        assert "network mine" in result.err
    else:
        (folder / "netd.lock").mkdir()
        engine.fails("network", "connect", "mine", "app", match="netd.lock")
        (folder / "netd.lock").rmdir()
    assert list(interfaces(engine, "app")) == ["eth0"] and list(engine.inspect("app")["NetworkSettings"]["Networks"]) == ["bridge"]
    assert engine.ok("exec", "app", "cat", "/etc/hosts").out == hosts
    serve(engine, "db")
    assert place(engine, "db")["IPAddress"] == "10.77.0.2"
    assert found(engine, "db", "app") == set()
    engine.ok("network", "connect", "mine", "app")
    assert interfaces(engine, "app")["eth1"] == "10.77.0.3" and ask(engine, "app", "db") == "hellofrom db\n"


def test_who_waits_in_vain_for_addresses_says_of_which_network(engine):
    made = engine.ok("network", "create", "mine").out.strip()
    engine.ok("create", "--name", "app", "--network", "bridge", "base", "true")
    engine.ok("network", "connect", "mine", "app")
    with open(f"{engine.root}/networks/{made}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = engine.fails("network", "disconnect", "mine", "app", match="E-LOCKED")
    assert f"network {made[:12]}" in result.err
    engine.ok("network", "disconnect", "mine", "app")
    engine.ok("network", "rm", "mine")


def test_connect_a_stopped_container(engine):
    for name in ("mine", "other"):
        engine.ok("network", "create", name)
    engine.ok("create", "--name", "app", "--network", "mine", "base", "sleep", "1000")
    engine.ok("network", "connect", "other", "app")
    assert set(engine.inspect("app")["NetworkSettings"]["Networks"]) == {"mine", "other"}
    engine.ok("start", "app")
    assert set(interfaces(engine, "app")) == {"eth0", "eth1"}
    engine.ok("stop", "-t", "0", "app")
    engine.ok("network", "disconnect", "mine", "app")
    engine.ok("network", "rm", "mine")
    engine.ok("start", "app")
    assert interfaces(engine, "app") == {"eth0": place(engine, "app", "other")["IPAddress"]}


def test_who_cannot_be_connected(engine):
    engine.ok("network", "create", "mine")
    for mode in ("none", "host"):
        engine.ok("create", "--name", mode, "--network", mode, "base", "true")
        engine.fails("network", "connect", "mine", mode, match="E-OPTION-CONFLICT")
        for network in ("mine", mode):
            result = engine.fails("network", "disconnect", network, mode, match="E-OPTION-CONFLICT")
            assert "make it with --network NAME" in result.err
        engine.ok("network", "disconnect", "--force", "mine", mode)
    engine.ok("create", "--name", "one", "--network", "mine", "base", "true")
    engine.fails("network", "connect", "bridge", "one", match="E-NETWORK-BUILT-IN")
    engine.fails("network", "connect", "mime", "one", match="did you mean \"mine\"")
    engine.fails("network", "connect", "mine", "onne", match="E-CONTAINER-NOT-FOUND")
    engine.ok("network", "create", "other")
    engine.fails("network", "connect", "--ip", "x", "other", "one", match="not an IPv4 address")
    result = engine.fails("network", "connect", "--alias", "a/b", "other", "one", match="not a host name")
    assert '--alias "a/b"' in result.err and "--network-alias" not in result.err and "- _ and ." in result.err
    assert list(engine.inspect("one")["NetworkSettings"]["Networks"]) == ["mine"]


def test_published_ports_hold_their_network(engine):
    for name in ("mine", "other"):
        engine.ok("network", "create", name)
    serve(engine, "web", "-p", "80")
    engine.ok("network", "connect", "other", "web")
    engine.fails("network", "disconnect", "mine", "web", match="published ports")
    engine.ok("network", "disconnect", "other", "web")
    engine.ok("network", "connect", "other", "web")
    engine.ok("stop", "-t", "0", "web")
    engine.ok("network", "disconnect", "mine", "web")
    engine.ok("start", "web")
    engine.wait_for("the server", lambda: ":0050 " in engine.ok("exec", "web", "cat", "/proc/net/tcp", "/proc/net/tcp6").out)
    port = int(engine.ok("port", "web", "80").lines[0].split(":")[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"hi")
        sock.shutdown(socket.SHUT_WR)
        assert sock.makefile().read() == "hifrom web\n"


@pytest.fixture
def parent():
    """An interface of the host for macvlan, and the other end of it."""
    link = f"svp{os.getpid()}"
    subprocess.run(["ip", "link", "add", link, "type", "veth", "peer", "name", f"{link}p"], check=True)
    try:
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        subprocess.run(["ip", "link", "set", f"{link}p", "up"], check=True)
        yield link
    finally:
        subprocess.run(["ip", "link", "del", link], check=False)


def has_macvlan():
    made = subprocess.run(["ip", "link", "add", "svprobe", "type", "veth", "peer", "name", "svprobep"], capture_output=True)
    made = made.returncode == 0 and subprocess.run(["ip", "link", "add", "link", "svprobe", "name", "svprobem", "type", "macvlan"], capture_output=True).returncode == 0
    subprocess.run(["ip", "link", "del", "svprobe"], capture_output=True)
    return made


@pytest.mark.skipif(not has_macvlan(), reason="this kernel has no macvlan")
def test_macvlan(engine, parent):
    engine.ok("network", "create", "--driver", "macvlan", "--opt", f"parent={parent}", "--subnet", SUBNET, "lan")
    serve(engine, "one", network="lan")
    serve(engine, "two", network="lan")
    assert ask(engine, "two", place(engine, "one", "lan")["IPAddress"]) == "hellofrom one\n"
    engine.fails("run", "--rm", "--network", "lan", "-p", "80", "base", "true", match="macvlan")
