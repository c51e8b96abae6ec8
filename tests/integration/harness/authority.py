"""Certificates of servers, and who issues them (RFC 6120 section 13.7)."""
import hashlib
import itertools
from collections import namedtuple
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

XMPP_ADDR = ObjectIdentifier('1.3.6.1.5.5.7.8.5')   # RFC 6120 section 13.7.1.4
SRV_NAME = ObjectIdentifier('1.3.6.1.5.5.7.8.7')    # RFC 4985 section 2
UTF8_STRING, IA5_STRING = 0x0c, 0x16


class Identity(namedtuple('Identity', 'certificate key')):
    """Paths of PEM files."""

    def read(self):
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())

    def key_digest(self):
        """SHA-256 of the SubjectPublicKeyInfo, which a TLSA record or a pin has."""
        return hashlib.sha256(self.read().public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)).digest()

    def tlsa(self, usage=3, selector=1, matching=1):
        """The data of a TLSA record (RFC 6698 section 2.1); usage 3 is DANE-EE."""
        data = self.read().public_bytes(serialization.Encoding.DER) if selector == 0 else \
            self.read().public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        text = {0: lambda: data, 1: lambda: hashlib.sha256(data).digest(),
                2: lambda: hashlib.sha512(data).digest()}[matching]().hex()
        return f'{usage} {selector} {matching} {text}'


def other_name(oid, tag, text):
    """The DER of a short string as an otherName."""
    data = text.encode()
    assert len(data) < 128
    return x509.OtherName(oid, bytes([tag, len(data)]) + data)


def key_usage(**uses):
    names = ('digital_signature', 'content_commitment', 'key_encipherment', 'data_encipherment',
             'key_agreement', 'key_cert_sign', 'crl_sign', 'encipher_only', 'decipher_only')
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Issues certificates into a folder."""

    serials = itertools.count(1)

    def __init__(self, folder, name='Test authority'):
        self.folder = folder
        self.name = common_name(name)
        self.key = ec.generate_private_key(ec.SECP256R1())
        issued = self.builder(self.name, self.key, -1, 30)
        for extension in (x509.BasicConstraints(ca=True, path_length=None),
                          key_usage(key_cert_sign=True, crl_sign=True)):
            issued = issued.add_extension(extension, critical=True)
        self.certificate = folder / f'authority-{next(self.serials)}.pem'
        self.certificate.write_bytes(issued.sign(self.key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM))

    def builder(self, subject, key, first_day, last_day, issuer=None):
        now = datetime.now(timezone.utc)
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or self.name)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now + timedelta(days=first_day))
                   .not_valid_after(now + timedelta(days=last_day)))
        signer = key if subject == (issuer or self.name) else self.key
        for extension in (x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                          x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())):
            builder = builder.add_extension(extension, critical=False)
        return builder

    def issue(self, domain, *, dns=None, srv=(), xmpp=(), client=False, days=(-1, 30),
              self_signed=False):
        """For a domain, its subject. dns: the dNSNames, the domain alone unless told otherwise;
        srv: domains of SRVNames; xmpp: domains of xmppAddrs; client: for clients' use besides
        servers'; days: from when until when, counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = common_name(domain)
        names = [x509.DNSName(name) for name in ((domain,) if dns is None else dns)]
        names += [other_name(SRV_NAME, IA5_STRING, f'_xmpp-server.{name}') for name in srv]
        names += [other_name(XMPP_ADDR, UTF8_STRING, name) for name in xmpp]
        uses = [ExtendedKeyUsageOID.SERVER_AUTH]
        if client:
            uses.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        issued = self.builder(subject, key, *days, subject if self_signed else self.name)
        issued = issued.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        issued = issued.add_extension(key_usage(digital_signature=True), critical=True)
        if names:
            issued = issued.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = issued.sign(key if self_signed else self.key, hashes.SHA256())
        stem = self.folder / f'{domain}-{next(self.serials)}'
        made = Identity(stem.with_name(f'{stem.name}.crt'), stem.with_name(f'{stem.name}.key'))
        made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                               serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))
        return made
