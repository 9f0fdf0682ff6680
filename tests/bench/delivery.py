#!/usr/bin/env python3
"""How fast real mail is delivered over LMTP: Restante beside Dovecot.

    cargo build --release
    RESTANTE=target/release/restante python3 tests/bench/delivery.py [--rounds 3]

Needs root (Dovecot's processes change user), Debian's dovecot-imapd and
dovecot-lmtpd, and the package that tests/real/corpus.py takes from npm, in the folder
that --corpus names (target/corpus). Both
servers get the same 6,046 mails over 4 connections at once on the same disk and
answer 250 only after a sync. Prints deliveries a second, CPU time per delivery
and the ratios: only the ratios mean anything on another machine.
"""

import argparse
import glob
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "real"))
from corpus import corpus  # noqa: E402
from server import ROOT, Server, free_port  # noqa: E402

CONNECTIONS = 4
ACCOUNTS = 4


def on_the_wire(mail):
    """A mail as DATA carries it, without what an mbox puts before it."""
    mail = mail.replace(b"\0", b"").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = mail.removesuffix(b"\n").split(b"\n")
    if lines[0].startswith(b"From "):
        lines.pop(0)
    lines = [b"." + line if line.startswith(b".") else line for line in lines]
    return b"\r\n".join(lines) + b"\r\n.\r\n"


def deliver(port, recipient, mails, failures):
    """One connection: envelope pipelined, as mail servers do it."""
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    replies = link.makefile("rb")

    def expect(code):
        while True:
            line = replies.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith(code):
            failures.append(line)

    expect(b"220")
    link.sendall(b"LHLO bench.example\r\n")
    expect(b"250")
    envelope = f"MAIL FROM:<bench@example.net>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
    for mail in mails:
        link.sendall(envelope)
        expect(b"250")
        expect(b"250")
        expect(b"354")
        link.sendall(mail)
        expect(b"250")
    link.sendall(b"QUIT\r\n")
    expect(b"221")


def cpu_seconds(root):
    """CPU time of a process and all its children, those that ended included."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents = {}
    times = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = Path(stat).read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        pid = int(stat.split("/")[2])
        parents[pid] = int(fields[1])
        times[pid] = sum(map(int, fields[11:15])) / ticks

    def below(pid):
        while pid and pid != root:
            pid = parents.get(pid)
        return pid == root

    return sum(seconds for pid, seconds in times.items() if below(pid))


def measure(pid, port, recipients, mails):
    failures = []
    before = cpu_seconds(pid)
    started = time.monotonic()
    threads = [
        threading.Thread(target=deliver, args=(
            port, recipients[index % len(recipients)], mails[index::CONNECTIONS], failures))
        for index in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    if failures:
        raise SystemExit(f"refused: {failures[:3]}")
    return len(mails) / seconds, (cpu_seconds(pid) - before) / len(mails) * 1e6


class Dovecot:
    def __init__(self, folder, storage):
        self.folder = folder
        self.port = free_port()
        self.config = folder / "dovecot.conf"
        (folder / "mail").mkdir()
        os.chmod(folder, 0o755)
        os.chown(folder / "mail", 65534, 65534)
        self.config.write_text(f"""
protocols = lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
mail_location = {storage}:{folder}/mail/%u
mail_fsync = optimized
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 0
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%u
}}
passdb {{
  driver = static
  args = nopassword=y
}}
service anvil {{
  chroot =
}}
service lmtp {{
  process_min_avail = {CONNECTIONS}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
""")

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", self.config])
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit((self.folder / "dovecot.log").read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--corpus", type=Path, default=ROOT / "target" / "corpus")
    options.add_argument("--folder", help="where the servers keep their mail")
    options = options.parse_args()
    mails = [on_the_wire(mail) for mail in corpus(options.corpus)]
    size = sum(map(len, mails)) / len(mails)
    print(f"{len(mails)} mails, {size:.0f} octets each in the mean, {CONNECTIONS} connections")
    names = [f"user{number}@example.org" for number in range(ACCOUNTS)]
    best = {}
    for _ in range(options.rounds):
        for kind in ("dovecot-maildir", "dovecot-mdbox", "restante"):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                folder = Path(folder)
                if kind == "restante":
                    peer = Server(folder).start()
                    for name in names:
                        peer.add_account(name)
                    port = peer.ports["lmtp"]
                else:
                    peer = Dovecot(folder, kind.split("-")[1]).start()
                    port = peer.port
                rate, cpu = measure(peer.process.pid, port, names, mails)
                peer.stop()
                print(f"  {kind:16} {rate:8.0f} /s {cpu:8.0f} µs CPU", flush=True)
                old_rate, old_cpu = best.get(kind, (0, 1e9))
                best[kind] = (max(rate, old_rate), min(cpu, old_cpu))
    ours = best["restante"]
    for kind, (rate, cpu) in best.items():
        if kind != "restante":
            print(f"restante / {kind}: {ours[0] / rate:.1f} times the rate, "
                  f"{ours[1] / cpu:.2f} of the CPU time")


if __name__ == "__main__":
    main()
