# SPDX-License-Identifier: Apache-2.0
"""A file system that misbehaves, by the FUSE protocol (linux/fuse.h): a folder in which looking up "hangs" never ends, and
"vanishes" is there the first time only. A process that waits for it after a SIGKILL cannot be killed, as with a broken
disk or a server that is gone."""
import contextlib
import ctypes
import errno
import os
import stat
import struct

LOOKUP, FORGET, GETATTR, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 26, 36, 42
ROOT, CHILD = 1, 2
libc = ctypes.CDLL(None, use_errno=True)


def attributes(node):
    return struct.pack("<6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, 0, 0, 0, 4096, 0)


def answer(opcode, node, body, seen):
    """An errno, bytes, or None for silence."""
    if opcode == INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 65536, 0, 8, 6, 65536, 1, 0, 0, *([0] * 8))
    if opcode == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if opcode == LOOKUP:
        name = body.rstrip(b"\0").decode()
        if name == "hangs":
            return None
        if name == "vanishes" and name not in seen:
            seen.add(name)
            return struct.pack("<4Q2I", CHILD, 0, 0, 0, 0, 0) + attributes(CHILD)
        return errno.ENOENT
    if opcode in (FORGET, INTERRUPT, BATCH_FORGET):
        return None
    return errno.ENOSYS


def serve(device):
    seen = set()
    while True:
        request = os.read(device, 1 << 17)
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        reply = answer(opcode, node, request[40:], seen)
        if isinstance(reply, int):
            os.write(device, struct.pack("<IiQ", 16, -reply, unique))
        elif reply is not None:
            os.write(device, struct.pack("<IiQ", 16 + len(reply), 0, unique) + reply)


@contextlib.contextmanager
def broken_folder(path):
    """Mounts it at `path`. At the end the server goes, and whoever waits for it gets an error."""
    os.mkdir(path)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"broken", path.encode(), b"fuse", 0, options) != 0:
        raise OSError(ctypes.get_errno(), "mount a fuse file system")
    server = os.fork()
    if server == 0:
        with contextlib.suppress(OSError):
            serve(device)
        os._exit(0)
    os.close(device)
    try:
        yield path
    finally:
        os.kill(server, 9)
        os.waitpid(server, 0)
        libc.umount2(path.encode(), 2)  # MNT_DETACH
        os.rmdir(path)
