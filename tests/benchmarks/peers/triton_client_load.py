"""A closed loop of sequences against Triton by the client that it has on PyPI, tritonclient's asyncio one.

Each of --streams coroutines sends the token that came with the last response, --output times for one sequence. Writes one
JSON object with tokens_per_second. One call a token: with stream_infer in its place the server (2.51) ended with a
segmentation fault at 64 streams again and again.
"""

import argparse
import asyncio
import json
import time

import numpy
import tritonclient.grpc.aio as triton


class Load:
    def __init__(self, options):
        self.options = options
        self.begin = time.perf_counter() + options.warm_up
        self.end = self.begin + options.duration
        self.tokens = 0
        self.sequences = 0

    async def stream(self, client):
        """Sequence after sequence, a call for each token."""
        ended = False
        while not ended:
            self.sequences += 1
            sequence, token = self.sequences, numpy.zeros((1, 1), numpy.int32)
            for i in range(self.options.output):
                ended = time.perf_counter() >= self.end
                tensor = triton.InferInput("TOKEN", [1, 1], "INT32")
                tensor.set_data_from_numpy(token)
                result = await client.infer(self.options.model, [tensor], sequence_id=sequence, sequence_start=i == 0,
                                            sequence_end=ended or i == self.options.output - 1)
                token = result.as_numpy("NEXT")
                if self.begin <= time.perf_counter() < self.end:
                    self.tokens += 1
                if ended:
                    break

    async def run(self):
        async with triton.InferenceServerClient(self.options.server) as client:
            await asyncio.gather(*(self.stream(client) for _ in range(self.options.streams)))
        print(json.dumps({"tokens_per_second": self.tokens / self.options.duration}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--output", type=int, default=200)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--duration", type=float, default=10)
    asyncio.run(Load(parser.parse_args()).run())


if __name__ == "__main__":
    main()
