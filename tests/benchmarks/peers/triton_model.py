"""A model of Triton's Python backend: one step of all sequences that Triton's sequence batcher brings together.

Their states stay here, a row for each sequence; ONNX Runtime computes. What is read from a request is read through what
costs the least: the sequence's number and flags from the request itself instead of control tensors.
"""

import os
import sys

# The interpreter is the machine's; what the model needs is in a virtual environment.
sys.path.append(os.environ["PEER_SITE_PACKAGES"])

import numpy  # noqa: E402
import onnxruntime  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

ROWS = 4096


class TritonPythonModel:
    def initialize(self, arguments):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["PEER_THREADS"])
        options.inter_op_num_threads = 1
        path = os.path.join(arguments["model_repository"], arguments["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs = self.session.get_inputs()
        self.names = [value.name for value in inputs if value.name not in ("tokens", "u")]
        self.outputs = ["drawn", *(f"new_{name}" for name in self.names)]
        self.states = {value.name: numpy.zeros((1, ROWS, value.shape[2]), numpy.float32) for value in inputs
                       if value.name in self.names}
        self.rows, self.free = {}, list(range(ROWS))
        self.random = numpy.random.default_rng(1)

    def execute(self, requests):
        count = len(requests)
        rows, tokens = numpy.empty(count, numpy.int64), numpy.empty(count, numpy.int64)
        gone = []
        for i, request in enumerate(requests):
            flags, sequence = request.flags(), request.correlation_id()
            if flags & triton.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
                row = self.rows[sequence] = self.free.pop()
                for state in self.states.values():
                    state[0, row] = 0
            if flags & triton.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END:
                gone.append(sequence)
            rows[i] = self.rows[sequence]
            tokens[i] = triton.get_input_tensor_by_name(request, "TOKEN").as_numpy()[0, 0]
        feed = {name: state[:, rows] for name, state in self.states.items()}
        feed["tokens"] = tokens
        feed["u"] = self.random.random((count, 1), dtype=numpy.float32)
        drawn, *new = self.session.run(self.outputs, feed)
        for name, state in zip(self.names, new):
            self.states[name][:, rows] = state
        for sequence in gone:
            self.free.append(self.rows.pop(sequence))
        drawn = drawn.astype(numpy.int32).reshape(count, 1, 1)
        return [triton.InferenceResponse([triton.Tensor("NEXT", one)]) for one in drawn]
