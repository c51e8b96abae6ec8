"""@xmpp/client against the server, over STARTTLS and direct TLS."""
import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / 'node' / 'chat.mjs'
SECONDS = 120


@pytest.mark.parametrize('scheme, listener', [('xmpp', 'c2s'), ('xmpps', 'c2s_direct_tls')])
def test_two_people(server, scheme, listener):
    """RFC 6120 and 6121 as this client speaks them: login, roster, messages, offline."""
    one, two = server.account(f'one-{scheme}'), server.account(f'two-{scheme}')
    done = subprocess.run(
        ['node', SCRIPT, f'{scheme}://127.0.0.1:{server.ports[listener]}', one.domain, one.user,
         one.password, two.user, two.password],
        capture_output=True, text=True, timeout=SECONDS,
        env={**os.environ, 'NODE_TLS_REJECT_UNAUTHORIZED': '0'})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'roster result', 'heard hello <you> true', 'answer and you', 'late later true']


def test_two_devices(server):
    """XEP-0280: each message once on each device. XEP-0352: the newest presence alone, and it
    comes before a message."""
    one, two = server.two_accounts()
    done = subprocess.run(
        ['node', SCRIPT.with_name('devices_xmpp.mjs'),
         f'xmpps://127.0.0.1:{server.ports["c2s_direct_tls"]}', one.domain, one.user, one.password,
         two.user, two.password],
        capture_output=True, text=True, timeout=SECONDS,
        env={**os.environ, 'NODE_TLS_REJECT_UNAUTHORIZED': '0'})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'laptop: orchard said hello',
        'phone: account received orchard said hello, account sent laptop said yes',
        'laptop: account sent phone said me',
        'phone: nothing',
        'romeo: laptop said yes, laptop said hush, phone said me',
        'phone: orchard is xa',
        'phone: orchard is chat, orchard said wake up']


def test_a_broken_connection(server):
    """XEP-0198: the session goes on, nothing is lost or doubled. XEP-0313: pages both ways."""
    one, two = server.two_accounts()
    done = subprocess.run(
        ['node', SCRIPT.with_name('reliable.mjs'),
         f'xmpps://127.0.0.1:{server.ports["c2s_direct_tls"]}', one.domain, one.user, one.password,
         two.user, two.password],
        capture_output=True, text=True, timeout=SECONDS,
        env={**os.environ, 'NODE_TLS_REJECT_UNAUTHORIZED': '0'})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'came: before, meanwhile, again',
        'first page: before, meanwhile false',
        'next page: again true',
        'last page: again false']
