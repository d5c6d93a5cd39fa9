# SPDX-License-Identifier: Apache-2.0
"""The two things that tests want of nftables, without its program: the names of all tables, and an empty ruleset."""
import errno
import os
import socket
import struct

NETLINK_NETFILTER, NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 12, 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
SUBSYSTEM, NEWTABLE, GETTABLE, DELTABLE = 10, 0, 1, 2
BATCH_BEGIN, BATCH_END = 0x10, 0x11
UNSPEC, INET = 0, 1


def _message(kind, flags, number, resource=0):
    return struct.pack("=IHHII", 20, kind, flags | NLM_F_REQUEST, number, 0) + struct.pack(">BBH", 0, 0, resource)


def _open():
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.bind((0, 0))
    return sock


def _messages(data):
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3:]


def tables():
    """Names of all tables, whatever their family."""
    names = []
    with _open() as sock:
        sock.send(_message(SUBSYSTEM << 8 | GETTABLE, NLM_F_DUMP, 1))
        while True:
            for kind, body in _messages(sock.recv(1 << 16)):
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    return names
                length, attribute = struct.unpack_from("=HH", body, 4)
                assert attribute == 1, "the name comes first"
                names.append(body[8:4 + length].rstrip(b"\0").decode())


def flush_ruleset():
    """What "nft flush ruleset" does."""
    _delete(UNSPEC, b"")


def delete_table(name):
    """Of family inet."""
    data = name.encode() + b"\0"
    _delete(INET, struct.pack("=HH", 4 + len(data), 1) + data + b"\0" * (-len(data) % 4))


def _delete(family, attributes):
    message = bytearray(_message(SUBSYSTEM << 8 | DELTABLE, NLM_F_ACK, 2) + attributes)
    struct.pack_into("=I", message, 0, len(message))
    message[16] = family  # unspecified would mean all tables, whatever their names
    with _open() as sock:
        sock.send(_message(BATCH_BEGIN, 0, 1, SUBSYSTEM) + bytes(message) + _message(BATCH_END, 0, 3, SUBSYSTEM))
        for kind, body in _messages(sock.recv(1 << 16)):
            error = -struct.unpack_from("=i", body)[0] if kind == NLMSG_ERROR else 0
            if error not in (0, errno.ENOENT):
                raise OSError(error, os.strerror(error))
