# SPDX-License-Identifier: Apache-2.0
"""events: what is written down about containers, how it is read back and followed."""
import concurrent.futures
import json
import os
import re
import select
import signal

SLEEP = ("sleep", "100000")


def events(engine, *args):
    """Everything so far, as docker's JSON."""
    return [json.loads(line) for line in engine.ok("events", "--until", "0s", "--format", "json", *args).lines]


def actions(engine, *args):
    return [e["Action"] for e in events(engine, *args)]


def test_a_life_in_order(engine):
    engine.ok("run", "-d", "--name", "web", "--label", "tier=front", "base", *SLEEP)
    for verb in ("pause", "unpause"):
        engine.ok(verb, "web")
    engine.ok("exec", "web", "true")
    engine.fails("exec", "web", "sh", "-c", "exit 3", code=3)
    engine.ok("rename", "web", "www")
    engine.ok("restart", "-t", "0", "www")
    engine.ok("kill", "www")
    engine.ok("wait", "www")
    engine.ok("start", "www")
    engine.ok("rm", "-f", "www")
    assert actions(engine, "--filter", "type=container") == [
        "create", "start", "pause", "unpause", "exec_create: true", "exec_start: true", "exec_die",
        "exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die", "rename", "kill", "kill", "die", "stop",
        "start", "restart", "kill", "die", "start", "kill", "die", "destroy"]
    found = events(engine)
    assert [e["timeNano"] for e in found] == sorted(e["timeNano"] for e in found)
    rename = next(e for e in found if e["Action"] == "rename")
    assert rename["Actor"]["Attributes"] == {"image": "base", "name": "www", "oldName": "/web", "tier": "front"}
    dies = [e["Actor"]["Attributes"] for e in found if e["Action"] == "die"]
    assert [d["exitCode"] for d in dies] == ["137"] * 3 and dies[-1]["name"] == "www"
    assert [e["Actor"]["Attributes"]["exitCode"] for e in found if e["Action"] == "exec_die"] == ["0", "3"]


def test_temporary_failed_and_created_ones(engine):
    engine.fails("run", "--rm", "base", "sh", "-c", "exit 5", code=5)
    engine.wait_for("destroy", lambda: "destroy" in actions(engine))
    assert actions(engine) == ["create", "attach", "start", "die", "destroy"]
    assert events(engine)[3]["Actor"]["Attributes"]["exitCode"] == "5"
    engine.fails("run", "--rm", "--name", "broken", "base", "no-such-program", code=127)
    assert actions(engine, "--filter", "container=broken") == ["create", "die", "destroy"]
    engine.ok("create", "--name", "later", "base", "true")
    engine.ok("start", "-a", "later")
    assert actions(engine, "--filter", "container=later") == ["create", "attach", "start", "die"]


def test_shapes(engine):
    engine.ok("create", "--name", "web", "base", "true")
    found = engine.inspect("web")
    event = events(engine)[0]
    assert event == {"status": "create", "id": found["Id"], "from": "base", "Type": "container", "Action": "create",
                     "Actor": {"ID": found["Id"], "Attributes": {"image": "base", "name": "web"}}, "scope": "local",
                     "time": event["timeNano"] // 10**9, "timeNano": event["timeNano"]}
    line = engine.ok("events", "--until", "0s", env={"TZ": "UTC"}).out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z container create [0-9a-f]{64} \(image=base, name=web\)\n", line)
    assert "+05:30 container" in engine.ok("events", "--until", "0s", env={"TZ": "Asia/Kolkata"}).out
    template = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Time}} {{.From}}"
    assert engine.ok("system", "events", "--until", "0s", "--format", template).out == f"container create web {event['time']} base\n"
    engine.fails("events", "--format", "{{.Nonsense}}", match="Nonsense")
    engine.fails("events", "--filter", "contaner=web", "--until", "0s", match="container")
    engine.fails("events", "--since", "yesterday", match="--since")


def test_filters_and_times(engine):
    engine.ok("create", "--name", "one", "--label", "kind=a", "base", "true")
    middle = events(engine)[0]["timeNano"] + 1
    engine.ok("create", "--name", "two", "base", "true")
    engine.ok("rm", "one")
    stamp = f"{middle // 10**9}.{middle % 10**9:09}"

    def names(*args):
        return [(e["Action"], e["Actor"]["Attributes"]["name"]) for e in events(engine, *args)]

    assert names("--since", stamp) == [("create", "two"), ("destroy", "one")]
    assert engine.ok("events", "--until", stamp, "--format", "{{.Actor.Attributes.name}}").out == "one\n"
    assert names("--filter", "event=create", "--filter", "event=destroy", "--filter", "container=one") == [("create", "one"), ("destroy", "one")]
    assert names("--filter", "label=kind=a", "--filter", "event=destroy") == [("destroy", "one")]
    assert names("--filter", "image=base:latest", "--filter", "event=create") == [("create", "one"), ("create", "two")]
    identity = engine.inspect("two")["Id"]
    assert names("--filter", f"container={identity[:10]}") == [("create", "two")]
    assert names("--filter", "type=volume") == [] and len(names("--filter", "scope=local")) == 3


def test_following(engine):
    engine.ok("create", "--name", "before", "base", "true")
    follower = engine.popen("events", "--format", "{{.Action}} {{.Actor.Attributes.name}}", "--filter", "event=create", "--filter", "event=destroy")
    # It may not listen yet: news until it does.
    for number in range(1000):
        engine.ok("create", "--name", f"news{number}", "base", "true")
        if select.select([follower.stdout], [], [], 0.2)[0]:
            break
    first = follower.stdout.readline()
    assert re.fullmatch(rb"create news\d+\n", first)
    engine.ok("rm", "before")
    lines = []
    while not lines or lines[-1] != b"destroy before\n":
        lines.append(follower.stdout.readline())
        assert lines[-1]
    follower.send_signal(signal.SIGINT)
    assert follower.wait(30) != 0


def test_until_in_the_future_ends_by_itself(engine):
    engine.ok("create", "--name", "web", "base", "true")
    result = engine.ok("events", "--since", "1h", "--until", str(events(engine)[0]["time"] + 2), "--format", "{{.Action}}")
    assert result.out == "create\n"


def test_ten_thousand_are_read_back(engine):
    engine.ok("create", "--name", "web", "base", "true")
    line = open(f"{engine.root}/run/events", "rb").read()
    with open(f"{engine.root}/run/events", "ab") as journal:
        for number in range(10000):
            journal.write(line.replace(b'"name":"web"', b'"name":"web%d"' % number))
    assert len(engine.ok("events", "--until", "0s", "--format", "{{.Actor.Attributes.name}}").lines) == 10001
    found = events(engine, "--filter", "container=web9999")
    assert len(found) == 1


def test_writers_at_once(engine):
    def life(number):
        engine.ok("run", "--rm", "--name", f"life{number}", "base", "true")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(life, range(24)))
    engine.wait_for("the last destroy", lambda: actions(engine).count("destroy") == 24)
    for number in range(24):
        assert actions(engine, "--filter", f"container=life{number}") == ["create", "attach", "start", "die", "destroy"]


def test_a_damaged_journal_and_a_set_clock(engine):
    engine.ok("create", "--name", "web", "base", "true")
    journal = f"{engine.root}/run/events"
    whole = open(journal, "rb").read()
    later = re.sub(rb'"time":\d+', b'"time":4000000000000000000', whole)
    with open(journal, "ab") as out:
        out.write(b"\x00garbage\n" + whole[:40] + whole + later + whole)
    assert actions(engine) == ["create"] * 3  # the one of the future is behind --until
    assert len(events(engine, "--filter", "container=web")) == 3


def test_the_end_of_a_lost_supervisor_is_told_once(engine):
    engine.ok("run", "-d", "--name", "web", "base", *SLEEP)
    pid = int(open(f"/proc/{engine.inspect('web')['State']['Pid']}/status").read().split("PPid:")[1].split()[0])
    os.kill(pid, signal.SIGKILL)
    engine.wait_for("the end", lambda: engine.inspect("web")["State"]["Status"] == "exited")
    # By the first look that nobody else is in the way of: what makes the record durable may still be at it.
    engine.wait_for("the news", lambda: engine.ok("ps", "-a") and actions(engine) == ["create", "start", "die"])
    engine.ok("ps", "-a")
    assert actions(engine) == ["create", "start", "die"]
    assert events(engine)[-1]["Actor"]["Attributes"]["exitCode"] == "255"


def told(engine, kind):
    return [(e["Action"], e["Actor"]["ID"], e["Actor"]["Attributes"]) for e in events(engine, "--filter", f"type={kind}")]


def test_images(engine):
    engine.load("busybox", "oci.tar")
    identity = engine.ok("image", "inspect", "busybox").json()[0]["Id"]
    engine.ok("tag", "busybox", "other:1")
    engine.ok("save", "-o", f"{engine.dir}/saved.tar", "other:1")
    engine.ok("rmi", "other:1")
    engine.ok("rmi", "busybox")
    name = {"name": "busybox:latest"}
    other = {"name": "other:1"}
    assert told(engine, "image") == [("load", identity, name), ("tag", identity, other), ("save", identity, other), ("untag", identity, other),
                                     ("untag", identity, name), ("delete", identity, {"name": identity})]
    assert actions(engine, "--filter", "image=other:1") == ["tag", "save", "untag"]
    assert actions(engine, "--filter", f"image={identity}", "--filter", "event=delete") == ["delete"]
    assert {e["id"] for e in events(engine)} == {identity}


def test_images_that_are_imported_and_pruned(engine, images):
    engine.ok("import", images.path("busybox", "rootfs.tar"), "raw:1")
    identity = engine.ok("image", "inspect", "raw:1").json()[0]["Id"]
    engine.ok("image", "prune", "--all", "--dry-run")
    engine.ok("image", "prune", "--all", "--force")
    *rest, prune = told(engine, "image")
    assert rest == [("import", identity, {"name": "raw:1"}), ("untag", identity, {"name": "raw:1"}), ("delete", identity, {"name": identity})]
    assert prune[:2] == ("prune", "") and int(prune[2]["reclaimed"]) > 100_000


def test_volumes(engine):
    engine.ok("volume", "create", "one")
    engine.ok("volume", "create", "one")  # nothing new
    engine.ok("create", "--name", "web", "-v", "two:/x", "-v", "/anonymous", "base", "true")
    anonymous = next(m["Name"] for m in engine.inspect("web")["Mounts"] if m["Destination"] == "/anonymous")
    engine.ok("volume", "rm", "one")
    engine.ok("rm", "-v", "web")
    engine.ok("volume", "prune", "--all", "--force")
    local = {"driver": "local"}
    assert told(engine, "volume") == [("create", "one", local), ("create", "two", local), ("create", anonymous, local), ("destroy", "one", local),
                                      ("destroy", anonymous, local), ("destroy", "two", local), ("prune", "", {"reclaimed": "0"})]
    assert actions(engine, "--filter", "volume=one") == ["create", "destroy"]
    engine.ok("container", "prune", "--force")
    assert actions(engine, "--filter", "type=container")[-1] == "prune"


def test_the_end_has_the_present_name(engine):
    engine.ok("run", "-d", "--name", "before", "--label", "kind=a", "base", *SLEEP)
    engine.ok("rename", "before", "after")
    engine.ok("kill", "after")
    engine.ok("wait", "after")
    die = events(engine, "--filter", "event=die")[0]["Actor"]["Attributes"]
    assert die["name"] == "after" and die["kind"] == "a" and die["exitCode"] == "137"
    engine.ok("start", "after")
    engine.ok("rename", "after", "last")
    engine.ok("rm", "-f", "last")
    assert [e["Actor"]["Attributes"]["name"] for e in events(engine, "--filter", "event=die")] == ["after", "last"]


def test_events_look_for_a_lost_supervisor_themselves(engine):
    engine.ok("run", "-d", "--name", "web", "base", *SLEEP)
    process = engine.inspect("web")["State"]["Pid"]
    end = os.pidfd_open(process)
    pid = int(open(f"/proc/{process}/status").read().split("PPid:")[1].split()[0])
    os.kill(pid, signal.SIGKILL)
    assert select.select([end], [], [], 30)[0]
    os.close(end)
    # Not by the first look while what makes the record durable is still at it; nothing but events looks here.
    engine.wait_for("the news", lambda: actions(engine) == ["create", "start", "die"])


def test_out_of_memory(engine):
    result = engine.run("run", "--name", "eater", "--memory", "24m", "--memory-swap", "24m", "base", "sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done")
    assert result.code == 137 and "container eater ran out of memory" in result.err
    assert engine.inspect("eater")["State"]["OOMKilled"] is True
    assert actions(engine, "--filter", "container=eater") == ["create", "attach", "start", "oom", "die"]
    quiet = engine.run("run", "--name", "killed", "base", "sh", "-c", "kill -9 $$")
    assert "memory" not in quiet.err and "oom" not in actions(engine, "--filter", "container=killed")
