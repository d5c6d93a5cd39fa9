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
def other_machine():
    """Another machine on the host's net: 198.51.100.2, the host is 198.51.100.1."""
    name, link = f"svtest{os.getpid()}", f"svt{os.getpid()}"
    run = lambda *words: subprocess.run(words, check=True)
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "address", "add", "198.51.100.1/24", "dev", link)
        run("ip", "link", "set", link, "up")
        run("ip", "-n", name, "address", "add", "198.51.100.2/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        subprocess.run(["ip", "link", "del", link], check=False)
        subprocess.run(["ip", "netns", "del", name], check=False)
