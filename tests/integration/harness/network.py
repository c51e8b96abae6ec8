"""A network of its own for tests: a namespace that has nothing but loopback, where servers take the
ports of the standards, and where packets can be lost."""
import ctypes
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
ESTABLISHED = '01'       # in /proc/net/tcp
SERVERS = '5269, 5270'   # where servers listen for each other

LIBC = ctypes.CDLL(None, use_errno=True)

RULES = '''\
add table inet test
delete table inet test
table inet test {{
	chain input {{
		type filter hook input priority 0;
		tcp dport {{ {ports} }} {some} drop
		tcp sport {{ {ports} }} {some} drop
	}}
}}
'''


def unshare():
    if LIBC.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Network:
    """Entered by the thread of the tests; all that it starts from there on is in it, too."""

    @staticmethod
    def missing():
        """Why there can be none here, or None."""
        if os.geteuid():
            return 'a network namespace needs root; `unshare -rn pytest ...` gives one to others'
        for program in ('ip', 'nft'):
            if not shutil.which(program, path=os.environ['PATH'] + ':/usr/sbin:/sbin'):
                return f'there is no program {program}'
        done = subprocess.run(['unshare', '-n', 'true'], capture_output=True, text=True)
        return done.stderr.strip() if done.returncode else None

    def __enter__(self):
        self.home = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
        unshare()
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
        return self

    def __exit__(self, *_):
        if LIBC.setns(self.home, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        os.close(self.home)

    def add_address(self, address):
        """One of this machine's."""
        length = 128 if ':' in address else 32
        subprocess.run(['ip', 'address', 'add', f'{address}/{length}', 'dev', 'lo'], check=True)

    def connections(self, address=None, ports=(5269, 5270)):
        """How many there are to servers, or to the one at an address, that others have made."""
        found = 0
        for line in Path('/proc/thread-self/net/tcp').read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            where, port = local.split(':')
            found += state == ESTABLISHED and int(port, 16) in ports and address in (
                None, socket.inet_ntoa(bytes.fromhex(where)[::-1]))
        return found

    @contextmanager
    def losing(self, percent=100, ports=SERVERS):
        """Loses packets between servers, both ways: all of them, or some. Nobody is told."""
        some = f'numgen random mod 100 < {percent}' if percent < 100 else ''
        self.rules(RULES.format(ports=ports, some=some))
        try:
            yield
        finally:
            self.rules('delete table inet test\n')

    def rules(self, text):
        subprocess.run(['nft', '-f', '-'], input=text, text=True, check=True)
