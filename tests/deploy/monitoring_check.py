"""A real Prometheus watches a real server under load: every expression of dashboard, rules and alerts can be evaluated, names
metrics that are there, and has data where it should.

monitoring_check.py DERIND DERIN PROMETHEUS PROMTOOL ROOT
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

DERIND, DERIN, PROMETHEUS, PROMTOOL, ROOT = sys.argv[1:]
ROOT = pathlib.Path(ROOT)
sys.path.insert(0, str(ROOT / "tests/python"))
sys.path.insert(0, str(ROOT / "deploy/grafana"))
import make_dashboard  # noqa: E402
import real_prometheus  # noqa: E402
import server_process  # noqa: E402

DEADLINE = 120  # seconds until all data must be there
# What has nothing to say about a server that does well for a minute.
MAY_BE_EMPTY = {"annotation Jobs that start", "annotation Jobs that are done"}
# What only a GPU has; machines that test this may have none.
GPU_METRICS = {"derin_device_used_memory_bytes", "derin_device_utilization_ratio", "derin_device_temperature_celsius",
               "derin_device_power_watts"}


def derin(server, *arguments, fails=False):
    done = subprocess.run([DERIN, *arguments, "--server", server.address], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)
    if (done.returncode != 0) != fails:
        raise SystemExit(f"derin {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def expressions():
    """As Grafana would ask them, all variables at their widest."""
    for where, expression in make_dashboard.expressions(make_dashboard.dashboard()):
        expression = expression.replace("$__rate_interval", "20s")
        for name in ("instance", "model", "training_job"):
            expression = expression.replace(f"${name}", ".*")
        yield where, expression


def may_be_empty(where, expression):
    return where in MAY_BE_EMPTY or any(name in expression for name in GPU_METRICS)


def rules():
    text = "".join((ROOT / f"deploy/prometheus/{name}.yaml").read_text() for name in ("recording_rules", "alerts"))
    return set(re.findall(r"- (?:alert|record): (\S+)$", text, re.MULTILINE))


def metrics_of(server):
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10) as reply:
        return reply.read().decode()


def load(server):
    """Something of everything that is counted: also a call that fails, and a job that runs on."""
    derin(server, "corpus", "add", "sea", str(ROOT / "deploy/demo/lantern_bay.txt"))
    derin(server, "train", "--corpus", "sea", "--model", "sea", "--hidden", "16", "--epochs", "1", "--validation-share", "0.1")
    derin(server, "train", "--corpus", "sea", "--model", "sea", "--hidden", "32", "--epochs", "100000", "--validation-share", "0.1",
          "--id", "long", "--detach")
    derin(server, "generate", "--model", "no-such-model", "--prompt", "x", fails=True)


def main():
    server = server_process.ServerProcess(DERIND)
    folder = tempfile.TemporaryDirectory(prefix="derin-prometheus-")
    prometheus = real_prometheus.Prometheus(PROMETHEUS, pathlib.Path(folder.name), server.metrics_address)
    try:
        load(server)
        waiting = dict(expressions())
        assert len(waiting) > 20
        give_up = time.monotonic() + DEADLINE
        missing = dict.fromkeys(list(expressions()))
        while missing:
            # Time passes by work: counters must move while Prometheus looks.
            derin(server, "generate", "--model", "sea", "--prompt", "The ", "--max-tokens", "2000")
            try:
                missing = [(where, one) for where, one in missing if not prometheus.query(one) and not may_be_empty(where, one)]
            except (ConnectionError, urllib.error.URLError):
                pass  # it has not started yet
            if missing and time.monotonic() > give_up:
                raise SystemExit("no data for:\n" + "\n".join(f"  {where}: {one}" for where, one in missing))
        groups = prometheus.ask("rules")["groups"]
        found = {rule["name"]: rule for group in groups for rule in group["rules"]}
        assert set(found) == rules(), (set(found), rules())
        while bad := [rule for rule in found.values() if rule["health"] != "ok"]:
            if time.monotonic() > give_up or any(rule["health"] == "err" for rule in bad):
                raise SystemExit(f"rules that cannot be evaluated: {[(rule['name'], rule.get('lastError')) for rule in bad]}")
            derin(server, "generate", "--model", "sea", "--prompt", "The ", "--max-tokens", "2000")
            found = {rule["name"]: rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]}
        firing = {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"}
        assert not firing, firing

        known = set(prometheus.ask("label/__name__/values"))
        asked = " ".join([one for _, one in expressions()] + [rule["query"] for rule in found.values()])
        unknown = {name for name in re.findall(r"(?<![:\w])(?:derin|process)_[a-z0-9_]+", asked) if name not in known | GPU_METRICS}
        # A code that nothing has ended with has no series; that is a label, and the metric is there.
        assert not unknown, unknown

        checked = subprocess.run([PROMTOOL, "check", "metrics"], input=metrics_of(server), capture_output=True, text=True, timeout=30)
        if checked.returncode != 0 or checked.stderr:
            raise SystemExit(f"promtool check metrics:\n{checked.stdout}{checked.stderr}")
        derin(server, "jobs", "cancel", "long")
        print(f"{len(list(expressions()))} expressions of the dashboard and {len(found)} rules have what they ask for")
    finally:
        prometheus.stop()
        server.remove()
        folder.cleanup()


if __name__ == "__main__":
    main()
