# SPDX-License-Identifier: Apache-2.0
"""Health checks: of the image and of the command line, what they say, where it is seen."""
import json
import pathlib
import subprocess
import tarfile

import pytest

SLEEP = ("sleep", "100000")
FAST = ("--health-interval", "50ms", "--health-timeout", "10s")


def health(engine, name):
    return engine.inspect(name)["State"]["Health"]


def run(engine, check, *options, name="one", command=("base", *SLEEP)):
    engine.ok("run", "-d", "--name", name, "--health-cmd", check, *FAST, *options, *command)


def test_healthy(engine):
    run(engine, "echo fine; test -e /tmp")
    assert engine.ok("wait", "--condition", "healthy", "one").out == "0\n"
    found = health(engine, "one")
    assert found["Status"] == "healthy" and found["FailingStreak"] == 0
    assert found["Log"][-1]["ExitCode"] == 0 and found["Log"][-1]["Output"] == "fine\n"
    assert found["Log"][-1]["Start"] <= found["Log"][-1]["End"]
    assert engine.ok("ps", "--format", "{{.Status}}").out.strip().endswith("(healthy)")
    assert engine.ok("ps", "-q", "--filter", "health=healthy").lines and not engine.ok("ps", "-q", "--filter", "health=unhealthy").lines
    events = engine.ok("events", "--since", "5m", "--until", "0s", "--filter", "event=health_status").lines
    assert len(events) == 1 and "health_status: healthy" in events[0]


def test_the_status_follows(engine):
    run(engine, "test -e /well", "--health-retries", "2")
    assert health(engine, "one")["Status"] in ("starting", "unhealthy")
    engine.ok("wait", "--condition", "unhealthy", "one")
    assert health(engine, "one")["FailingStreak"] >= 2
    assert "(unhealthy)" in engine.ok("ps").out
    engine.ok("exec", "one", "touch", "/well")
    engine.ok("wait", "--condition", "healthy", "one")
    engine.ok("exec", "one", "rm", "/well")
    engine.ok("wait", "--condition", "unhealthy", "one")
    actions = [json.loads(line)["Action"] for line in engine.ok("events", "--since", "5m", "--until", "0s", "--format", "json", "--filter", "event=health_status").lines]
    assert actions == ["health_status: unhealthy", "health_status: healthy", "health_status: unhealthy"]


def test_starting(engine):
    engine.ok("run", "-d", "--name", "one", "--health-cmd", "false", "--health-interval", "1h", "base", *SLEEP)
    assert health(engine, "one") == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert "(health: starting)" in engine.ok("ps").out


def test_the_last_five_are_kept(engine):
    run(engine, "n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) >/n; echo $n; exit 1", "--health-retries", "1000")
    engine.wait_for("seven checks", lambda: (log := health(engine, "one")["Log"]) and int(log[-1]["Output"]) >= 7)
    log = health(engine, "one")["Log"]
    numbers = [int(entry["Output"]) for entry in log]
    assert len(log) == 5 and numbers == list(range(numbers[0], numbers[0] + 5))


def test_a_check_that_hangs_is_ended(engine):
    engine.ok("run", "-d", "--name", "one", "--health-cmd", "sleep 777 & sleep 777", "--health-interval", "50ms", "--health-timeout", "300ms",
              "--health-retries", "1", "base", *SLEEP)
    engine.ok("wait", "--condition", "unhealthy", "one")
    entry = health(engine, "one")["Log"][0]
    assert entry["ExitCode"] == -1 and "exceeded timeout (300ms)" in entry["Output"]
    engine.wait_for("four checks", lambda: len(health(engine, "one")["Log"]) >= 4)
    # Those of the check that runs now at most: what a check started goes with it.
    assert engine.ok("top", "one", "-o", "args").out.count("sleep 777") <= 4


def test_a_check_that_cannot_run_is_a_failure(engine):
    run(engine, "x", "--health-retries", "1", "--entrypoint", "")
    engine.ok("wait", "--condition", "unhealthy", "one")
    assert health(engine, "one")["Log"][0]["ExitCode"] == 127


def test_much_output_is_cut(engine):
    run(engine, "head -c 100000 /dev/zero | tr '\\0' x")
    engine.ok("wait", "--condition", "healthy", "one")
    assert len(health(engine, "one")["Log"][0]["Output"]) == 4096


def test_output_without_an_end(engine):
    """The clock is looked at although there is always something to read, also when only what the check left writes on."""
    options = ("--health-interval", "50ms", "--health-timeout", "500ms", "--health-retries", "1", "base", *SLEEP)
    engine.ok("run", "-d", "--name", "one", "--health-cmd", "cat /dev/zero", *options)
    engine.ok("wait", "--condition", "unhealthy", "one")
    entry = health(engine, "one")["Log"][0]
    assert entry["ExitCode"] == -1 and "exceeded timeout (500ms)" in entry["Output"]
    engine.ok("rm", "-f", "one")
    engine.ok("run", "-d", "--name", "two", "--health-cmd", "yes & exit 0", *options)
    engine.ok("wait", "--condition", "healthy", "two")
    assert set(health(engine, "two")["Log"][0]["Output"].split()) <= {"y"}


def test_failures_in_the_start_period_do_not_count(engine):
    run(engine, "false", "--health-retries", "1", "--health-start-period", "1h", "--health-start-interval", "20ms")
    engine.wait_for("five failures", lambda: len(health(engine, "one")["Log"]) == 5)
    assert health(engine, "one")["Status"] == "starting" and health(engine, "one")["FailingStreak"] == 0


def test_the_start_interval_is_used_until_it_is_healthy(engine):
    engine.ok("run", "-d", "--name", "one", "--health-cmd", "true", "--health-interval", "1h", "--health-start-period", "1h", "--health-start-interval", "20ms",
              "base", *SLEEP)
    engine.ok("wait", "--condition", "healthy", "one")
    assert len(health(engine, "one")["Log"]) == 1


def test_waiting_ends_with_the_container(engine):
    run(engine, "false", command=("base", "sh", "-c", "until [ -e /end ]; do usleep 10000; done"))
    waiting = engine.popen("wait", "--condition", "healthy", "one", stderr=subprocess.PIPE, text=True)
    engine.wait_for("a check", lambda: health(engine, "one")["Log"])
    assert waiting.poll() is None
    engine.ok("exec", "one", "touch", "/end")
    assert "E-NOT-RUNNING" in waiting.communicate(timeout=60)[1] and waiting.returncode == 125
    engine.ok("run", "-d", "--name", "two", "base", *SLEEP)
    engine.fails("wait", "--condition", "healthy", "two", match="E-NO-HEALTHCHECK")
    engine.fails("wait", "--condition", "helthy", "two", match="healthy")
    engine.ok("wait", "--condition", "running", "two")
    engine.ok("wait", "--condition", "exited", "one")


def test_a_paused_container_is_not_checked(engine):
    run(engine, "echo x >>/count")
    engine.ok("wait", "--condition", "healthy", "one")
    engine.ok("pause", "one")
    before = health(engine, "one")["Log"][-1]["End"]
    watcher = engine.popen("wait", "--condition", "unhealthy", "one")
    with pytest.raises(subprocess.TimeoutExpired):
        watcher.wait(1)
    assert health(engine, "one")["Status"] == "healthy" and health(engine, "one")["Log"][-1]["End"] == before
    engine.ok("unpause", "one")
    engine.wait_for("checks go on", lambda: health(engine, "one")["Log"][-1]["End"] > before)


def test_a_start_forgets_the_run_before(engine):
    run(engine, "test -e /dev/shm/well", "--health-retries", "1", "--restart", "always")
    engine.ok("exec", "one", "touch", "/dev/shm/well")
    engine.ok("wait", "--condition", "healthy", "one")
    engine.ok("restart", "-t", "0", "one")
    engine.ok("wait", "--condition", "unhealthy", "one")


def test_checks_leave_no_trace_in_events(engine):
    run(engine, "true")
    engine.ok("wait", "--condition", "healthy", "one")
    assert "exec_" not in engine.ok("events", "--since", "5m", "--until", "0s").out


def image_with_health(engine, **health_check):
    """The base image with a HEALTHCHECK, as docker save writes it."""
    import hashlib
    source = pathlib.Path(engine.dir, "base.tar")
    engine.ok("save", "-o", source, "base")
    folder = pathlib.Path(engine.dir, "image")
    with tarfile.open(source) as tar:
        tar.extractall(folder, filter="fully_trusted") if hasattr(tarfile, "data_filter") else tar.extractall(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    config = json.loads((folder / manifest[0]["Config"]).read_text())
    config["config"]["Healthcheck"] = health_check
    text = json.dumps(config)
    name = f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    (folder / name).write_text(text)
    manifest[0]["Config"] = name
    manifest[0]["RepoTags"] = ["checked:latest"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    target = pathlib.Path(engine.dir, "checked.tar")
    with tarfile.open(target, "w") as tar:
        for member in ["manifest.json", name, *manifest[0]["Layers"]]:
            tar.add(folder / member, arcname=member)
    engine.ok("load", "-i", target)


def test_the_images_health_check(engine):
    image_with_health(engine, Test=["CMD", "/bin/sh", "-c", "echo from the image"], Interval=50_000_000)
    assert engine.ok("image", "inspect", "checked").json()[0]["Config"]["Healthcheck"]["Interval"] == 50_000_000
    engine.ok("run", "-d", "--name", "one", "checked", *SLEEP)
    engine.ok("wait", "--condition", "healthy", "one")
    assert health(engine, "one")["Log"][0]["Output"] == "from the image\n"
    assert engine.inspect("one")["Config"]["Healthcheck"]["Retries"] == 3
    engine.ok("run", "-d", "--name", "two", "--no-healthcheck", "checked", *SLEEP)
    assert "Health" not in engine.inspect("two")["State"] and engine.inspect("two")["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    engine.ok("run", "-d", "--name", "three", "--health-cmd", "echo mine", "checked", *SLEEP)
    engine.ok("wait", "--condition", "healthy", "three")
    assert health(engine, "three")["Log"][0]["Output"] == "mine\n"


@pytest.mark.parametrize("words", [("--health-interval", "soon"), ("--health-interval", "1us"), ("--health-retries", "-1"),
                                   ("--no-healthcheck", "--health-cmd", "true")])
def test_wrong_options(engine, words):
    engine.fails("run", *words, "base", "true", match="--health")
