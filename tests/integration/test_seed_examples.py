# SPDX-License-Identifier: Apache-2.0
"""The example commands of the documents that the product grew from, as they stand there."""
import shlex
import shutil
import urllib.error
import urllib.request

import pytest


@pytest.fixture(scope="module")
def seeds(module_engine, images):
    """An engine whose folder holds alpine.tar.gz and myapp.tar.gz."""
    shutil.copy(images.path("busybox", "docker.tar.gz"), f"{module_engine.dir}/alpine.tar.gz")
    shutil.copy(images.path("debian", "docker.tar.gz"), f"{module_engine.dir}/myapp.tar.gz")
    say(module_engine, "servin image import alpine.tar.gz alpine:latest")
    say(module_engine, "servin image import myapp.tar.gz myapp:latest --dev")
    module_engine.ok("tag", "myapp:latest", "ubuntu:latest")
    return module_engine


def say(engine, line, **options):
    """Typed at a shell."""
    function = f'servin() {{ {engine.program} --root {engine.root} "$@"; }}'
    return engine.ok(argv=["sh", "-c", f"{function}; {line}"], **options)


def test_image_ls(seeds):
    for line in ("servin image ls", "servin image ls --dev"):
        names = [row.split()[0] for row in say(seeds, line).lines]
        assert {"alpine", "myapp", "ubuntu"} <= set(names)


def test_image_rm(seeds):
    seeds.ok("tag", "alpine", "myapp:dev")
    assert "Untagged: " in say(seeds, "servin image rm myapp:dev").out


def test_run_a_shell(seeds):
    assert say(seeds, "servin run --dev alpine:latest /bin/sh", input="").out == ""
    seeds.ok("tag", "myapp:latest", "myapp:dev")
    say(seeds, "servin run --dev --name test-container myapp:dev /bin/bash", input="")
    assert seeds.inspect("test-container")["State"]["ExitCode"] == 0


def test_run_echo(seeds):
    assert say(seeds, 'servin run --dev ubuntu:latest echo "Hello macOS"').out == "Hello macOS\n"
    assert say(seeds, 'servin run alpine echo "Hello from container"').out == "Hello from container\n"
    assert say(seeds, 'servin run alpine echo "Hello World"').out == "Hello World\n"


def test_run_with_everything(seeds):
    line = r'servin run --name mycontainer --memory 512m --env KEY=value --workdir /app alpine /bin/sh -c "echo \$KEY"'
    assert say(seeds, line).out == "value\n"
    config = seeds.inspect("mycontainer")
    assert config["HostConfig"]["Memory"] == 512 << 20
    assert config["Config"]["WorkingDir"] == "/app"


def test_ls_and_rm_all(seeds):
    say(seeds, "servin ls")
    assert "mycontainer" in seeds.ok("ls", "-a").out
    assert "mycontainer" in say(seeds, "servin rm --all").lines
    assert seeds.ok("ls", "-aq").out == ""


def test_options_behind_the_image(seeds):
    seeds.ok("tag", "alpine", "postgres")
    seeds.ok("create", "--name", "db", "postgres", "-e", "POSTGRES_PASSWORD=secret")
    assert "POSTGRES_PASSWORD=secret" in seeds.inspect("db")["Config"]["Env"]
    seeds.ok("create", "--name", "webserver", "alpine", "httpd", "-f", "-p", "80")
    config = seeds.inspect("webserver")
    assert [config["Path"], *config["Args"]] == ["httpd", "-f", "-p", "80"]
    seeds.ok("rm", "db", "webserver")


def test_published_ports(seeds):
    server = seeds.popen(*shlex.split("run --name webserver --publish 8080:80 alpine httpd -f -p 80"))
    seeds.wait_for("the web server", lambda: "0.0.0.0:8080" in seeds.run("port", "webserver").out)
    seeds.wait_for("its port", lambda: ":0050 " in seeds.run("exec", "webserver", "cat", "/proc/net/tcp", "/proc/net/tcp6").out)
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen("http://127.0.0.1:8080/nothing", timeout=10)
    assert answer.value.code == 404
    seeds.ok("rm", "-f", "webserver")
    assert server.wait(30) != 0
    seeds.ok(*shlex.split("create --name front alpine -p 80:80"))
    assert seeds.inspect("front")["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}
    seeds.ok("rm", "front")


@pytest.mark.parametrize("verb", ["enable", "start", "status", "stop", "config"])
def test_machines_are_an_honest_error(seeds, verb):
    result = seeds.fails("vm", verb, code=125, match="not built yet")
    assert result.out == ""
