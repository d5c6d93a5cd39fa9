# SPDX-License-Identifier: Apache-2.0
"""Real servers in networks: a web server that is published, a database that only its application sees."""
import re
import urllib.request

import pytest

from support.hosts import free_port, inside

SECRET = ("-e", "POSTGRES_PASSWORD=secret")


def get(address, port):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{address}:{port}/", timeout=20) as answer:
        return answer.read().decode()


def answers(function):
    try:
        return function()
    except OSError:
        return None


@pytest.mark.deadline(600)
def test_nginx_published(engine, images, machine):
    engine.ok("load", "-i", images.path("nginx", "docker.tar"), timeout=300)
    port = free_port()
    engine.ok("run", "-d", "--name", "web", "-p", f"{port}:80", "nginx")
    engine.wait_for("the page", lambda: answers(lambda: get("127.0.0.1", port)), timeout=60)
    for place in ("127.0.0.1", "[::1]"):
        assert "Welcome to nginx" in get(place, port)
    assert "Welcome to nginx" in inside(machine, lambda: get("198.51.100.1", port)), "another machine"
    # nginx writes its log after the answer.
    engine.wait_for("the other machine's address", lambda: re.search(r"^198\.51\.100\.2 .*200", engine.ok("logs", "web").out, re.M))


@pytest.mark.deadline(900)
def test_a_database_for_its_application_only(engine, images):
    """By name, in a network without a way out; what was written survives SIGKILL of everything and the container's removal."""
    engine.ok("load", "-i", images.path("postgres", "oci.tar"), timeout=300)
    engine.ok("network", "create", "--internal", "private")

    def start():
        engine.ok("run", "-d", "--name", "db", "--network", "private", "-v", "data:/var/lib/postgresql/data", *SECRET, "postgres")
        engine.wait_for("a login", lambda: query("SELECT 1").code == 0, timeout=120)

    def query(text, network="private"):
        return engine.run("run", "--rm", "--network", network, "-e", "PGPASSWORD=secret", "-e", "PGCONNECT_TIMEOUT=5", "--entrypoint", "psql",
                          "postgres", "-h", "db", "-U", "postgres", "-w", "-At", "-c", text)

    start()
    assert query("CREATE TABLE t(n int); INSERT INTO t SELECT generate_series(1, 1000)").code == 0
    assert "could not translate host name" in query("SELECT 1", network="bridge").err, "nobody else knows it"
    address = engine.inspect("db")["NetworkSettings"]["Networks"]["private"]["IPAddress"]
    assert engine.run("run", "--rm", "base", "nc", "-w", "2", address, "5432").code != 0, "or reaches it"
    engine.kill_processes()
    engine.wait_for("the end", lambda: engine.inspect("db")["State"]["Status"] == "exited")
    engine.ok("start", "db")
    engine.wait_for("a login", lambda: query("SELECT 1").code == 0, timeout=120)
    assert query("SELECT sum(n) FROM t").out == "500500\n"
    engine.ok("rm", "--force", "db")
    start()
    assert query("SELECT sum(n) FROM t").out == "500500\n"
