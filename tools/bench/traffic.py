# SPDX-License-Identifier: Apache-2.0
"""How fast bytes go from the host into a container: `traffic.py receive PORT` runs in the container's network namespace."""
import json
import socket
import subprocess
import sys
import time

from measure import Failed

PIECE = 1 << 20


def receive(port):
    """Throws away what comes, and answers with one byte when the sender has closed its side."""
    with socket.create_server(("0.0.0.0", port)) as server:
        print("listening", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                while connection.recv(PIECE, socket.MSG_TRUNC):
                    pass
                connection.sendall(b"!")


def send(address, port, size):
    """Milliseconds until the other side has `size` bytes."""
    piece = bytes(PIECE)
    start = time.perf_counter()
    with socket.create_connection((address, port), timeout=60) as connection:
        for _ in range(size // PIECE):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1) != b"!":
            raise Failed(f"{address}:{port}: the receiver went away")
    return (time.perf_counter() - start) * 1000


def inspect(party, name):
    return json.loads(subprocess.run(party.argv("inspect", name), env=party.runner.env, capture_output=True, text=True, check=True).stdout)[0]


class Receiver:
    """In the network namespace of a running container."""

    def __init__(self, party, name, port):
        found = inspect(party, name)
        self.address = next(network["IPAddress"] for network in found["NetworkSettings"]["Networks"].values())
        self._process = subprocess.Popen(["nsenter", f"--net=/proc/{found['State']['Pid']}/ns/net", sys.executable, __file__, "receive", str(port)],
                                         stdout=subprocess.PIPE)
        self._process.stdout.readline()

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


if __name__ == "__main__":
    receive(int(sys.argv[2]))
