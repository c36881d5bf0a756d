"""A derind of one's own, on a free port with an empty data directory."""

import pathlib
import signal
import subprocess
import tempfile
import time


class ServerProcess:
    def __init__(self, program):
        self._folder = tempfile.TemporaryDirectory(prefix="derin-python-")
        folder = pathlib.Path(self._folder.name)
        self.data = folder / "data"
        self._log = folder / "log"
        port_file = folder / "port"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [program, "--listen", "127.0.0.1:0", "--port-file", port_file, "--metrics-listen", "127.0.0.1:0",
                 "--data-dir", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        # The file is there at once as a whole, when the server serves.
        while not port_file.exists():
            if self._process.poll() is not None:
                said = self.log()
                self._folder.cleanup()
                raise RuntimeError(f"derind ended with {self._process.returncode}:\n{said}")
            time.sleep(0.01)
        addresses = dict(line.split() for line in port_file.read_text().splitlines())
        self.address = addresses["grpc"]

    def log(self):
        return self._log.read_text()

    def stop(self):
        """Asks the server to end, as a service manager does, and returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout=60)
        finally:
            self._process.kill()

    def remove(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
