"""What the image asks to know whether it is healthy is answered by a server that is, and by none.

image_check.py DERIND ROOT
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

DERIND, ROOT = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(ROOT) / "tests/python"))
import server_process  # noqa: E402


def health_command(address):
    """The image's, for another port."""
    text = (pathlib.Path(ROOT) / "Dockerfile").read_text().replace("\\\n", "")
    (words,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", text, re.MULTILINE)
    (listens,) = re.findall(r'"--metrics-listen", "0\.0\.0\.0:([0-9]+)"', text)
    return [word.replace(f"127.0.0.1/{listens}", address.replace(":", "/")) for word in json.loads(words)]


def status_of(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60).returncode


def main():
    with tempfile.NamedTemporaryFile("w", prefix="derin-tokens-") as tokens:
        tokens.write('{"name":"ada","roles":["read"],"token_sha256":"%s"}\n' % ("a" * 64))
        tokens.flush()
        server = server_process.ServerProcess(DERIND, "--tokens", tokens.name)
        try:
            command = health_command(server.metrics_address)
            assert server.metrics_address.replace(":", "/") in command[-1], command
            assert status_of(command) == 0, f"a server with tokens is not healthy: {command}"
            server.stop()
            assert status_of(command) != 0, "no server is healthy"
        finally:
            server.remove()


if __name__ == "__main__":
    main()
