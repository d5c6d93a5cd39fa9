# SPDX-License-Identifier: Apache-2.0
"""What plays other machines in the tests: network namespaces beside the host's."""
import contextlib
import ctypes
import os
import socket
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET6, kind) as sock:
        sock.bind(("::", 0))
        return sock.getsockname()[1]


def inside(namespace, function):
    """Runs it in another network namespace, in a thread: that is what a namespace belongs to."""
    box = []

    def work():
        try:
            fd = os.open(namespace if "/" in namespace else f"/run/netns/{namespace}", os.O_RDONLY)
            assert LIBC.setns(fd, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            os.close(fd)
            box.append(function())
        except BaseException as error:
            box.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(box[0], BaseException):
        raise box[0]
    return box[0]


@contextlib.contextmanager
def other_machine(host=None):
    """Another machine on the host's net: 198.51.100.2 and 2001:db8:51::2, the host is 198.51.100.1 and 2001:db8:51::1. `host`: the
    network namespace that plays the host; the one of the tests otherwise."""
    name, link = f"svtest{os.getpid()}", f"svt{os.getpid()}"
    run = lambda *words: subprocess.run(words, check=True)
    here = ["ip", "-n", host] if host else ["ip"]
    run("ip", "netns", "add", name)
    try:
        run(*here, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        for ip, device, last in ((here, link, 1), (["ip", "-n", name], "eth0", 2)):
            run(*ip, "address", "add", f"198.51.100.{last}/24", "dev", device)
            run(*ip, "address", "add", f"2001:db8:51::{last}/64", "dev", device, "nodad")
            run(*ip, "link", "set", device, "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        subprocess.run([*here, "link", "del", link], check=False)
        subprocess.run(["ip", "netns", "del", name], check=False)


class OwnHost:
    """A host of the test's own, whose firewall may be anything: a network namespace in which the engine works, and another machine
    beside it. `pid`: the namespace of that process."""

    def __init__(self, engine, pid=None):
        self._engine = engine
        self.name = f"svhost{os.getpid()}"
        self.way = ["nsenter", f"--net=/run/netns/{self.name}"]
        subprocess.run(["ip", "netns", "attach", self.name, str(pid)] if pid else ["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        self._machine = other_machine(self.name)
        self.machine = self._machine.__enter__()
        engine.prefix = self.way

    def run(self, *words, **options):
        return subprocess.run([*self.way, *map(str, words)], check=True, capture_output=True, text=True, **options).stdout

    def here(self, function):
        return inside(self.name, function)

    def there(self, function):
        return inside(self.machine, function)

    def links_of_engine(self):
        return [line for line in self.run("ip", "-o", "link").splitlines() if f"servin {self._engine.tag} " in line]

    def close(self):
        """The engine's containers go first: later nothing of them is found."""
        try:
            self._engine.ok("rm", "--force", "--all")
            self._engine.wait_for("nothing left", lambda: not self._engine.leftovers() and not self.links_of_engine())
        finally:
            self._engine.prefix = []
            self._machine.__exit__(None, None, None)
            subprocess.run(["ip", "netns", "del", self.name], check=False)
