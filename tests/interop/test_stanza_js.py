"""stanza against the server, over direct TLS by a transport of the test's own."""
import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent / 'node' / 'personal.mjs'
SECONDS = 120


def test_vcard_private_storage_and_blocking(server):
    """XEP-0054, XEP-0049 and XEP-0191 as this client speaks them."""
    one, two = server.two_accounts()
    done = subprocess.run(
        ['node', SCRIPT, f'xmpps://127.0.0.1:{server.ports["c2s_direct_tls"]}', one.domain,
         one.user, one.password, two.user, two.password],
        capture_output=True, text=True, timeout=SECONDS, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'vcard Juliet <Capulet> & co Juliet', 'room council@rooms.example.org true',
        'list []', f'push {two.jid}', f'blocked {two.jid}', 'out not-acceptable',
        'in service-unavailable', f'push {two.jid}', 'heard again']
