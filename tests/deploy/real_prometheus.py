"""A Prometheus of one's own, with Derin's configuration and rules, that scrapes one server each second."""

import json
import pathlib
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

CONFIGURATION = pathlib.Path(__file__).resolve().parents[2] / "deploy/prometheus"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    def __init__(self, program, folder, target):
        for file in CONFIGURATION.glob("*.yaml"):
            shutil.copy(file, folder)
        config = folder / "prometheus.yaml"
        text = config.read_text()
        assert "5s" in text and "derind:9464" in text
        config.write_text(text.replace("5s", "1s").replace("derind:9464", target))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def ask(self, path, **arguments):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}", timeout=10) as reply:
            return json.load(reply)["data"]

    def _query(self, path, expression, **arguments):
        try:
            return self.ask(path, query=expression, **arguments)["result"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{expression}: {json.load(error)['error']}") from error

    def query(self, expression):
        return self._query("query", expression)

    def query_range(self, expression, start, end):
        """The series between two times in seconds, a value each second."""
        return self._query("query_range", expression, start=start, end=end, step=1)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()
