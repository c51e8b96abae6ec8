"""Certificates, made with openssl."""
import subprocess


def make_certificate(folder, domain):
    """A new self-signed one; paths of certificate and key."""
    certificate, key = folder / f'{domain}.pem', folder / f'{domain}.key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj',
                    f'/CN={domain}', '-addext', f'subjectAltName=DNS:{domain}',
                    '-keyout', str(key), '-out', str(certificate)],
                   check=True, capture_output=True)
    return certificate, key
