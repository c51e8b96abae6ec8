"""stanza against the server, over direct TLS by a transport of the test's own."""
import os
import subprocess
from pathlib import Path

NODE = Path(__file__).parent / 'node'
SECONDS = 120


def run(script, server, one, two):
    """What two people have to say, line by line."""
    done = subprocess.run(
        ['node', NODE / script, f'xmpps://127.0.0.1:{server.ports["c2s_direct_tls"]}', one.domain,
         one.user, one.password, two.user, two.password],
        capture_output=True, text=True, timeout=SECONDS, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_vcard_private_storage_and_blocking(server):
    """XEP-0054, XEP-0049 and XEP-0191 as this client speaks them."""
    one, two = server.two_accounts()
    assert run('personal.mjs', server, one, two) == [
        'vcard Juliet <Capulet> & co Juliet', 'room council@rooms.example.org true',
        'list []', f'push {two.jid}', f'blocked {two.jid}', 'out not-acceptable',
        'in service-unavailable', f'push {two.jid}', 'heard again']


def test_two_devices(server):
    """XEP-0280: each message once on each device. XEP-0352: the newest presence alone, and it
    comes before a message."""
    one, two = server.two_accounts()
    assert run('devices_stanza.mjs', server, one, two) == [
        'laptop: orchard said hello',
        'phone: orchard said hello, laptop sent yes',
        'laptop: phone sent me',
        'phone: nothing',
        'romeo: laptop said yes, phone said me',
        'phone: orchard is xa',
        'phone: orchard is chat, orchard said wake up']
