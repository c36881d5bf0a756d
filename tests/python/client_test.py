"""Drives a real derind as a user of another language would: with a client made from the protos alone.

Usage: client_test.py DERIND PROTO_FOLDER
"""

import hashlib
import importlib
import pathlib
import sys
import tempfile
import unittest

try:
    import grpc
    import grpc_tools.protoc
    import numpy
    import safetensors
    import safetensors.numpy
except ImportError as error:
    print(f"skipped: {error}; deploy/test.sh installs tests/requirements.txt into build/venv")
    sys.exit(77)

import recurrent
from server_process import ServerProcess

DERIND, PROTO = sys.argv[1:3]
TEXT = "the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n" * 40
LAYERS, HIDDEN = 2, 12


def setUpModule():
    global server, api
    stubs = tempfile.TemporaryDirectory(prefix="derin-stubs-")
    unittest.addModuleCleanup(stubs.cleanup)
    files = [str(p.relative_to(PROTO)) for p in pathlib.Path(PROTO).rglob("*.proto")]
    code = grpc_tools.protoc.main(
        ["protoc", f"-I{PROTO}", f"-I{pathlib.Path(grpc_tools.__file__).parent}/_proto",
         f"--python_out={stubs.name}", f"--grpc_python_out={stubs.name}", *files])
    assert code == 0, f"protoc ended with {code}"
    sys.path.insert(0, stubs.name)
    api = Api()
    server = ServerProcess(DERIND)
    unittest.addModuleCleanup(server.remove)
    api.connect(server.address)
    unittest.addModuleCleanup(api.channel.close)
    train("fox")


class Api:
    """The generated modules, and a stub for each service."""

    def __init__(self):
        for name in ["corpus", "model", "training", "generation", "server"]:
            setattr(self, name, importlib.import_module(f"derin.v1.{name}_pb2"))
        self.error_details = importlib.import_module("google.rpc.error_details_pb2")
        self.status = importlib.import_module("google.rpc.status_pb2")

    def connect(self, address):
        self.channel = grpc.insecure_channel(address)
        for name in ["Corpus", "Model", "Training", "Generation", "Server"]:
            module = importlib.import_module(f"derin.v1.{name.lower()}_pb2_grpc")
            setattr(self, f"{name.lower()}_service", getattr(module, f"{name}ServiceStub")(self.channel))


def upload(name, text):
    data = text.encode()

    def messages():
        header = api.corpus.UploadCorpusHeader(corpus_id=name, sha256=hashlib.sha256(data).hexdigest())
        yield api.corpus.UploadCorpusRequest(header=header)
        for start in range(0, len(data), 1000):
            yield api.corpus.UploadCorpusRequest(chunk=data[start:start + 1000])

    return api.corpus_service.UploadCorpus(messages(), timeout=30)


def job_request(name, **spec):
    spec = {
        "corpus": f"corpora/{name}", "model": f"models/{name}", "batch": 4, "steps": 16, "epochs": 3, "seed": 7,
        "config": api.model.ModelConfig(cell=api.model.CELL_LSTM, layers=LAYERS, hidden=HIDDEN),
        "optimizer": api.training.Optimizer(adam=api.training.Adam()),
        "learning_rate": api.training.LearningRate(peak=0.01), **spec}
    return api.training.CreateTrainingJobRequest(
        training_job=api.training.TrainingJob(spec=api.training.TrainingSpec(**spec)))


def train(name):
    """Uploads TEXT and trains on it; returns the job's updates until it was over."""
    upload(name, TEXT)
    job = api.training_service.CreateTrainingJob(job_request(name), timeout=30)
    return list(api.training_service.WatchTrainingJob(api.training.WatchTrainingJobRequest(name=job.name), timeout=120))


def generate(**request):
    return list(api.generation_service.Generate(api.generation.GenerateRequest(**request), timeout=60))


def text_of(replies):
    return "".join(reply.text for reply in replies)


class PlainClient(unittest.TestCase):
    def test_uploads_a_text_and_is_told_what_arrived(self):
        corpus = upload("letters", "çay ve söz\n")
        self.assertEqual(corpus.name, "corpora/letters")
        self.assertEqual((corpus.size_bytes, corpus.character_count), (13, 11))
        self.assertEqual(corpus.sha256, hashlib.sha256("çay ve söz\n".encode()).hexdigest())
        listed = api.corpus_service.ListCorpora(api.corpus.ListCorporaRequest(), timeout=30)
        self.assertIn(corpus, listed.corpora)

    def test_watches_a_job_to_its_end(self):
        first, *updates = train("watched")
        self.assertEqual(first.WhichOneof("update"), "snapshot")
        events = [u.event for u in updates if u.HasField("event")]
        self.assertEqual([e.sequence for e in events], list(range(1, len(events) + 1)))
        progress = [u.progress for u in updates if u.HasField("progress")]
        self.assertTrue(progress)
        self.assertEqual([p.step for p in progress], sorted(p.step for p in progress))
        job = api.training_service.GetTrainingJob(api.training.GetTrainingJobRequest(name=first.snapshot.name), timeout=30)
        self.assertEqual(job.state, api.training.TrainingJob.STATE_SUCCEEDED)
        self.assertEqual(job.model_version, "models/watched/versions/1")
        self.assertEqual(job.last_sequence, len(events))
        self.assertEqual(job.progress.step, job.progress.steps)
        self.assertLess(job.progress.best_perplexity, 28)

    def test_streams_text_that_a_seed_repeats(self):
        request = {"model": "models/fox", "prompt": "the ", "max_tokens": 50, "seed": 3}
        replies = generate(**request)
        self.assertTrue(replies[0].HasField("start"))
        self.assertEqual(replies[0].start.model_version, "models/fox/versions/1")
        self.assertTrue(replies[-1].HasField("end"))
        self.assertEqual(replies[-1].end.finish_reason, api.generation.FINISH_REASON_LENGTH)
        self.assertEqual(replies[-1].end.generated_tokens, 50)
        self.assertEqual(len(text_of(replies)), 50)
        self.assertEqual(text_of(generate(**request)), text_of(replies))

    def test_keeps_the_state_of_a_session(self):
        whole = text_of(generate(model="models/fox", prompt="the ", max_tokens=40, seed=5))
        opened = api.generation_service.OpenSession(
            api.generation.OpenSessionRequest(model="models/fox", seed=5), timeout=30)
        first = generate(session=opened.name, prompt="the ", max_tokens=15)
        second = generate(session=opened.name, max_tokens=25)
        self.assertEqual(text_of(first) + text_of(second), whole)
        self.assertEqual(second[0].start.position, first[-1].end.position)
        close = api.generation.CloseSessionRequest(name=opened.name)
        api.generation_service.CloseSession(close, timeout=30)
        self.assert_refused(grpc.StatusCode.NOT_FOUND, lambda: generate(session=opened.name, max_tokens=1))

    def test_is_told_what_was_wrong_with_a_request(self):
        details = self.assert_refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            lambda: api.training_service.CreateTrainingJob(job_request("fox", batch=100_000), timeout=30))
        self.assertEqual(details["ErrorInfo"].domain, "derin")
        self.assertEqual(details["ErrorInfo"].reason, "INVALID_FIELD")
        self.assertEqual([v.field for v in details["BadRequest"].field_violations], ["training_job.spec.batch"])
        self.assert_refused(grpc.StatusCode.NOT_FOUND, lambda: generate(model="models/none", max_tokens=1))
        self.assert_refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: upload("empty", ""))

    def test_reads_the_weights_with_a_library_of_others(self):
        tensors = safetensors.numpy.load_file(self.model_file())
        vocabulary = self.model_version().vocabulary_size
        expected = {"head.weight": (vocabulary, HIDDEN), "head.bias": (vocabulary,)}
        for layer in range(LAYERS):
            inputs = vocabulary if layer == 0 else HIDDEN
            expected |= {
                f"rnn.weight_ih_l{layer}": (4 * HIDDEN, inputs), f"rnn.weight_hh_l{layer}": (4 * HIDDEN, HIDDEN),
                f"rnn.bias_ih_l{layer}": (4 * HIDDEN,), f"rnn.bias_hh_l{layer}": (4 * HIDDEN,)}
        self.assertEqual({name: tensor.shape for name, tensor in tensors.items()}, expected)
        self.assertEqual({tensor.dtype for tensor in tensors.values()}, {numpy.dtype("float32")})
        self.assertEqual(sum(t.size for t in tensors.values()), self.model_version().parameter_count)

    def test_computes_the_same_text_from_the_weights_alone(self):
        vocabulary = recurrent.vocabulary_of(TEXT)
        prompt = [vocabulary[character] for character in "the dog "]
        expected = recurrent.greedy(safetensors.numpy.load_file(self.model_file()), LAYERS, prompt, 30)
        greedy = api.generation.SamplingSettings(temperature=0)
        replies = generate(model="models/fox", prompt="the dog ", max_tokens=30, sampling=greedy)
        self.assertEqual([token for reply in replies for token in reply.tokens], expected)

    def test_finds_the_standard_services(self):
        health = api.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(health(b"", timeout=30), b"\x08\x01")  # status: SERVING
        reflection = api.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        (reply,) = reflection(iter([b"\x3a\x00"]), timeout=30)  # list_services
        for service in [b"Corpus", b"Model", b"Training", b"Generation", b"Server"]:
            self.assertIn(b"derin.v1." + service + b"Service", reply)
        info = api.server_service.GetServerInfo(api.server.GetServerInfoRequest(), timeout=30)
        self.assertTrue(info.version)
        self.assertTrue(info.device.engine_id)

    def test_ends_well_when_asked_to(self):
        short_lived = ServerProcess(DERIND)
        self.addCleanup(short_lived.remove)
        self.assertEqual(short_lived.stop(), 0, short_lived.log())

    def model_version(self):
        return api.model_service.GetModel(api.model.GetModelRequest(name="models/fox"), timeout=30).latest_version

    def model_file(self):
        """The blob that holds the version's weights, by its digest."""
        digest = self.model_version().sha256
        path = server.data / "blobs" / digest
        self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), digest)
        return path

    def assert_refused(self, code, call):
        """Checks the status of a call that fails, and returns its details by the name of their message."""
        with self.assertRaises(grpc.RpcError) as raised:
            call()
        self.assertEqual(raised.exception.code(), code, raised.exception.details())
        trailers = dict(raised.exception.trailing_metadata())
        status = api.status.Status.FromString(trailers["grpc-status-details-bin"])
        self.assertEqual((status.code, status.message), (code.value[0], raised.exception.details()))
        details = {}
        for packed in status.details:
            name = packed.type_url.rsplit(".", 1)[-1]
            details[name] = getattr(api.error_details, name)()
            self.assertTrue(packed.Unpack(details[name]))
        return details


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
