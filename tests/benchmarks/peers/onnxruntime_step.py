"""ONNX Runtime makes one step for --batch sessions: a token id in, a drawn one out, states kept.

The whole step is one graph: Gather of a one-hot row, an LSTM (GRU, RNN) node a layer, head, Softmax
and draw. Drawing in numpy instead costs 6 to 10 % up to batch 64; I/O binding, and Gemm in place of
MatMul and Add, make no difference.
"""

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

import worker

# The ONNX operator of a cell, its number of gates and its attributes. The GRU resets after the
# product, as PyTorch's does.
CELLS = {
    "lstm": ("LSTM", 4, {}),
    "gru": ("GRU", 3, {"linear_before_reset": 1}),
    "vanilla": ("RNN", 1, {}),
}


class Graph:
    """The model of one step, with weights that are uniform in +-1/sqrt(hidden)."""

    def __init__(self, options, random):
        self.options = options
        self.random = random
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []
        # Pairs of names: what comes out as the second is the next step's first.
        self.carried = []

    def build(self):
        options = self.options
        batch, hidden, vocabulary = options.batch, options.hidden, options.vocabulary
        self.add_input("tokens", TensorProto.INT64, [batch])
        self.add_constant("identity", numpy.eye(vocabulary, dtype=numpy.float32)[None])
        self.add_node("Gather", ["identity", "tokens"], ["x"], axis=1)
        top = "x"
        for layer in range(options.layers):
            top = self.add_layer(layer, top, vocabulary if layer == 0 else hidden)
        self.add_constant("rows", numpy.array([-1, hidden]))
        self.add_node("Reshape", [top, "rows"], ["top"])
        self.add_weights("head_weight", hidden, vocabulary)
        self.add_weights("head_bias", vocabulary)
        self.add_node("MatMul", ["top", "head_weight"], ["product"])
        self.add_node("Add", ["product", "head_bias"], ["logits"])
        self.add_node("Softmax", ["logits"], ["probabilities"], axis=1)
        self.add_draw(batch, vocabulary)
        graph = helper.make_graph(self.nodes, "step", self.inputs, self.outputs, self.constants)
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(model)
        return model

    def add_layer(self, layer, x, width):
        """Returns the name of the layer's new hidden state [1, batch, hidden], also its output."""
        hidden = self.options.hidden
        operator, gates, attributes = CELLS[self.options.cell]
        self.add_weights(f"W{layer}", 1, gates * hidden, width)
        self.add_weights(f"R{layer}", 1, gates * hidden, hidden)
        self.add_weights(f"B{layer}", 1, 2 * gates * hidden)
        states = ("h", "c") if operator == "LSTM" else ("h",)
        shape = [1, self.options.batch, hidden]
        for state in states:
            self.add_input(f"{state}{layer}", TensorProto.FLOAT, shape)
            self.add_output(f"new_{state}{layer}", TensorProto.FLOAT, shape)
            self.carried.append((f"{state}{layer}", f"new_{state}{layer}"))
        # '' stands for what is left out: sequence lengths, and the output over all times.
        inputs = [x, f"W{layer}", f"R{layer}", f"B{layer}", "", *(f"{s}{layer}" for s in states)]
        outputs = ["", *(f"new_{s}{layer}" for s in states)]
        self.add_node(operator, inputs, outputs, hidden_size=hidden, **attributes)
        return f"new_h{layer}"

    def add_draw(self, batch, vocabulary):
        """The first id whose cumulative probability exceeds u times the total."""
        self.add_input("u", TensorProto.FLOAT, [batch, 1])
        self.add_output("drawn", TensorProto.INT64, [batch])
        self.add_constant("axis", numpy.array(1))
        self.add_constant("axes", numpy.array([1]))
        self.add_constant("last", numpy.array([vocabulary - 1]))
        self.add_node("CumSum", ["probabilities", "axis"], ["cumulative"])
        self.add_node("Gather", ["cumulative", "last"], ["total"], axis=1)
        self.add_node("Mul", ["u", "total"], ["threshold"])
        self.add_node("LessOrEqual", ["cumulative", "threshold"], ["passed"])
        self.add_node("Cast", ["passed"], ["ones"], to=TensorProto.INT64)
        self.add_node("ReduceSum", ["ones", "axes"], ["count"], keepdims=0)
        self.add_node("Min", ["count", "last"], ["drawn"])
        self.carried.append(("tokens", "drawn"))

    def add_node(self, operator, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))

    def add_input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))

    def add_output(self, name, kind, shape):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def add_constant(self, name, value):
        self.constants.append(onnx.numpy_helper.from_array(value, name))

    def add_weights(self, name, *shape):
        bound = self.options.hidden**-0.5
        self.add_constant(name, self.random.uniform(-bound, bound, shape).astype(numpy.float32))


class Sessions:
    def __init__(self, model, carried, threads, random):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.random = random
        self.outputs = [output for _, output in carried]
        self.inputs = [name for name, _ in carried]
        kinds = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}
        self.feed = {
            value.name: numpy.zeros(value.shape, kinds[value.type])
            for value in self.session.get_inputs()
        }

    def step(self):
        self.random.random(dtype=numpy.float32, out=self.feed["u"])
        results = self.session.run(self.outputs, self.feed)
        self.feed.update(zip(self.inputs, results))

    def check(self):
        for name, value in self.feed.items():
            if not numpy.isfinite(value).all():
                raise ArithmeticError(f"{name} is not finite")


def main():
    options = worker.parse_options(__doc__)
    if options.precision != "f32":
        worker.unsupported("bf16: ONNX Runtime's recurrent operators are f32 only on a CPU")
    random = numpy.random.default_rng(1)
    graph = Graph(options, random)
    sessions = Sessions(graph.build(), graph.carried, options.threads, random)
    worker.serve(sessions.step, options.batch, sessions.check)


if __name__ == "__main__":
    main()
