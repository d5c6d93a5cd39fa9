# SPDX-License-Identifier: Apache-2.0
"""DNS for tests: questions by hand, a name server to play upstream, and network namespaces to keep both in."""
import contextlib
import ctypes
import os
import queue
import random
import socket
import struct
import subprocess
import threading

A, PTR, AAAA, ANY = 1, 12, 28, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
PATIENCE = 30  # seconds; only a failing test waits that long


class Namespace:
    """A network namespace (loopback is up) with a mount namespace of its own, held by a sleeping process."""

    def __init__(self, *commands):
        script = "\n".join(["set -e", "mount --make-rprivate /", "ip link set lo up", *commands, "echo ready", "exec sleep infinity"])
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n", "the namespace was not made"

    @property
    def pid(self):
        return self.process.pid

    def prefix(self):
        return ["nsenter", "-t", str(self.pid), "--net", "--mount"]

    def run(self, *argv, **options):
        return subprocess.run([*self.prefix(), *argv], check=True, capture_output=True, text=True, **options).stdout

    def do(self, function):
        """Calls it in a thread that has joined the network: sockets made there belong to it and can be used anywhere."""
        answers = queue.Queue()

        def inside():
            try:
                with open(f"/proc/{self.pid}/ns/net", "rb") as namespace:
                    libc = ctypes.CDLL(None, use_errno=True)
                    assert libc.setns(namespace.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
                answers.put((function(), None))
            except BaseException as error:  # the caller's thread raises it
                answers.put((None, error))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        value, error = answers.get()
        if error:
            raise error
        return value

    def socket(self, kind, address, port=0):
        def make():
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
            s.bind((address, port))
            s.settimeout(PATIENCE)
            return s
        return self.do(make)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def read_name(data, at):
    labels, after = [], None
    while True:
        size = data[at]
        if size >= 0xc0:
            after = after or at + 2
            at = struct.unpack_from(">H", data, at)[0] & 0x3fff
            continue
        at += 1
        if size == 0:
            return ".".join(labels), after or at
        labels.append(data[at:at + size].decode("latin-1"))
        at += size


def question(name, kind=A, number=None):
    number = random.randrange(65536) if number is None else number
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + encode_name(name) + struct.pack(">2H", kind, 1)


class Reply:
    def __init__(self, data):
        self.id, flags, _, count, _, _ = struct.unpack_from(">6H", data)
        self.rcode, self.truncated = flags & 15, bool(flags & 0x0200)
        name, at = read_name(data, 12)
        self.name, self.kind = name, struct.unpack_from(">H", data, at)[0]
        at += 4
        self.answers = []
        for _ in range(count):
            _, at = read_name(data, at)
            kind, _, _, size = struct.unpack_from(">HHIH", data, at)
            at += 10
            body = data[at:at + size]
            if kind in (A, AAAA):
                self.answers.append(socket.inet_ntop(socket.AF_INET if kind == A else socket.AF_INET6, body))
            elif kind == PTR:
                self.answers.append(read_name(data, at)[0])
            at += size


def read_exactly(s, size):
    data = b""
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def read_frame(s):
    return read_exactly(s, struct.unpack(">H", read_exactly(s, 2))[0])


def ask(namespace, server, name, kind=A, source=None, tcp=False):
    """One question from `source`, an address of the namespace, and its answer."""
    with contextlib.closing(namespace.socket(socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM, source or server)) as s:
        s.connect((server, 53))
        data = question(name, kind)
        if tcp:
            s.sendall(struct.pack(">H", len(data)) + data)
            return Reply(read_frame(s))
        s.send(data)
        return Reply(s.recv(65535))


class Upstream:
    """A name server on one address of a namespace: answers A of any name with `address`; `silent` ones never answer.
    Names that begin with "long" have so many addresses that they need TCP; "missing" ones are not there."""

    def __init__(self, namespace, listen, address, silent=False):
        self.address, self.silent, self.asked = address, silent, []
        self._udp = namespace.socket(socket.SOCK_DGRAM, listen, 53)
        self._udp.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE: a burst waits
        self._tcp = namespace.socket(socket.SOCK_STREAM, listen, 53)
        self._tcp.listen()
        for s in (self._udp, self._tcp):
            s.settimeout(None)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def reply(self, data, tcp):
        name, at = read_name(data, 12)
        kind = struct.unpack_from(">H", data, at)[0]
        self.asked.append(name)
        head, body = data[:2], data[12:at + 4]
        if name.startswith("missing"):
            return head + struct.pack(">5H", 0x8183, 1, 0, 0, 0) + body
        addresses = [f"10.77.{i >> 8}.{i & 255}" for i in range(200)] if name.startswith("long") else [self.address]
        if kind != A:
            addresses = []
        if len(addresses) > 30 and not tcp:
            return head + struct.pack(">5H", 0x8380, 1, 0, 0, 0) + body
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 60, 4) + socket.inet_aton(a) for a in addresses)
        return head + struct.pack(">5H", 0x8180, 1, len(addresses), 0, 0) + body + records

    def _serve_udp(self):
        while True:
            data, source = self._udp.recvfrom(65535)
            if not data:
                return
            answer = self.reply(data, False)
            if not self.silent:
                self._udp.sendto(answer, source)

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, EOFError):
                while True:
                    answer = self.reply(read_frame(connection), True)
                    connection.sendall(struct.pack(">H", len(answer)) + answer)

    def close(self):
        self._tcp.shutdown(socket.SHUT_RDWR)
        # An empty datagram of its own ends the thread that waits in recvfrom: closing the socket would not wake it.
        self._udp.sendto(b"", self._udp.getsockname())
        for thread in self._threads:
            thread.join(PATIENCE)
        self._udp.close()
        self._tcp.close()
