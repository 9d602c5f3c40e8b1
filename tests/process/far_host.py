"""A host at the other end of a wire, for what only a real network does."""

import subprocess

import pytest


class FarHost:
    """A network namespace without a name, that of a process which ends with the tests, however
    they end. What is left of killed tests, which may be a connection that the kernel goes on
    with for minutes, is in nobody's way."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo apart; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        if self.keeper.stdout.readline() != "apart\n":
            pytest.skip(f"no network namespaces here: {self.keeper.stderr.read().strip()}")
        self.inside = ["nsenter", "--target", str(self.keeper.pid), "--net"]
        # A wire of its own from 198.18.0.0/15, which no real network has (RFC 2544).
        wire = self.keeper.pid % 2**15 * 4
        self.near, self.address = (f"198.{18 + (wire >> 16)}.{wire >> 8 & 255}.{wire & 255 | end}"
                                   for end in (1, 2))
        self.link = f"crew{self.keeper.pid}"
        self._run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0",
                  "netns", str(self.keeper.pid))
        self._run("ip", "address", "add", f"{self.near}/30", "dev", self.link)
        self._run("ip", "link", "set", self.link, "up")
        self._run(*self.inside, "ip", "address", "add", f"{self.address}/30", "dev", "eth0")
        self.set_wire("up")

    def _run(self, *command):
        subprocess.run(command, check=True, capture_output=True)

    def set_wire(self, state):
        self._run(*self.inside, "ip", "link", "set", "eth0", state)

    def command(self):
        """What runs a command there, until the tests end."""
        return ["setpriv", "--pdeathsig", "KILL", *self.inside]

    def close(self):
        self._run("ip", "link", "delete", self.link)
        self.keeper.communicate()
