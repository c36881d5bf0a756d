"""Renders the overlays of deploy/kubernetes as kubectl does, and checks what comes out: Kubernetes' schemas take it, what refers
to something finds it, and derind itself takes the configuration that its pod would have.

    kubernetes_check.py KUBECTL DERIND ROOT
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

import kubernetes_validate
import yaml

# The oldest whose schemas there are, and the newest.
VERSIONS = ("1.25", kubernetes_validate.latest_version())
KUBECTL, DERIND, ROOT = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
FOLDER = ROOT / "deploy/kubernetes"
# What it takes to end calls that are left, and to write checkpoints and sessions.
SECONDS_TO_WRITE = 20


def render(overlay):
    done = subprocess.run([KUBECTL, "kustomize", FOLDER / overlay], check=True, capture_output=True, text=True)
    return [resource for resource in yaml.safe_load_all(done.stdout) if resource]


def of_kind(resources, kind):
    return [resource for resource in resources if resource["kind"] == kind]


def seconds(text):
    parts = re.findall(r"([0-9.]+)(h|ms|m|s)", text)
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1, "ms": 0.001}[unit] for number, unit in parts)


def bytes_of(text):
    number, unit = re.fullmatch(r"([0-9]+)([KMGT]?)i?B?", str(text)).groups()
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]


class Overlay:
    """What holds for every overlay; one class below for each."""

    overlay = None

    @classmethod
    def setUpClass(cls):
        cls.resources = render(cls.overlay)
        (cls.workload,) = of_kind(cls.resources, "StatefulSet")
        cls.pod = cls.workload["spec"]["template"]
        (cls.container,) = cls.pod["spec"]["containers"]
        cls.ports = {port["name"]: port["containerPort"] for port in cls.container["ports"]}
        cls.mounts = {mount["name"]: mount["mountPath"] for mount in cls.container["volumeMounts"]}

    def matches(self, selector):
        labels = self.pod["metadata"]["labels"]
        return bool(selector) and selector.items() <= labels.items()

    def configuration(self):
        """What the pod's derind would run with, after it said that it would: with files like the secrets', in a folder."""
        (config,) = of_kind(self.resources, "ConfigMap")
        self.assertEqual(self.pod["spec"]["volumes"][0]["configMap"]["name"], config["metadata"]["name"])
        with tempfile.TemporaryDirectory() as folder:
            # Where the pod has files, the folder has them.
            def here(text):
                return re.sub(r"/(etc|var/lib)/derin\b", rf"{folder}/\1/derin", text)

            for path in self.mounts.values():
                pathlib.Path(here(path)).mkdir(parents=True)
            for name, text in config["data"].items():
                (pathlib.Path(here(self.mounts["config"])) / name).write_text(here(text))
            tls = here(self.mounts["tls"])
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-subj", "/CN=derin", "-keyout", f"{tls}/tls.key", "-out", f"{tls}/tls.crt"],
                           check=True, capture_output=True)
            token = '{"name":"ada","roles":["read"],"token_sha256":"%s"}\n' % ("a" * 64)
            (pathlib.Path(here(self.mounts["tokens"])) / "tokens").write_text(token)
            program, *words = self.container["command"] + self.container["args"]
            self.assertEqual(program, "derind")
            command = [DERIND, *map(here, words)]
            # With a device that this machine has; the pod's is looked at below.
            checked = subprocess.run([*command, "--device", "cpu", "--check-config"], capture_output=True, text=True)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))
            self.assertIn("TLS, for whoever has one of 1 token", checked.stdout)
            printed = subprocess.run([*command, "--print-config"], check=True, capture_output=True, text=True).stdout
            return tomllib.loads(printed.replace(folder, ""))

    def test_schemas_take_every_resource(self):
        for resource in self.resources:
            for version in VERSIONS:
                with self.subTest(kind=resource["kind"], version=version):
                    kubernetes_validate.validate(resource, version, strict=True)

    def test_has_what_is_promised(self):
        kinds = sorted(resource["kind"] for resource in self.resources)
        self.assertEqual(kinds, ["ConfigMap", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service",
                                 "StatefulSet"])
        for resource in self.resources:
            if resource["kind"] != "Namespace":
                self.assertEqual(resource["metadata"]["namespace"], "derin", resource["kind"])

    def test_selectors_find_the_pod(self):
        self.assertTrue(self.matches(self.workload["spec"]["selector"]["matchLabels"]))
        for service in of_kind(self.resources, "Service"):
            self.assertTrue(self.matches(service["spec"]["selector"]), service["metadata"]["name"])
        (budget,) = of_kind(self.resources, "PodDisruptionBudget")
        self.assertTrue(self.matches(budget["spec"]["selector"]["matchLabels"]))
        (policy,) = of_kind(self.resources, "NetworkPolicy")
        self.assertTrue(self.matches(policy["spec"]["podSelector"]["matchLabels"]))

    def test_the_set_has_its_headless_service(self):
        named = [s for s in of_kind(self.resources, "Service") if s["metadata"]["name"] == self.workload["spec"]["serviceName"]]
        self.assertEqual([service["spec"]["clusterIP"] for service in named], ["None"])

    def test_ports_are_those_that_the_server_listens_on(self):
        configuration = self.configuration()
        self.assertEqual(configuration["listen"], f"0.0.0.0:{self.ports['grpc']}")
        self.assertEqual(configuration["metrics-listen"], f"0.0.0.0:{self.ports['metrics']}")
        for service in of_kind(self.resources, "Service"):
            for port in service["spec"]["ports"]:
                self.assertEqual(self.ports[port["targetPort"]], port["port"])
        (policy,) = of_kind(self.resources, "NetworkPolicy")
        allowed = [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
        self.assertEqual(sorted(allowed), sorted(self.ports))

    def test_probes_ask_the_pages_for_health(self):
        for probe, page in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]:
            self.assertEqual(self.container[probe]["httpGet"], {"path": page, "port": "metrics"})

    def test_there_is_time_to_drain(self):
        (_, pause) = self.container["lifecycle"]["preStop"]["exec"]["command"]
        needed = int(pause) + seconds(self.configuration()["grace"]) + SECONDS_TO_WRITE
        self.assertLessEqual(needed, self.pod["spec"]["terminationGracePeriodSeconds"])

    def test_data_is_on_the_volume_and_fits(self):
        configuration = self.configuration()
        (claim,) = self.workload["spec"]["volumeClaimTemplates"]
        mount = self.mounts[claim["metadata"]["name"]]
        self.assertEqual(pathlib.PurePosixPath(configuration["data-dir"]).parent, pathlib.PurePosixPath(mount))
        self.assertLess(bytes_of(configuration["session-disk"]), bytes_of(claim["spec"]["resources"]["requests"]["storage"]))
        self.assertEqual(self.workload["spec"]["replicas"], 1)

    def test_every_volume_is_mounted_and_there(self):
        volumes = {volume["name"] for volume in self.pod["spec"]["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in self.workload["spec"]["volumeClaimTemplates"]}
        self.assertEqual(volumes, set(self.mounts))

    def test_the_pod_may_do_little(self):
        pod, container = self.pod["spec"]["securityContext"], self.container["securityContext"]
        user = re.search(r"^USER ([0-9]+):([0-9]+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        self.assertEqual((str(pod["runAsUser"]), str(pod["runAsGroup"])), user.groups())
        self.assertEqual(pod["fsGroup"], pod["runAsGroup"])
        self.assertTrue(pod["runAsNonRoot"])
        self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertTrue(container["readOnlyRootFilesystem"])
        self.assertFalse(container["allowPrivilegeEscalation"])
        self.assertEqual(container["capabilities"], {"drop": ["ALL"]})
        self.assertFalse(self.pod["spec"]["automountServiceAccountToken"])

    def test_the_image_is_of_this_version(self):
        version = re.search(r"project\(derin VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
        self.assertIn(f'org.opencontainers.image.version="{version}"', (ROOT / "Dockerfile").read_text())
        self.assertEqual(self.container["image"].removesuffix("-cuda"), f"derin:{version}")


class Cpu(Overlay, unittest.TestCase):
    overlay = "cpu"

    def test_computes_on_the_processors_that_it_has(self):
        configuration = self.configuration()
        self.assertEqual(configuration["device"], "cpu")
        resources = self.container["resources"]
        # As many as its limit allows, and so a whole number.
        self.assertEqual(str(configuration["threads"]), "0")
        self.assertTrue(resources["limits"]["cpu"].isdigit())
        self.assertEqual(resources["limits"], resources["requests"])
        self.assertNotIn("cuda", self.container["image"])


class Gpu(Overlay, unittest.TestCase):
    overlay = "gpu"

    def test_computes_on_the_one_gpu_that_it_has(self):
        self.assertEqual(self.configuration()["device"], "cuda")
        for wanted in self.container["resources"].values():
            self.assertEqual(wanted["nvidia.com/gpu"], 1)
        self.assertTrue(self.container["image"].endswith("-cuda"))


class Monitoring(unittest.TestCase):
    """The Prometheus operator's resource, whose schema is not Kubernetes' own."""

    def test_finds_the_service_with_the_metrics(self):
        (monitor,) = render("monitoring")
        self.assertEqual((monitor["apiVersion"], monitor["kind"]), ("monitoring.coreos.com/v1", "ServiceMonitor"))
        self.assertEqual(set(monitor["spec"]), {"jobLabel", "selector", "endpoints"})
        labels = monitor["spec"]["selector"]["matchLabels"]
        services = [service for service in of_kind(render("cpu"), "Service")
                    if labels.items() <= service["metadata"]["labels"].items()]
        self.assertEqual(len(services), 1)
        self.assertEqual(services[0]["metadata"]["labels"][monitor["spec"]["jobLabel"]], "derin")
        self.assertEqual(services[0]["metadata"]["namespace"], monitor["metadata"]["namespace"])
        (endpoint,) = monitor["spec"]["endpoints"]
        self.assertEqual(set(endpoint), {"port", "interval"})
        self.assertIn(endpoint["port"], [port["name"] for port in services[0]["spec"]["ports"]])

    def test_the_rules_are_those_of_prometheus(self):
        printed = subprocess.run([FOLDER / "monitoring/rules.sh"], check=True, capture_output=True, text=True).stdout
        resources = list(yaml.safe_load_all(printed))
        for resource, name in zip(resources, ("recording_rules", "alerts"), strict=True):
            self.assertEqual((resource["apiVersion"], resource["kind"]), ("monitoring.coreos.com/v1", "PrometheusRule"))
            self.assertEqual(resource["metadata"]["namespace"], "derin")
            self.assertEqual(resource["spec"], yaml.safe_load((ROOT / f"deploy/prometheus/{name}.yaml").read_text()))
        self.assertEqual(len({resource["metadata"]["name"] for resource in resources}), 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
