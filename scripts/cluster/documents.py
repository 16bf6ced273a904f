"""The commands of a page of the documents, as they stand there."""

import re
import shlex

from cluster import Failed, run

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
MARKED = re.compile(r"^<!-- cluster -->\n\n?```sh\n(.*?)^```", re.M | re.S)


class Documents:
    """Runs commands in a folder as a shell does, with what the reader fills in."""

    # Commands that were run, of whichever page.
    done = set()

    def __init__(self, page, folder, filled):
        self.name, self.folder, self.filled = page.name, folder, filled
        text = page.read_text()
        self.marked = [line for block in MARKED.findall(text) for line in joined(block)]
        blocks = FENCE.findall(text)
        self.commands = [line for kind, text in blocks if kind == "sh" for line in joined(text)]
        self.files = {text.split("\n", 1)[0].removeprefix("# "): text for kind, text in blocks if kind == "yaml"}

    def shims(self, cluster):
        """Makes `helm` and `kubectl` those of the cluster."""
        bin = self.folder / "bin"
        bin.mkdir(exist_ok=True)
        for name, words in [("helm", cluster.helm_words), ("kubectl", cluster.kubectl_words)]:
            (bin / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            (bin / name).chmod(0o755)

    def command(self, *parts, exactly=None):
        """The one command that has all of these parts, or is just this."""
        fitting = [line for line in self.commands if all(part in line for part in parts) and exactly in (None, line)]
        if len(set(fitting)) != 1:
            raise Failed(f"docs/{self.name} has {len(fitting)} commands with {exactly or parts}: {fitting}")
        line = fitting[0]
        self.done.add(plain(line))
        for placeholder, value in self.filled.items():
            line = line.replace(placeholder, value)
        return line

    def run(self, *parts, exactly=None, chart=None, **options):
        """Runs it; only the chart's reference may differ."""
        line = self.command(*parts, exactly=exactly)
        if chart:
            line = line.replace("deploy/charts/backline", str(chart))
        print(f"      $ {line if len(line) < 400 else line[:400] + '…'}", flush=True)
        return run(["bash", "-c", f'PATH="{self.folder}/bin:$PATH"; {line}'], cwd=self.folder, **options)

    def file(self, name):
        """Writes the file of that name, as the page has it."""
        text = self.files[name]
        for placeholder, value in self.filled.items():
            text = text.replace(placeholder, value)
        (self.folder / name).write_text(text)

    def left(self):
        """Commands for a cluster that have not been run."""
        return [line for line in self.marked if plain(line) not in self.done]


def plain(line):
    """Without the remark at its end, and with its words one space apart."""
    return " ".join(re.sub(r" # .*", "", line).split())


def joined(text):
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
