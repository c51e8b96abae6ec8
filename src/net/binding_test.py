#!/usr/bin/env python3
"""Channel bindings against OpenSSL's idea of them (RFC 5929, RFC 9266).

Python's ssl gives tls-unique, also over TLS 1.3 where no RFC defines it: clients built on it
(slixmpp, poezio) log in with it, so the server's value must be the same. tls-exporter is
compared where pyOpenSSL is there.

Usage: binding_test.py BINDING_SERVER
"""
import hashlib
import socket
import ssl
import subprocess
import sys

LABEL = b"EXPORTER-Channel-Binding"


def lines(read):
    """What the server told, as a dictionary."""
    data = b""
    while chunk := read():
        data += chunk
    return dict(line.split(" ", 1) for line in data.decode().splitlines())


def by_ssl(port, ca, version, session):
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = version
    # A session belongs to its context.
    if session:
        context = session[1]
    raw = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(raw, server_hostname="a.example",
                             session=session[0] if session else None) as s:
        told = lines(lambda: s.recv(4096))
        own = {
            "resumed": str(int(s.session_reused)),
            "tls-unique": s.get_channel_binding("tls-unique").hex(),
            "tls-server-end-point": hashlib.sha256(s.getpeercert(True)).hexdigest(),
        }
        if s.session_reused:
            own["tls-server-end-point"] = ""  # the server sent no certificate
        for name, value in own.items():
            if told[name] != value:
                sys.exit(f"{told['cipher']}: {name} is {told[name]}, OpenSSL has {value}")
        return told, (s.session, context)


def by_pyopenssl(port, ca, version):
    try:
        from OpenSSL import SSL
    except ImportError:
        return "no pyOpenSSL"
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(ca)
    context.set_verify(SSL.VERIFY_PEER, lambda *args: args[-1])
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    s = SSL.Connection(context, socket.create_connection(("127.0.0.1", port)))
    s.set_tlsext_host_name(b"a.example")
    s.set_connect_state()
    s.do_handshake()

    def read():
        try:
            return s.recv(4096)
        except SSL.ZeroReturnError:
            return b""

    told = lines(read)
    own = s.export_keying_material(LABEL, 32, b"").hex()
    if told["tls-exporter"] != own:
        sys.exit(f"{told['cipher']}: tls-exporter is {told['tls-exporter']}, OpenSSL has {own}")
    return "tls-exporter agrees"


def main():
    server = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    port, ca = server.stdout.readline().split()
    port = int(port)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        told, session = by_ssl(port, ca, version, None)
        again, _ = by_ssl(port, ca, version, session)
        if (told["resumed"], again["resumed"]) != ("0", "1"):
            sys.exit(f"{told['cipher']}: the session was not resumed")
        print(told["cipher"], "tls-unique", told["tls-unique"], "resumed", again["tls-unique"],
              by_pyopenssl(port, ca, int(version)))
    server.stdin.close()
    if server.wait(10) != 0:
        sys.exit("the server failed")


main()
