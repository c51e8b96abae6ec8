"""The client's side of SCRAM (RFC 5802), written for tests: it can do everything wrong, too."""
import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data).decode()


class Scram:
    """One exchange. gs2 is the header of section 7, binding the data that stand behind it."""

    def __init__(self, mechanism, user, password, gs2='n,,', binding=b''):
        self.hash = mechanism.replace('-PLUS', '').replace('SCRAM-', '').replace('-', '').lower()
        self.password = password.encode()
        self.gs2, self.binding = gs2, binding
        escaped = user.replace('=', '=3D').replace(',', '=2C')
        self.bare = f'n={escaped},r={b64(os.urandom(18))}'

    def first(self):
        return (self.gs2 + self.bare).encode()

    def hmac(self, key, text):
        return hmac.new(key, text.encode() if isinstance(text, str) else text, self.hash).digest()

    def final(self, challenge):
        """The answer to the server's first message."""
        challenge = challenge.decode()
        fields = dict(field.split('=', 1) for field in challenge.split(','))
        self.rounds = int(fields['i'])
        self.salt = base64.b64decode(fields['s'])
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, self.salt, self.rounds)
        without = f'c={b64(self.gs2.encode() + self.binding)},r={fields["r"]}'
        everything = ','.join([self.bare, challenge, without])
        key = self.hmac(salted, 'Client Key')
        signature = self.hmac(hashlib.new(self.hash, key).digest(), everything)
        self.server = self.hmac(self.hmac(salted, 'Server Key'), everything)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return f'{without},p={b64(proof)}'.encode()

    def verify(self, success):
        assert success == b'v=' + b64(self.server).encode(), 'the server does not know the password'
