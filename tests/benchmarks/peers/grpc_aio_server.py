"""A grpc.aio server of Derin's own Generate, PyTorch computing: what one writes in Python on a good day.

One asyncio loop steps all streams together, at most --batch, with the cells of torch_step.py, and after each step lets
the streams' handlers run. Like derind, a stream sends its first token at once and then what has accumulated at most every
2 ms. A row without a stream is computed along; give as many streams as rows. Prompts take as many steps as they have
characters, whatever these are. Writes `ready PORT`.
"""

import asyncio
import concurrent.futures
import pathlib
import subprocess
import tempfile
import types

import grpc
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from torch import nn

import torch_step
import worker

ROOT = pathlib.Path(__file__).resolve().parents[3]
SYMBOLS = "? etaoinshrdlucmfwypvbgkjqxz"
INTERVAL = 0.002
# With more, steps run in a thread of their own, so that the loop can take calls and send meanwhile; with few, handing a step
# over costs more than it brings.
INLINE_STREAMS = 4


def messages():
    """Classes of the API's messages, from its files: code made for another protobuf may not run with this one."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", "-I", ROOT / "proto", "--include_imports", f"--descriptor_set_out={file.name}",
                        "derin/v1/generation.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    names = ("GenerateRequest", "GenerateResponse")
    return types.SimpleNamespace(**{name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"derin.v1.{name}"))
                                    for name in names})


class Stream:
    """One text on its way: what was drawn and not yet sent, and an event for its handler."""

    def __init__(self, row, prompt, wanted):
        self.row, self.forced, self.wanted = row, max(prompt, 1) - 1, wanted
        self.tokens, self.drawn = [], asyncio.Event()

    def take(self, token):
        if self.forced > 0:
            self.forced -= 1
            return
        self.tokens.append(token)
        self.wanted -= 1
        self.drawn.set()


class Engine:
    """Steps all rows as long as one of them has a stream."""

    def __init__(self, sessions, rows):
        self.sessions = sessions
        self.free, self.streams = list(range(rows)), {}
        self.news = asyncio.Event()
        self.thread = concurrent.futures.ThreadPoolExecutor(1)

    def join(self, prompt, wanted):
        stream = Stream(self.free.pop(), prompt, wanted)
        with torch.inference_mode():
            for layer in self.sessions.layers:
                layer.hidden[stream.row] = 0
                layer.cell[stream.row] = 0
            self.sessions.tokens[stream.row] = 0
        self.streams[stream.row] = stream
        self.news.set()
        return stream

    def leave(self, stream):
        del self.streams[stream.row]
        self.free.append(stream.row)

    def step(self):
        with torch.inference_mode():
            self.sessions.step()
            return self.sessions.tokens.tolist()

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            if not self.streams:
                self.news.clear()
                await self.news.wait()
            if len(self.streams) > INLINE_STREAMS:
                tokens = await loop.run_in_executor(self.thread, self.step)
            else:
                tokens = self.step()
            for row, stream in self.streams.items():
                if stream.wanted > 0:
                    stream.take(tokens[row])
            await asyncio.sleep(0)


def handlers(engine, types):
    async def generate(request, context):
        loop = asyncio.get_running_loop()
        stream = engine.join(len(request.prompt), request.max_tokens)
        try:
            while True:
                await stream.drawn.wait()
                stream.drawn.clear()
                tokens, stream.tokens = stream.tokens, []
                next_message = loop.time() + INTERVAL
                await context.write(types.GenerateResponse(
                    tokens=tokens, text="".join(SYMBOLS[token] for token in tokens)))
                if stream.wanted == 0 and not stream.tokens:
                    return
                await asyncio.sleep(next_message - loop.time())
        finally:
            engine.leave(stream)

    method = grpc.unary_stream_rpc_method_handler(generate, types.GenerateRequest.FromString,
                                                  types.GenerateResponse.SerializeToString)
    return grpc.method_handlers_generic_handler("derin.v1.GenerationService", {"Generate": method})


async def serve(options):
    rnn = nn.LSTM(options.vocabulary, options.hidden, options.layers)
    head = nn.Linear(options.hidden, options.vocabulary)
    with torch.inference_mode():
        engine = Engine(torch_step.Sessions("lstm", rnn, head, torch.float32, options.batch), options.batch)
        for _ in range(100):
            engine.sessions.step()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handlers(engine, messages()),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print("ready", port, flush=True)
    await engine.run()


def main():
    options = worker.parse_options(__doc__.splitlines()[0])
    if options.cell != "lstm" or options.precision != "f32":
        worker.unsupported("cells other than lstm, and precisions other than f32")
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
