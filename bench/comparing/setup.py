"""What must be there before: the release build, the peers' packages, a certificate."""
import os
import platform
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / 'build-bench'
POLICY = Path('/usr/sbin/policy-rc.d')
SERVICES = ('prosody', 'ejabberd')
# And what their archives need, and what Prosody asks a name server with.
PACKAGES = (*SERVICES, 'lua-dbi-sqlite3', 'erlang-p1-sqlite3', 'lua-unbound')


def run(*command, env=None):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          env={**os.environ, **(env or {})})
    if done.returncode:
        raise SystemExit(f'compare: {" ".join(map(str, command))} failed:\n'
                         f'{(done.stdout + done.stderr)[-2000:]}')
    return done.stdout


def build():
    """Stentor as it is released."""
    if not (BUILD / 'build.ninja').exists():
        run('meson', 'setup', BUILD, ROOT, '--buildtype=release')
    run('ninja', '-C', BUILD, 'src/server/stentord', 'bench/stentor-bench', 'bench/bench-floor')
    return BUILD


def is_installed(package):
    said = subprocess.run(['dpkg-query', '-W', '-f', '${db:Status-Status}', package],
                          capture_output=True, text=True)
    return said.stdout == 'installed'


def install_peers():
    """Installs what is missing. A policy of Debian's keeps the packages from starting services;
    one that the machine has already is left alone."""
    missing = [p for p in PACKAGES if not is_installed(p)]
    if not missing:
        return
    print(f'installing {", ".join(missing)}')
    sudo = [] if os.geteuid() == 0 else ['sudo']
    ours = not POLICY.exists()
    if ours:
        run(*sudo, 'sh', '-c', f'printf "#!/bin/sh\\nexit 101\\n" >{POLICY}; chmod 755 {POLICY}')
    try:
        run(*sudo, 'apt-get', 'update')
        run(*sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y',
            '--no-install-recommends', *missing)
    finally:
        if ours:
            run(*sudo, 'rm', '-f', POLICY)
    stop_services(sudo, [s for s in SERVICES if s in missing])


def stop_services(sudo, names):
    """For machines that start them all the same."""
    if not Path('/run/systemd/system').is_dir():
        return
    for name in names:
        subprocess.run([*sudo, 'systemctl', 'disable', '--now', name], capture_output=True)


def certificate(folder):
    """ECDSA P-256, self-signed: certificate, key, and both in one file."""
    cert, key, both = folder / 'cert.pem', folder / 'key.pem', folder / 'both.pem'
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
        '-nodes', '-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
        '-keyout', key, '-out', cert)
    both.write_text(key.read_text() + cert.read_text())
    return cert, key, both


def authority(folder):
    """Issues certificates: its own and the key, ECDSA P-256."""
    cert, key = folder / 'authority.pem', folder / 'authority.key'
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
        '-nodes', '-days', '30', '-subj', '/CN=Test authority',
        '-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', key, '-out', cert)
    return cert, key


def issued(folder, issuer, domain):
    """Like certificate(), for a domain and its rooms, from an authority; for both ends of a stream
    between servers, as two of the servers want it."""
    cert, key, both = (folder / f'{domain}{end}' for end in ('.crt', '.key', '.pem'))
    run('openssl', 'req', '-x509', '-CA', issuer[0], '-CAkey', issuer[1], '-newkey', 'ec',
        '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30',
        '-subj', f'/CN={domain}', '-addext', f'subjectAltName=DNS:{domain},DNS:rooms.{domain}',
        '-addext', 'basicConstraints=critical,CA:FALSE',
        '-addext', 'extendedKeyUsage=serverAuth,clientAuth', '-keyout', key, '-out', cert)
    both.write_text(key.read_text() + cert.read_text())
    return cert, key, both


def machine():
    """Facts without which the figures mean nothing."""
    cpuinfo = Path('/proc/cpuinfo').read_text()
    model = re.search(r'^model name\s*:\s*(.*)$', cpuinfo, re.M)
    memory = re.search(r'^MemTotal:\s*(\d+)', Path('/proc/meminfo').read_text(), re.M)
    return {
        'date': time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime()),
        'cpu': model.group(1) if model else platform.machine(),
        'cores': os.cpu_count(),
        'memory_gb': round(int(memory.group(1)) / 1e6, 1) if memory else None,
        'kernel': platform.release(),
        'load_before': round(os.getloadavg()[0], 2),
    }
