"""Stream headers, right and wrong (RFC 6120 sections 4.7, 4.8 and 4.9)."""
import pytest

from harness.client import HEADER, mechanisms
from harness.xmpp import NS, find

pytestmark = pytest.mark.usefixtures('others_are_served')

GOOD = HEADER.format('example.org')


def error_after(client, header):
    client.send(header)
    return client.stream_error()


def test_answer_has_from_id_version_and_lang(server):
    """RFC 6120 section 4.7: what the receiving entity's header says."""
    client = server.connect()
    client.open()
    header = client.header
    assert header.tag == f'{{{NS["stream"]}}}stream'
    assert header.get('from') == 'example.org'
    assert header.get('version') == '1.0'
    assert header.get('{http://www.w3.org/XML/1998/namespace}lang') == 'en'
    assert len(header.get('id')) >= 16


def test_ids_are_unique(server):
    """RFC 6120 section 4.7.3: stream ids are unique and cannot be guessed."""
    ids = set()
    for _ in range(20):
        client = server.connect()
        client.open()
        ids.add(client.header.get('id'))
    assert len(ids) == 20


def test_answer_is_addressed_to_the_from_of_the_header(server):
    """RFC 6120 section 4.7.2: `to` is the bare JID that the client said it was."""
    client = server.connect()
    client.open(header=GOOD.replace(" to=", " from='juliet@example.org' to="))
    assert client.header.get('to') == 'juliet@example.org'


def test_domain_is_compared_after_preparation(server):
    """RFC 7622 section 3.2: EXAMPLE.org is example.org."""
    client = server.connect()
    client.open(header=GOOD.replace('example.org', 'EXAMPLE.Org'))
    assert client.header.get('from') == 'example.org'


def test_higher_version_is_answered_with_ours(server):
    """RFC 6120 section 4.7.5: the lower of the two versions."""
    client = server.connect()
    client.open(header=GOOD.replace("version='1.0' ", "version='1.7' "))
    assert client.header.get('version') == '1.0'


def test_header_in_single_bytes(server):
    """A header may come in any pieces."""
    client = server.connect()
    client.restart()
    for byte in GOOD.encode():
        client.send(bytes([byte]))
    assert find(client.take('stream:features'), 'tls:starttls/tls:required') is not None


def test_other_prefix_is_understood_or_named_bad(server):
    """RFC 6120 sections 4.8.5 and 4.9.3.2: another prefix than 'stream' may be refused with
    bad-namespace-prefix, and only so."""
    client = server.connect()
    client.send(GOOD.replace('stream:stream', 'foobar:stream')
                .replace('xmlns:stream', 'xmlns:foobar'))
    first = client.take()
    if first.tag == f'{{{NS["stream"]}}}features':
        return
    client.inbox.insert(0, first)
    assert client.stream_error() == 'bad-namespace-prefix'


def test_hosts_have_their_own_features(server):
    """RFC 6120 section 4.3.2: what is offered is offered by the domain of `to`."""
    assert 'ANONYMOUS' not in mechanisms(server.secure('example.org').features)
    assert 'ANONYMOUS' in mechanisms(server.secure('example.net').features)


def test_host_unknown(server):
    """RFC 6120 section 4.9.3.6. Section 4.9.1.3: `from` is then a name of ours, or empty."""
    client = server.connect()
    assert error_after(client, HEADER.format('example.com')) == 'host-unknown'
    assert client.header.get('from') in ('', 'example.org')


@pytest.mark.parametrize('domain', ['exa mple.org', 'a..b', '-', 'x' * 300, '.'])
def test_host_unknown_for_what_is_no_domain(server, domain):
    """RFC 6120 section 4.9.3.6: what cannot be a domain is not served."""
    assert error_after(server.connect(), HEADER.format(domain)) == 'host-unknown'


@pytest.mark.parametrize('to', ['', " to=''"], ids=['missing', 'empty'])
def test_improper_addressing(server, to):
    """RFC 6120 section 4.9.3.7: a header without `to`."""
    assert error_after(server.connect(), GOOD.replace(" to='example.org'", to)) == \
        'improper-addressing'


@pytest.mark.parametrize('version', ['', " version=''", " version='0.9'", " version='x'"],
                         ids=['missing', 'empty', 'old', 'word'])
def test_unsupported_version(server, version):
    """RFC 6120 section 4.9.3.25: a client of before 1.0."""
    assert error_after(server.connect(), GOOD.replace(" version='1.0' ", version + ' ')) == \
        'unsupported-version'


def test_invalid_namespace_of_the_stream(server):
    """RFC 6120 section 4.9.3.10: the stream's namespace."""
    assert error_after(server.connect(), GOOD.replace(
        'http://etherx.jabber.org/streams', 'http://wrong.namespace.example.org/')) == \
        'invalid-namespace'


@pytest.mark.parametrize('content', ['jabber:server', 'jabber:component:accept', 'urn:wrong'])
def test_invalid_namespace_of_the_content(server, content):
    """RFC 6120 section 4.9.3.10: the content namespace; servers are not served here."""
    assert error_after(server.connect(), GOOD.replace('jabber:client', content)) == \
        'invalid-namespace'


def test_bad_format_of_a_header_with_another_name(server):
    """RFC 6120 section 4.9.3.1: something else than <stream/> in the right namespace."""
    assert error_after(server.connect(), GOOD.replace('stream:stream', 'stream:river')) == \
        'bad-format'


@pytest.mark.parametrize('text', [
    'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n',
    'hello',
    '<stream:stream <',
    "<stream:stream to='example.org' to='example.org'",
    '</stream:stream>',
])
def test_not_well_formed(server, text):
    """RFC 6120 section 4.9.3.13: what is no XML."""
    assert error_after(server.connect(), text) == 'not-well-formed'


@pytest.mark.parametrize('encoding', ['UTF-16', 'ISO-8859-1', 'us-ascii', 'x'])
def test_unsupported_encoding_declared(server, encoding):
    """RFC 6120 section 4.9.3.22: another encoding than UTF-8 is declared."""
    assert error_after(server.connect(), GOOD.replace(
        "version='1.0'?", f"version='1.0' encoding='{encoding}'?", 1)) == 'unsupported-encoding'


def test_unsupported_encoding_used(server):
    """RFC 6120 section 4.9.3.22: UTF-16 bytes, with their byte order mark."""
    assert error_after(server.connect(), GOOD.encode('utf-16')) == 'unsupported-encoding'


@pytest.mark.parametrize('encoding', ['UTF-8', 'utf-8'])
def test_utf8_may_be_declared(server, encoding):
    """RFC 6120 section 11.6."""
    server.connect().open(header=GOOD.replace("version='1.0'?",
                                              f"version='1.0' encoding='{encoding}'?", 1))


@pytest.mark.parametrize('before', ['<!DOCTYPE stream>', '<!-- hello -->', '<?php echo 1 ?>',
                                    '<!DOCTYPE a [<!ENTITY b "cc">]>'])
def test_restricted_xml_before_the_header(server, before):
    """RFC 6120 sections 4.9.3.18 and 11.1."""
    assert error_after(server.connect(), GOOD.replace('?>', '?>' + before, 1)) == 'restricted-xml'


def test_header_over_the_limit(server):
    """RFC 6120 section 13.12: a header has a bound, too."""
    assert error_after(server.connect(), GOOD[:-1] + f" x='{'y' * 20000}'>") == \
        'policy-violation'


def test_other_host_in_the_header_behind_sasl(server):
    """RFC 6120 section 6.4.6: the stream goes on with the domain it authenticated for."""
    account = server.account()
    client = server.secure()
    client.scram(account.user, account.password)
    client.restart()
    assert error_after(client, HEADER.format('example.net')) == 'host-unknown'


def test_end_of_stream_is_answered(server):
    """RFC 6120 section 4.4: the server closes its stream, then the connection."""
    client = server.connect()
    client.open()
    client.send('</stream:stream>')
    client.wait_end()


def test_stream_error_of_the_client_ends_the_stream(server):
    """RFC 6120 section 4.9.1.1: who gets a stream error closes its stream."""
    client = server.connect()
    client.open()
    client.send("<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                "</stream:error></stream:stream>")
    client.wait_end()
