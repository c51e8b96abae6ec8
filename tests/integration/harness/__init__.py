"""What the tests stand on: the real server, and a client that speaks in raw bytes."""
from harness.client import Client, StreamClosed
from harness.server import Server
from harness.xmpp import NS, condition, find, findall, text_of

__all__ = ['Client', 'NS', 'Server', 'StreamClosed', 'condition', 'find', 'findall', 'text_of']
