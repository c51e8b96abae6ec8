"""Two Profanity clients that encrypt to each other with OMEMO (XEP-0384, over XEP-0163), both with
accounts that never did: keys are published, found and used, and what is said is readable."""
import time

from test_profanity import SECONDS, open_terminal, pytestmark  # noqa: F401

AXOLOTL = 'eu.siacs.conversations.axolotl'


def nodes_of(server, account):
    return {line.split('\t')[0] for line in server.ctl('nodes', account.jid).stdout.splitlines()}


def make_keys(server, terminal, account):
    """Logs in and publishes a bundle of keys and the list with this device. Profanity does it when
    the error for the missing list repeats the request."""
    terminal.login(server, account)
    terminal.type('/omemo trustmode blind')
    terminal.type('/omemo policy always')
    terminal.type('/omemo gen')
    terminal.wait(f'Blind trust for {account.jid} device')
    deadline = time.monotonic() + SECONDS
    while not any(node.startswith(f'{AXOLOTL}.bundles:') for node in nodes_of(server, account)):
        assert time.monotonic() < deadline, nodes_of(server, account)
        time.sleep(0.1)
    assert f'{AXOLOTL}.devicelist' in nodes_of(server, account)


def subscribe(asker, other, asker_account, other_account):
    asker.type(f'/sub request {other_account.jid}')
    other.wait(f'authorization request from {asker_account.jid}')
    other.type(f'/sub allow {asker_account.jid}')
    asker.wait(f'Subscription received from {other_account.jid}')


def is_written(server, text):
    return any(text.encode() in file.read_bytes()
               for file in server.data.rglob('*') if file.is_file())


def test_from_empty_accounts(server, open_terminal):  # noqa: F811
    """Both ways, and what is left for who is offline; the server has none of the words. A line with
    ~ before it was encrypted."""
    one, two = server.two_accounts()
    juliet, romeo = open_terminal('juliet'), open_terminal('romeo')
    make_keys(server, juliet, one)
    make_keys(server, romeo, two)
    subscribe(juliet, romeo, one, two)
    subscribe(romeo, juliet, two, one)

    juliet.type(f'/omemo start {two.jid}')
    juliet.wait('[OMEMO]')
    juliet.type('wherefore art thou')
    juliet.wait('~ me: wherefore art thou')
    romeo.wait('<< chat message')
    romeo.type('/win 2')
    romeo.wait(f'~ {one.jid}')
    romeo.wait('wherefore art thou')
    romeo.type('/omemo start')
    romeo.wait('[OMEMO]')
    romeo.type('call me but love')
    romeo.wait('~ me: call me but love')
    juliet.wait(': call me but love')
    assert '~ Romeo' in juliet.shown() or f'~ {two.jid}' in juliet.shown()

    before = server.stats()['offline_stored']
    romeo.type('/win 1')
    romeo.type('/clear')
    romeo.type('/disconnect')
    server.gone_offline(two.jid)
    juliet.type('good night')
    server.wait_stat('offline_stored', before + 1)
    romeo.login(server, two)
    romeo.wait('<< chat message')
    romeo.type('/win 2')
    romeo.wait('good night')
    for words in ('wherefore art thou', 'call me but love', 'good night'):
        assert not is_written(server, words)
    assert is_written(server, AXOLOTL)
