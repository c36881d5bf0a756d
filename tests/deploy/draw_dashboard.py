"""Draws the dashboard for people who have no Grafana at hand, from what a real Prometheus saw of a real server under load.

draw_dashboard.py DERIND DERIN PROMETHEUS PICTURE.png [SECONDS]

Wants matplotlib (deploy/recipes/requirements.txt). tests/ci/35-monitoring.sh leaves a Prometheus in build/prometheus.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))
sys.path.insert(0, str(ROOT / "deploy/grafana"))
import dashboard_picture  # noqa: E402
import make_dashboard  # noqa: E402
import real_prometheus  # noqa: E402
import server_process  # noqa: E402


class Load:
    """Callers that train, generate and err, as long as the picture is wide."""

    def __init__(self, derind, derin, folder):
        self.derin, self.folder = derin, folder
        tokens = folder / "tokens"
        lines = [self._new_token(name, *more) for name, *more in (("ada", "--role", "admin"), ("bob", "--role", "read", "--role", "generate"))]
        tokens.write_text("".join(lines))
        self.server = server_process.ServerProcess(derind, "--tokens", str(tokens), "--session-device-memory", "48KiB",
                                                   "--session-memory", "128KiB")

    def _new_token(self, name, *roles):
        made = json.loads(subprocess.run([self.derin, "token", "new", name, *roles, "--json"], check=True, capture_output=True).stdout)
        (self.folder / name).write_text(made["token"])
        return made["line"] + "\n"

    def call(self, caller, *words):
        done = subprocess.run([self.derin, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={**os.environ, "DERIN_SERVER": self.server.address, "DERIN_TOKEN_FILE": str(self.folder / caller)})
        return done.stdout

    def run(self, end):
        self.call("ada", "corpus", "add", "sea", str(ROOT / "deploy/demo/lantern_bay.txt"))
        train = "train", "--corpus", "sea", "--optimizer", "adam", "--validation-share", "0.1", "--detach"
        self.call("ada", "train", "--corpus", "sea", "--model", "sea", "--id", "sea", "--hidden", "64", "--epochs", "2",
                  "--optimizer", "adam", "--lr", "0.005")
        self.call("ada", *train, "--model", "tide", "--id", "tide", "--hidden", "128", "--lr", "0.004", "--epochs", "25")
        self.call("ada", *train, "--model", "storm", "--id", "storm", "--cell", "gru", "--hidden", "96", "--lr", "0.01", "--epochs", "1000")
        sessions = [self.call("bob", "sessions", "open", "--model", "sea").strip() for _ in range(120)]
        wave = 0
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            while time.time() < end:
                wave += 1
                streams = (1, 4, 24, 8)[wave % 4]
                calls = [pool.submit(self.call, "bob", "generate", "--session", sessions[(7 * wave + i) % len(sessions)], "--prompt",
                                     "The sea ", "--max-tokens", str(1000 + 200 * i)) for i in range(streams)]
                calls.append(pool.submit(self.call, "ada", "generate", "--model", "sea" if wave % 3 else "none", "--max-tokens", "3000"))
                calls.append(pool.submit(self.call, "bob", "corpus", "delete", "sea") if wave % 5 == 0 else
                             pool.submit(self.call, "ada", "status"))
                concurrent.futures.wait(calls)
                time.sleep(1.5)


def main():
    derind, derin, program, picture = sys.argv[1:5]
    seconds = int(sys.argv[5]) if len(sys.argv) > 5 else 180
    with tempfile.TemporaryDirectory(prefix="derin-dashboard-") as name:
        folder = pathlib.Path(name)
        load = Load(derind, derin, folder)
        (folder / "prometheus").mkdir()
        prometheus = real_prometheus.Prometheus(program, folder / "prometheus", load.server.metrics_address)
        try:
            start = time.time()
            load.run(start + seconds)
            source = dashboard_picture.Source(prometheus, start, start + seconds)
            dashboard_picture.draw(make_dashboard.dashboard(), source, picture)
        finally:
            prometheus.stop()
            load.server.remove()
    print(f"{picture}: {os.path.getsize(picture) // 1024} KiB")


if __name__ == "__main__":
    main()
