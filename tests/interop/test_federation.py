"""Stentor and another server find each other, prove who they are, and talk: in each of the ways in
which servers do that, whoever begins."""
import pytest

from harness import find
from harness.federation import DIALBACK, EjabberdSite, ProsodySite, StentorSite, World

pytestmark = pytest.mark.skipif(bool(World.missing()), reason=World.missing() or '')

OURS = 'capulet.example'
PEERS = {ProsodySite: 'montague.example', EjabberdSite: 'verona.example'}


@pytest.fixture(name='world')
def fixture_world():
    with World() as world:
        yield world


@pytest.fixture(params=PEERS, ids=lambda kind: kind.package)
def kind(request):
    return request.param


@pytest.fixture(params=['ours', 'theirs'])
def begins(request):
    """Whose people say the first word, and so whose server connects first."""
    return request.param


def two_sites(world, kind, ours=None, theirs=None, **both):
    """Stentor and another server; options of each and of both."""
    if kind.missing():
        pytest.skip(kind.missing())
    near = world.site(StentorSite, OURS, **{**both, **(ours or {})})
    far = world.site(kind, PEERS[kind], **{**both, **(theirs or {})})
    world.start()
    return near, far


def talk(near, far, begins):
    """Messages each way between two people."""
    first, second = near.somebody(), far.somebody()
    if begins == 'theirs':
        first, second = second, first
    for sender, receiver in ((first, second), (second, first)):
        sender.send(f"<message to='{receiver.jid}' type='chat' id='x'><body>x</body></message>")
        assert receiver.message(id='x').get('from') == sender.jid


def both_ways(proof):
    return {('in', proof, OURS), ('out', proof, OURS)}


def test_external(world, kind, begins):
    """RFC 6120 sections 5 and 6.3.4: STARTTLS and SASL EXTERNAL. Our certificate is for clients'
    use, too, because ejabberd takes no other one for a proof."""
    near, far = two_sites(world, kind, {'identity': world.issue(OURS, client=True)})
    talk(near, far, begins)
    far.wait_proofs(both_ways('EXTERNAL'))


def test_certificates_for_servers_alone(world, kind):
    """RFC 6120 section 13.7.1: theirs, as public authorities issue them now, proves who they are;
    and where ours proves nothing to them, dialback does (XEP-0220)."""
    near, far = two_sites(world, kind, theirs={'offers_dialback': True})
    talk(near, far, 'ours')
    far.wait_proofs({('out', 'EXTERNAL', OURS),
                     ('in', 'dialback' if kind is EjabberdSite else 'EXTERNAL', OURS)})


def test_dialback(world, kind, begins):
    """XEP-0220 over TLS: the certificates are of each server's own making."""
    near, far = two_sites(world, kind, security=DIALBACK)
    talk(near, far, begins)
    far.wait_proofs(both_ways('dialback'))


def test_direct_tls(world, kind, begins):
    """XEP-0368: there is no other way to either."""
    near, far = two_sites(world, kind, {'identity': world.issue(OURS, client=True)}, direct=True)
    talk(near, far, begins)
    far.wait_proofs(both_ways('EXTERNAL'))
    assert world.network.connections(ports=[5269]) == 0


def test_one_connection_for_both_ways(world, begins):
    """XEP-0288, with Prosody, as ejabberd's of Debian 12 does not have it."""
    near, far = two_sites(world, ProsodySite, bidi=True)
    talk(near, far, begins)
    assert world.network.connections() == 1
    far.wait_proofs({('in' if begins == 'ours' else 'out', 'EXTERNAL', OURS)})


def test_several_domains_on_one_connection(world):
    """XEP-0220 section 2.6: our rooms talk over the connection that our people's domain has made,
    to a server that can (ejabberd, as dialback.errors says)."""
    near, far = two_sites(world, EjabberdSite, security=DIALBACK)
    talk(near, far, 'ours')
    romeo = far.somebody()
    for _ in range(2):
        info = romeo.get("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=near.rooms)
        assert find(info, 'info:query/info:identity').get('category') == 'conference'
    assert world.network.connections(far.address) == 1
    far.wait_proofs({('in', 'dialback', OURS), ('out', 'dialback', OURS),
                     ('in', 'dialback', near.rooms), ('out', 'dialback', near.rooms)})


def test_dane(world, kind, begins):
    """RFC 7712 section 3 and RFC 7673: a TLSA record proves their certificate, of their own making,
    whoever connects. Neither peer looks at records when we connect: ours is issued."""
    near, far = two_sites(
        world, kind, {'identity': world.issue(OURS, client=True)},
        {'identity': world.issue(PEERS[kind], self_signed=True)}, dane=True)
    talk(near, far, begins)
    far.wait_proofs(both_ways('EXTERNAL'))


def test_dane_for_our_certificate(world):
    """Prosody looks at records when it connects, and the stream goes both ways (XEP-0288)."""
    near, far = two_sites(world, ProsodySite, {'identity': world.issue(OURS, self_signed=True)},
                          dane=True, bidi=True)
    talk(near, far, 'theirs')
    far.wait_proofs({('out', 'EXTERNAL', OURS)})


def test_dane_that_does_not_fit(world):
    """RFC 7712 section 3: a record for another key refuses what an authority would have proven."""
    near, far = two_sites(world, ProsodySite, theirs={'tlsa': world.issue('x.example').tlsa()},
                          dane=True)
    juliet = near.somebody()
    juliet.send(f"<message to='romeo@{far.domain}' type='chat' id='x'><body>x</body></message>")
    assert juliet.message(id='x', type='error')
    assert not far.proofs()


def test_signatures_of_no_use(world):
    """RFC 7673 section 3: what DNS says of a domain whose signatures are out of date counts for
    nothing, and nobody connects."""
    near, far = two_sites(world, ProsodySite, theirs={'zone': 'bogus'})
    juliet = near.somebody()
    juliet.send(f"<message to='romeo@{far.domain}' type='chat' id='x'><body>x</body></message>")
    assert juliet.message(id='x', type='error')
    assert world.network.connections() == 0
