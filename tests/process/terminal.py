"""A terminal that a test holds, and a program as the leader of the session on it."""

import os
import pty
import select
import signal
import threading


class Terminal:
    """`Terminal(instance, command…)`: what is printed on it goes to the log of the instance, which is the
    file "terminal" in its folder from now on."""

    def __init__(self, instance, *command):
        instance.log_path = instance.folder / "terminal"
        self.log_path = instance.log_path
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.chdir(instance.folder)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
            os.execve(command[0], command, instance.env)
        self.is_open = True
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self.drain, daemon=True)
        self.thread.start()

    def drain(self):
        with open(self.log_path, "wb", buffering=0) as out:
            while True:
                ready = select.select([self.end, self.wake], [], [])[0]
                if self.wake in ready:
                    return
                try:
                    out.write(os.read(self.end, 65536).replace(b"\r\n", b"\n"))
                except OSError:  # nobody has it open any more
                    return

    def close(self):
        """As when its window is closed. Nobody may be reading from it: that would keep it open."""
        if not self.is_open:
            return
        self.is_open = False
        os.write(self.waker, b"x")
        self.thread.join()
        for fd in (self.end, self.wake, self.waker):
            os.close(fd)

    def wait(self):
        """The exit code of the program; what it prints last is read before."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
