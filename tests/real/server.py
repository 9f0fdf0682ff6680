"""Starts the real binary for a suite and stops it again."""

import contextlib
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("RESTANTE", ROOT / "target" / "debug" / "restante"))
PROTOCOLS = ("imap", "imaps", "pop3", "pop3s", "lmtp")


def free_ports(count):
    """So many ports that are free now, no two the same."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port():
    return free_ports(1)[0]


def make_certificate(folder):
    """A certificate for localhost that signs itself."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    return certificate, key


class Server:
    """`restante serve` on free ports of 127.0.0.1, with its data in a folder."""

    def __init__(self, folder, extra=""):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.ports = dict(zip(PROTOCOLS, free_ports(len(PROTOCOLS))))
        self.certificate, self.key = make_certificate(self.folder)
        self.config = self.folder / "restante.toml"
        listeners = "".join(
            f'\n[[listen]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{port}"\n'
            for protocol, port in self.ports.items()
        )
        self.config.write_text(
            f'data = "{self.data}"\nhostname = "localhost"\n'
            f'default-domain = "example.org"\n{extra}{listeners}'
            f'\n[tls]\ncertificate = "{self.certificate}"\nkey = "{self.key}"\n'
        )
        self.process = None

    def start(self):
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--config", self.config],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        for port in self.ports.values():
            while True:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the server ended:\n{self.log()}")
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise RuntimeError(f"port {port} is not served:\n{self.log()}") from None
                    time.sleep(0.05)
        return self

    def stop(self, with_signal=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait(timeout=30)
        return self.process.returncode if self.process else None

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def command(self, *words, stdin=None):
        """Runs `restante WORDS` against this server; returns what it printed."""
        done = subprocess.run(
            [BINARY, *words, "--config", self.config],
            input=stdin, capture_output=True, text=True, timeout=300,
        )
        if done.returncode != 0:
            raise RuntimeError(f"restante {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
        return done.stdout

    def add_account(self, name, password="sesame"):
        self.command("account", "add", name, "--password-stdin", stdin=password + "\n")

    def deliver(self, recipient, message, sender="sender@example.net"):
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"]) as lmtp:
            return lmtp.sendmail(sender, [recipient], message)

    def tls_context(self):
        return ssl.create_default_context(cafile=str(self.certificate))


@contextlib.contextmanager
def server(extra=""):
    """A started server in a folder of its own that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="restante-") as folder:
        started = Server(folder, extra)
        try:
            yield started.start()
        finally:
            started.stop()
