"""Writes a folder of models for Triton: `step`, which makes one step of the sequences of its sequence batcher."""

import argparse
import pathlib
import shutil

import numpy
import onnx

import onnxruntime_step

HERE = pathlib.Path(__file__).resolve().parent

# `oldest` batches whatever sequences have a request, `direct` would tie each to a row of a model's instance for its whole
# life. No delay: in a closed loop the next requests come while a step is under way.
CONFIGURATION = """
name: "step"
backend: "python"
max_batch_size: 256
input [{ name: "TOKEN" data_type: TYPE_INT32 dims: [1] }]
output [{ name: "NEXT" data_type: TYPE_INT32 dims: [1] }]
instance_group [{ count: 1 kind: KIND_CPU }]
sequence_batching {
  max_sequence_idle_microseconds: 10000000
  oldest { max_candidate_sequences: 1024 max_queue_delay_microseconds: DELAY }
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--delay", type=int, default=0, help="microseconds that a batch waits for more")
    options = parser.parse_args()
    shape = argparse.Namespace(cell="lstm", layers=2, hidden=256, vocabulary=28, batch="batch")
    version = options.folder / "step/1"
    version.mkdir(parents=True)
    onnx.save(onnxruntime_step.Graph(shape, numpy.random.default_rng(1)).build(), version / "model.onnx")
    shutil.copy(HERE / "triton_model.py", version / "model.py")
    (options.folder / "step/config.pbtxt").write_text(CONFIGURATION.replace("DELAY", str(options.delay)))


if __name__ == "__main__":
    main()
