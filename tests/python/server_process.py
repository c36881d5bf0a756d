"""A derind of one's own, on a free port with a data directory that is empty, or another's."""

import pathlib
import signal
import subprocess
import tempfile
import threading


class ServerProcess:
    def __init__(self, program, *flags, data=None):
        self._folder = tempfile.TemporaryDirectory(prefix="derin-python-")
        folder = pathlib.Path(self._folder.name)
        self.data = data or folder / "data"
        port_file = folder / "port"
        self._process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--port-file", port_file, "--metrics-listen", "127.0.0.1:0",
             "--data-dir", self.data, *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._lines = []
        for line in self._process.stdout:
            self._lines.append(line)
            if "serves on" in line:
                break
        else:
            status = self._process.wait()
            self._folder.cleanup()
            raise RuntimeError(f"derind ended with {status}:\n{self.log()}")
        # Somebody must read on, or the server would stop at a full pipe.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        addresses = dict(line.split() for line in port_file.read_text().splitlines())
        self.address = addresses["grpc"]
        self.metrics_address = addresses["metrics"]

    def _read(self):
        with self._process.stdout as lines:
            self._lines.extend(lines)

    def log(self):
        """What the server said so far; once it ended, all of it."""
        return "".join(self._lines)

    def stop(self):
        """Asks the server to end, as a service manager does, and returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout=60)
        finally:
            self._process.kill()
            self._reader.join()

    def kill(self):
        """Ends it as a crash does; what it wrote stays until remove."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def remove(self):
        self.kill()
        self._folder.cleanup()
