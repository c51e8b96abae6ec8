"""Two people played by a script of node."""
import os
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent / 'node'
SECONDS = 120


def play(script, server, one, two, scheme='xmpps'):
    """What they have to say, line by line."""
    port = server.ports['c2s' if scheme == 'xmpp' else 'c2s_direct_tls']
    done = subprocess.run(
        ['node', FOLDER / script, f'{scheme}://127.0.0.1:{port}', one.domain, one.user,
         one.password, two.user, two.password],
        capture_output=True, text=True, timeout=SECONDS,
        env={**os.environ, 'NODE_TLS_REJECT_UNAUTHORIZED': '0'})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
