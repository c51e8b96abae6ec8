"""What is no XMPP inside a stream, before and behind the login (RFC 6120 sections 4.8, 4.9, 11)."""
import pytest

from harness import text_of

pytestmark = pytest.mark.usefixtures('others_are_served')

MESSAGE = "<message to='witness@example.org'>{}</message>"


@pytest.fixture(params=['before login', 'behind login'])
def client(request, server):
    if request.param == 'before login':
        client = server.connect()
        client.open()
        return client
    return server.online(server.account())


@pytest.mark.parametrize('text', [
    '<!-- comment -->',
    '<?instruction here?>',
    '<!DOCTYPE message>',
    '<!DOCTYPE message [<!ENTITY x "y">]>',
    MESSAGE.format('<!-- comment -->'),
    MESSAGE.format('<?instruction here?>'),
    MESSAGE.format('<body>&undeclared;</body>'),
    MESSAGE.format('<body>&#x26;&custom;</body>'),
    "<message to='&own;'/>",
])
def test_restricted_xml(client, text):
    """RFC 6120 sections 4.9.3.18 and 11.1: comments, processing instructions, DTDs, entities
    that are not predefined."""
    client.send(text)
    assert client.stream_error() == 'restricted-xml'


@pytest.mark.parametrize('text', [
    b'<message><body>\xff</body></message>',
    b'<message><body>\xc0\xaf</body></message>',
    b'<message><body>\xed\xa0\x80</body></message>',
    b'<message><body>\xf4\x90\x80\x80</body></message>',
    b'<message><body>\xc3</body></message>',
    b"<message to='\xe2\x82'/>",
], ids=['no start', 'overlong', 'surrogate', 'too large', 'cut', 'attribute'])
def test_unsupported_encoding(client, text):
    """RFC 6120 sections 4.9.3.22 and 11.6: what is no UTF-8."""
    client.send(text)
    assert client.stream_error() == 'unsupported-encoding'


@pytest.mark.parametrize('text', [
    '<message><body>no end</message>',
    '<message><body></message></body>',
    '<message id=1/>',
    "<message id='1' id='2'/>",
    "<message id='<'/>",
    '<message><body>&#0;</body></message>',
    '<message><body>\x01</body></message>',
    '<message><body>]]></body></message>',
    '<1message/>',
    '< message/>',
    '</message>',
])
def test_not_well_formed(client, text):
    """RFC 6120 section 4.9.3.13."""
    client.send(text)
    assert client.stream_error() == 'not-well-formed'


@pytest.mark.parametrize('text', [
    '<foo:message/>',
    '<message><foo:body/></message>',
    "<message foo:id='1'/>",
])
def test_bad_namespace_prefix(client, text):
    """RFC 6120 section 4.9.3.2: a prefix that is not declared. (Section 4.9.3.13 names
    not-well-formed for it as well.)"""
    client.send(text)
    assert client.stream_error() in ('bad-namespace-prefix', 'not-well-formed')


@pytest.mark.parametrize('text', ['hello', '<message/>hello', '&#65;', '<![CDATA[hello]]>'])
def test_invalid_xml_for_text_between_stanzas(server, text):
    """RFC 6120 sections 4.9.3.11 and 11.7: only white space stands between stanzas."""
    client = server.online(server.account())
    client.send(text)
    assert client.stream_error() == 'invalid-xml'


def test_white_space_between_stanzas_is_harmless(client):
    """RFC 6120 section 4.6.1: keepalives."""
    client.send(' \n\t\r\n' * 100)
    client.send('</stream:stream>')
    client.wait_end()


@pytest.mark.parametrize('element', [
    '<pubsub/>',
    "<message xmlns='urn:unknown'/>",
    "<iq xmlns='jabber:server' type='get' id='1'/>",
    '<stream:features/>',
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
])
def test_unsupported_stanza_type(client, element):
    """RFC 6120 section 4.9.3.24: first-level elements that nobody understands."""
    client.send(element)
    assert client.stream_error() == 'unsupported-stanza-type'


@pytest.mark.parametrize('stanza', [
    "<message to='witness@example.org'><body>Hist!</body></message>",
    '<presence/>',
    "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
    "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
])
@pytest.mark.parametrize('domain', ['example.org', 'example.net'])
@pytest.mark.parametrize('secure', [False, True], ids=['clear', 'tls'])
def test_not_authorized_before_authentication(server, witness, domain, secure, stanza):
    """RFC 6120 sections 4.3.3 and 4.9.3.12: stanzas before SASL; they are not processed. At
    example.net anybody may register, by IQs; this opens nothing else."""
    if secure:
        client = server.secure(domain)
    else:
        client = server.connect()
        client.open(domain)
    client.send(stanza)
    assert client.stream_error() == 'not-authorized'
    assert witness.sync() == []


def test_not_authorized_between_auth_and_bind(server, witness):
    """RFC 6120 section 7.1: nothing but binding before a resource is bound."""
    client = server.secure()
    client.authenticate(server.account())
    client.send("<message to='witness@example.org'><body>Hist!</body></message>")
    assert client.stream_error() == 'not-authorized'
    assert witness.sync() == []


@pytest.mark.parametrize('depth', [200, 20000])
def test_policy_violation_for_deep_nesting(client, depth):
    """RFC 6120 section 13.12: depth costs; it has a bound."""
    client.send('<message>' + '<a>' * depth)
    assert client.stream_error() == 'policy-violation'


def test_policy_violation_for_many_attributes(client):
    """RFC 6120 section 13.12: so have attributes."""
    client.send('<message ' + ' '.join(f"a{i}='b'" for i in range(1000)) + '/>')
    assert client.stream_error() == 'policy-violation'


def test_nothing_is_processed_behind_an_error(server, witness):
    """RFC 6120 section 4.9.1.1: a stream error is the end; what follows in the same bytes is
    not looked at."""
    client = server.online(server.account())
    client.send("<foo/><message to='witness@example.org'><body>Hist!</body></message>")
    assert client.stream_error() == 'unsupported-stanza-type'
    assert witness.sync() == []


def test_stanza_with_a_prefix(server, witness):
    """RFC 6120 section 4.8.5: the content namespace may have a prefix; the receiver gets a
    stanza that stands alone."""
    client = server.online(server.account())
    client.send("<c:message xmlns:c='jabber:client' to='witness@example.org' id='m1'>"
                "<c:body>Hist!</c:body><x xmlns='urn:x'>&lt;&#65;&amp;</x></c:message>")
    message = witness.message(id='m1')
    assert message.get('from') == client.jid
    assert text_of(message, 'body') == 'Hist!'
    assert message.find('{urn:x}x').text == '<A&'


def test_prefixes_declared_in_the_header(server, witness):
    """RFC 6120 section 4.8.5: declarations of the header hold in its stanzas."""
    account = server.account()
    client = server.secure()
    client.scram(account.user, account.password)
    client.open(header="<?xml version='1.0'?><stream:stream to='example.org' version='1.0' "
                       "xmlns='jabber:client' xmlns:x='urn:x' "
                       "xmlns:stream='http://etherx.jabber.org/streams'>")
    client.bind()
    client.send("<message to='witness@example.org' id='m2'><body>Hist!</body><x:y x:z='1'/>"
                "</message>")
    message = witness.message(id='m2')
    assert text_of(message, 'body') == 'Hist!'
    assert message.find('{urn:x}y').get('{urn:x}z') == '1'


def test_stanzas_in_single_bytes(server, witness):
    """A stanza may come in any pieces."""
    client = server.online(server.account())
    for byte in "<message to='witness@example.org' id='m3'><body>\u20ac \U0001f389</body>" \
                "</message>".encode():
        client.send(bytes([byte]))
    assert text_of(witness.message(id='m3'), 'body') == '\u20ac \U0001f389'


def test_many_stanzas_in_one_write(server, witness):
    """And many may come at once, in order."""
    client = server.online(server.account())
    client.send(''.join(f"<message to='witness@example.org' id='n{i}'/>" for i in range(500)))
    for i in range(500):
        assert witness.take().get('id') == f'n{i}'


def test_content_passes_unchanged(server, witness):
    """RFC 6120 section 8.4: extended content is routed as it came."""
    client = server.online(server.account())
    client.send("<message to='witness@example.org' id='m4' xml:lang='fr' type='chat'>"
                "<body xml:space='preserve'> &lt;b&gt; &quot;&apos;&amp; &#x41;&#10; </body>"
                "<a:b xmlns:a='urn:a' a:c='&lt;d&gt;'><c xmlns=''/><![CDATA[<&>]]></a:b>"
                "</message>")
    message = witness.message(id='m4')
    assert message.get('{http://www.w3.org/XML/1998/namespace}lang') == 'fr'
    assert text_of(message, 'body') == ' <b> "\'& A\n '
    b = message.find('{urn:a}b')
    assert b.get('{urn:a}c') == '<d>'
    assert b.find('c').tail == '<&>'
