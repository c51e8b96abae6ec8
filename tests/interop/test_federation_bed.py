"""Prosody and ejabberd between themselves, in the network that the tests of federation have. What
fails here is no fault of Stentor's."""
import pytest

from harness.federation import DIALBACK, EjabberdSite, ProsodySite, World

MISSING = World.missing() or ProsodySite.missing() or EjabberdSite.missing()

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or '')


@pytest.mark.parametrize('options, seen', [
    ({}, 'Accepting SASL EXTERNAL identity from verona.example'),
    ({'direct': True}, 'Accepting SASL EXTERNAL identity from verona.example'),
    ({'dane': True}, 'Enabling DANE with 1 TLSA records'),
    ({'security': DIALBACK}, 'asking verona.example if key')])
def test_two_peers(options, seen):
    """A message each way, by a way that Prosody's log has."""
    with World() as world:
        # ejabberd takes no certificate for a proof that is not for clients' use, too.
        identity = world.issue('montague.example', client=True) if 'security' not in options else \
            None
        romeo = world.site(ProsodySite, 'montague.example', identity, **options)
        juliet = world.site(EjabberdSite, 'verona.example', **options)
        world.start()
        his, hers = romeo.somebody(), juliet.somebody()
        for sender, receiver in ((his, hers), (hers, his)):
            sender.send(f"<message to='{receiver.jid}' type='chat' id='1'><body>x</body></message>")
            assert receiver.message(id='1').get('from') == sender.jid
        assert seen in (romeo.folder / 'log').read_text()
