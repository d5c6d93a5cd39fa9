# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy on loopback that knows CONNECT only. Every name leads to one port of this host: registries behind it need no DNS."""
import base64
import contextlib
import select
import socket
import socketserver
import threading


class Proxy:
    """`heads`: what it was asked, byte by byte; `seen`: all that passed through from our side. `refuse`: a status line instead of
    the tunnel; `user`: "USER:PASSWORD" that it wants; `more`: headers of its answer."""

    def __init__(self, port, refuse=None, user=None, more=""):
        self.heads, self.seen, self.refuse = [], bytearray(), refuse
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                head = b""
                while b"\r\n\r\n" not in head:
                    part = self.request.recv(4096)
                    if not part:
                        return
                    head += part
                proxy.heads.append(head)
                wanted = b"Proxy-Authorization: Basic " + base64.b64encode((user or "").encode())
                if user and wanted not in head:
                    self.request.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                                         b"Content-Length: 0\r\n\r\n")
                elif proxy.refuse:
                    self.request.sendall(f"HTTP/1.1 {proxy.refuse}\r\nContent-Length: 0\r\n\r\n".encode())
                elif head.startswith(b"CONNECT "):
                    self.request.sendall(f"HTTP/1.1 200 Connection established\r\n{more}\r\n".encode())
                    self.carry()

            def carry(self):
                with socket.create_connection(("127.0.0.1", port)) as there, contextlib.suppress(OSError):
                    pairs = {self.request: there, there: self.request}
                    while True:
                        for source in select.select(list(pairs), [], [])[0]:
                            data = source.recv(65536)
                            if not data:
                                return
                            if source is self.request:
                                proxy.seen += data
                            pairs[source].sendall(data)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass  # a client that goes away is no news

        self._server = Server(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
