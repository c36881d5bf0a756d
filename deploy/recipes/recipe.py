"""What the recipes share: a server, trainings on it, a table, and their curves as a picture."""

import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "deploy" / "demo" / "lantern_bay.txt"
# How the recipes train that compare what is learnt.
ADAM = ("--optimizer", "adam", "--lr", 0.002, "--seed", 1)


def parse_arguments(description, epochs, add=lambda parser: None):
    """The options of every recipe; `epochs` is its default, and `add` adds options of its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", type=pathlib.Path, default=[DEMO], metavar="TEXT",
                        help="UTF-8 files to train on [the demo text]")
    parser.add_argument("--server", metavar="HOST:PORT",
                        help="a derind that runs; it keeps what the recipe makes [one of its own, "
                             "which is gone at the end]")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin",
                        metavar="DIR", help="folder of derin and derind [%(default)s]")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "recipes",
                        metavar="DIR", help="folder of the picture [%(default)s]")
    parser.add_argument("--epochs", type=int, default=epochs, metavar="N",
                        help="passes over the text [%(default)s]")
    parser.add_argument("--hidden", type=int, default=256, metavar="N",
                        help="units of each layer [%(default)s]")
    add(parser)
    arguments = parser.parse_args()
    for text in arguments.texts:
        if not text.is_file():
            parser.error(f"there is no file {text}")
    for program in ("derin", "derind"):
        if not (arguments.bin / program).exists():
            parser.error(f"there is no {arguments.bin / program}; build first (deploy/run.sh), or "
                         "say --bin DIR")
    return arguments


def several_texts(arguments, folder):
    """The texts; a single one cut in two, the later half first."""
    if len(arguments.texts) > 1:
        return arguments.texts
    text = arguments.texts[0]
    content = text.read_text(encoding="utf-8")
    cut = content.find("\n", len(content) // 2) + 1
    halves = []
    for name, part in (("later", content[cut:]), ("earlier", content[:cut])):
        halves.append(pathlib.Path(folder) / f"{text.stem}-{name}.txt")
        halves[-1].write_text(part, encoding="utf-8")
    return halves


class Training:
    """A job that is over: what it was called, what it came to, and its curve."""

    def __init__(self, label, job, curve):
        self.label, self.job, self.curve = label, job, curve

    @property
    def model(self):
        return self.job["model_version"]

    @property
    def perplexity(self):
        """Of the last epoch's own training pass."""
        return self.job["progress"]["epoch_training_perplexity"]

    @property
    def best_validation(self):
        return self.job["progress"].get("best_perplexity")

    @property
    def tokens_per_second(self):
        """Over all of the training, validations included."""
        progress = self.job["progress"]
        return progress["tokens"] / progress["training_time_seconds"]


class Server:
    """A derind, spoken to through derin."""

    def __init__(self, bin_folder, address):
        self.bin, self.address = bin_folder, address

    def derin(self, *words, **options):
        """Standard output of `derin WORDS`; ends the recipe with derin's own message on an error."""
        command = [self.bin / "derin", *map(str, words), "--server", self.address]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **options)
        if done.returncode != 0:
            sys.exit(done.returncode)
        return done.stdout

    def json(self, *words, **options):
        return json.loads(self.derin(*words, "--json", **options))

    def engine(self):
        return self.json("status")["device"]["engine_id"]

    def add_corpus(self, name, texts, *flags):
        """A corpus of these files, one after the other. One of that name is replaced."""
        if any(corpus["name"] == f"corpora/{name}" for corpus in self.json("corpus", "list")["corpora"]):
            self.derin("corpus", "delete", name)
        with tempfile.NamedTemporaryFile(suffix=".txt") as whole:
            for text in texts:
                whole.write(pathlib.Path(text).read_bytes())
            whole.flush()
            return self.json("corpus", "add", name, whole.name, *flags, stderr=subprocess.DEVNULL)

    def train(self, label, corpus, model, *flags):
        """Trains to the end, its progress on standard error."""
        print(f"\n{label}", file=sys.stderr)
        job = self.json("train", "--corpus", corpus, "--model", model, *flags, "--detach")["name"]
        self.derin("jobs", "watch", job)
        return Training(label, self.json("jobs", "show", job),
                        self.json("jobs", "curve", job)["training_metrics"])

    def plot(self, training):
        """The curve of a training in characters."""
        print(f"\n{training.label}:")
        print(self.derin("jobs", "curve", training.job["name"].split("/")[1], "--plot"), end="")


@contextlib.contextmanager
def server_of(arguments, *flags):
    """The server that `arguments` name, or one that lives as long as the recipe."""
    if arguments.server and not flags:
        yield Server(arguments.bin, arguments.server)
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="derin-recipe-"))
    addresses = folder / "addresses"
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [arguments.bin / "derind", "--listen", f"unix:{folder}/socket", "--metrics-listen", "",
             "--data-dir", folder / "data", "--port-file", addresses, *flags],
            stdout=log, stderr=log)
    try:
        while not addresses.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)
                sys.exit(f"derind did not start:\n{(folder / 'log').read_text()}")
        yield Server(arguments.bin, f"unix:{folder}/socket")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def print_table(headings, rows):
    """Markdown, aligned: fit for a terminal and for a README."""
    lines = [headings, *rows]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(headings))]
    print()
    for number, line in enumerate(lines):
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(line, widths)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def measurements(training):
    """(step, perplexity) of the held-out text, where it was measured: every point has the last one."""
    points = []
    for point in training.curve:
        perplexity = point.get("validation_perplexity")
        if perplexity is not None and (not points or points[-1][1] != perplexity):
            points.append((point["step"], perplexity))
    return points


def draw(arguments, name, title, trainings, validation=False):
    """Perplexity over steps, a line for each training, into OUT/NAME.png."""
    try:
        import matplotlib
    except ImportError:
        print(f"\nno picture: pip install -r {pathlib.Path(__file__).parent / 'requirements.txt'}",
              file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for training in trainings:
        steps = [point["step"] for point in training.curve]
        line, = axes.plot(steps, [point["training_perplexity"] for point in training.curve],
                          label=training.label, linewidth=1.2)
        held_out = measurements(training)
        if validation and held_out:
            axes.plot(*zip(*held_out), color=line.get_color(), linestyle="--", linewidth=1.2,
                      label=f"{training.label}, held-out text")
    axes.set(title=title, xlabel="optimiser steps", ylabel="perplexity", yscale="log")
    axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    arguments.out.mkdir(parents=True, exist_ok=True)
    picture = arguments.out / f"{name}.png"
    figure.savefig(picture, dpi=110)
    print(f"\ncurves: {picture}", file=sys.stderr)
