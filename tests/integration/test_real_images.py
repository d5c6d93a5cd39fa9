# SPDX-License-Identifier: Apache-2.0
"""Images that people run, made by other tools: they load from every form, and their programs do their work."""
import contextlib
import os
import signal
import subprocess

import pytest

from support.images import FORMS



def forms(one):
    """One form each in every run, all of them in the deep lane."""
    return FORMS if os.environ.get("SERVIN_DEEP") == "1" else (one,)


@pytest.fixture
def host_network():
    """The command line that enters a network namespace which plays the host's, with a loopback of its own: port 80 is free there."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep 100000"], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"ready\n"
    yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    holder.kill()
    holder.wait()
    holder.stdout.close()


def take(engine, images, name, form):
    if form == "rootfs.tar":
        # A root file system has no configuration: what the image would have said is said by the changes.
        engine.ok("import", *CHANGES[name], images.path(name, form), f"{name}:latest", timeout=300)
    else:
        engine.ok("load", "-i", images.path(name, form), timeout=300)


CHANGES = {
    "debian": ["--change", 'CMD ["bash"]'],
    "nginx": ["--change", 'ENTRYPOINT ["nginx"]', "--change", 'CMD ["-g", "daemon off;"]', "--change", "STOPSIGNAL SIGQUIT"],
    "postgres": ["--change", 'ENTRYPOINT ["/usr/local/bin/entrypoint"]', "--change", "VOLUME /var/lib/postgresql/data"],
}


@pytest.mark.deadline(600)
@pytest.mark.parametrize("form", forms("oci.tar.zst"))
def test_debian(engine, images, form):
    take(engine, images, "debian", form)
    result = engine.ok("run", "--rm", "debian", "bash", "-c", "set -o pipefail; . /etc/os-release; echo $ID ${BASH_VERSINFO[0]}; dpkg-query -W bash | cut -f1; id -un")
    assert result.lines == ["debian 5", "bash", "root"]
    assert engine.run("run", "--rm", "debian", "bash", "-c", "exit 42").code == 42


@pytest.mark.deadline(600)
@pytest.mark.parametrize("form", forms("docker.tar.gz"))
def test_nginx_in_the_foreground(engine, images, host_network, form):
    take(engine, images, "nginx", form)
    web = engine.popen(argv=[*host_network, *engine.argv("run", "--rm", "--network", "host", "--name", "web", "nginx")])
    fetch = [*host_network, *engine.argv("run", "--rm", "--network", "host", "base", "wget", "-q", "-O", "-", "http://127.0.0.1/")]
    page = engine.wait_for("the page", lambda: (lambda answer: answer.out if answer.code == 0 else None)(engine.run(argv=fetch)))
    assert "Welcome to nginx" in page
    web.send_signal(signal.SIGTERM)
    out, _ = web.communicate(timeout=60)
    assert web.returncode == 0
    assert '"GET / HTTP/1.1" 200' in out.decode(), "the log of the image goes to /dev/stdout"


@contextlib.contextmanager
def database(engine, host_network):
    engine.ok(argv=[*host_network, *engine.argv("run", "-d", "--name", "db", "--network", "host", "-v", "data:/var/lib/postgresql/data",
                                                "-e", "POSTGRES_PASSWORD=secret", "postgres")])

    def query(text, password="secret"):
        return engine.run(argv=[*host_network, "psql", "-h", "127.0.0.1", "-U", "postgres", "-w", "-At", "-c", text], env={"PGPASSWORD": password})

    engine.wait_for("a login", lambda: query("SELECT 1").code == 0, timeout=120)
    yield query


@pytest.mark.deadline(600)
@pytest.mark.parametrize("form", forms("oci.tar"))
def test_postgres(engine, images, host_network, form):
    take(engine, images, "postgres", form)
    with database(engine, host_network) as query:
        assert "password authentication failed" in query("SELECT 1", password="wrong").err
        assert query("CREATE TABLE t(n int); INSERT INTO t SELECT generate_series(1, 1000)").code == 0
        assert query("SELECT sum(n) FROM t").out == "500500\n"
    engine.ok("rm", "--force", "db")
    # What it had written is in the volume, also after a SIGKILL.
    with database(engine, host_network) as query:
        assert query("SELECT sum(n) FROM t").out == "500500\n"
    engine.ok("stop", "-t", "60", "db", timeout=120)
    assert engine.inspect("db")["State"]["ExitCode"] == 0
