# SPDX-License-Identifier: Apache-2.0
"""What tests want of nftables, without its program: the names of all tables, an empty ruleset, and small firewalls such as
other people have."""
import errno
import os
import socket
import struct

NETLINK_NETFILTER, NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_CREATE, NLM_F_APPEND = 12, 1, 4, 0x300, 0x400, 0x800
NLMSG_ERROR, NLMSG_DONE = 2, 3
SUBSYSTEM = 10
NEWTABLE, GETTABLE, DELTABLE, NEWCHAIN, GETCHAIN, NEWRULE, GETRULE = 0, 1, 2, 3, 4, 6, 7
BATCH_BEGIN, BATCH_END = 0x10, 0x11
UNSPEC, INET = 0, 1
INPUT, FORWARD = 1, 2  # hooks
DROP, ACCEPT = 0, 1


def _message(kind, flags, number, resource=0, family=UNSPEC, attributes=b""):
    length = 20 + len(attributes)
    return struct.pack("=IHHII", length, kind, flags | NLM_F_REQUEST, number, 0) + struct.pack(">BBH", family, 0, resource) + attributes


def _open():
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.bind((0, 0))
    return sock


def _messages(data):
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3:]


def _dump(what, family=UNSPEC):
    """What follows nlmsghdr and nfgenmsg."""
    bodies = []
    with _open() as sock:
        sock.send(_message(SUBSYSTEM << 8 | what, NLM_F_DUMP, 1, family=family))
        while True:
            for kind, body in _messages(sock.recv(1 << 17)):
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    return bodies
                bodies.append(body[4:])


def _change(sock, *messages):
    """One transaction of (type, flags, family, attributes); the last is acknowledged."""
    batch = _message(BATCH_BEGIN, 0, 1, SUBSYSTEM)
    for number, (kind, flags, family, attributes) in enumerate(messages, 2):
        last = NLM_F_ACK if number == len(messages) + 1 else 0
        batch += _message(SUBSYSTEM << 8 | kind, flags | last, number, family=family, attributes=attributes)
    sock.send(batch + _message(BATCH_END, 0, 1, SUBSYSTEM))
    for kind, body in _messages(sock.recv(1 << 16)):
        error = -struct.unpack_from("=i", body)[0] if kind == NLMSG_ERROR else 0
        if error not in (0, errno.ENOENT):
            raise OSError(error, os.strerror(error))


def _attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def _text(kind, text):
    return _attribute(kind, text.encode() + b"\0")


def _number(kind, number):
    return _attribute(kind, struct.pack(">i", number))


def _nest(kind, *attributes):
    return _attribute(kind | 0x8000, b"".join(attributes))


def tables():
    """Names of all tables, whatever their family."""
    names = []
    for body in _dump(GETTABLE):
        length, attribute = struct.unpack_from("=HH", body)
        assert attribute == 1, "the name comes first"
        names.append(body[4:length].rstrip(b"\0").decode())
    return names


def flush_ruleset():
    """What "nft flush ruleset" does."""
    with _open() as sock:
        _change(sock, (DELTABLE, 0, UNSPEC, b""))


def delete_table(name):
    """Of family inet."""
    with _open() as sock:
        _change(sock, (DELTABLE, 0, INET, _text(1, name)))


# --- firewalls of others

def _expression(name, *attributes):
    return _nest(1, _text(1, name), _nest(2, *attributes))


def _compare(operation, data):
    return _expression("cmp", _number(1, 1), _number(2, operation), _nest(3, _attribute(1, data)))


def _verdict(code):
    return _expression("immediate", _number(1, 0), _nest(2, _nest(2, _number(1, code))))


# "ct state established,related accept", "iifname lo accept", "meta l4proto ipv6-icmp accept", "reject with icmpx admin-prohibited"
ESTABLISHED = (_expression("ct", _number(1, 1), _number(2, 0))
               + _expression("bitwise", _number(1, 1), _number(2, 1), _number(3, 4), _nest(4, _attribute(1, b"\6\0\0\0")), _nest(5, _attribute(1, bytes(4))))
               + _compare(1, bytes(4)) + _verdict(ACCEPT))
LOOPBACK = _expression("meta", _number(1, 1), _number(2, 6)) + _compare(0, b"lo".ljust(16, b"\0")) + _verdict(ACCEPT)
ICMP6 = _expression("meta", _number(1, 1), _number(2, 16)) + _compare(0, b"\x3a") + _verdict(ACCEPT)
REJECT = _expression("reject", _number(1, 2), _attribute(2, b"\3"))


def _of_links(prefix):
    """"iifname PREFIX* accept", "oifname PREFIX* accept"."""
    return [_expression("meta", _number(1, 1), _number(2, key)) + _compare(0, prefix.encode()) + _verdict(ACCEPT) for key in (6, 7)]


def add_firewall(table, rejects=False, owner=None, trusted=None):
    """Chains input and forward of family inet that let nothing new in or through: by policy, as in many an nftables.conf, or by a
    last rule that rejects, as firewalld does. `owner`: a socket of own(), while which is open nobody else may change the table. `trusted`: what links begin with that it lets through."""
    def chain(name, hook, priority):
        where = _text(1, table) + _text(3, name)
        yield NEWCHAIN, NLM_F_CREATE, INET, where + _nest(4, _number(1, hook), _number(2, priority)) + _text(7, "filter") + _number(5, ACCEPT if rejects else DROP)
        for rule in [ESTABLISHED, LOOPBACK, ICMP6, *(_of_links(trusted) if trusted else []), *[REJECT] * rejects]:
            yield NEWRULE, NLM_F_CREATE | NLM_F_APPEND, INET, _text(1, table) + _text(2, name) + _nest(4, rule)

    sock = owner or _open()
    try:
        _change(sock, (NEWTABLE, NLM_F_CREATE, INET, _text(1, table) + _number(2, 2 if owner else 0)), *chain("input", INPUT, 0), *chain("forward", FORWARD, 10))
    finally:
        if not owner:
            sock.close()


def own():
    return _open()


def rules():
    """Tables, chains and rules of family inet as the kernel tells them, to be compared."""
    return [body for what in (GETTABLE, GETCHAIN, GETRULE) for body in _dump(what, INET)]
