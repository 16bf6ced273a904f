"""Runs the checks, times them, and says on the last line how many passed."""

import json
import subprocess
import time

from cluster import NAMESPACE, Failed


class Report:
    """Counts; `explain` prints what helps to understand a failure."""

    def __init__(self, explain):
        self.explain, self.passed, self.failed, self.skipped = explain, 0, [], 0

    def group(self, title, checks):
        """Checks of one group build on each other: with the first that fails, the rest is skipped."""
        print(f"\n== {title}", flush=True)
        for number, (name, body) in enumerate(checks):
            began = time.monotonic()
            try:
                note = body()
            except (Failed, subprocess.SubprocessError, OSError, KeyError, ValueError) as why:
                self.failed.append(f"{title}: {name}")
                print(f"FAIL  {name}  {time.monotonic() - began:.1f} s\n{indented(describe(why))}", flush=True)
                self.explain()
                rest = [skipped for skipped, _ in checks[number + 1:]]
                self.skipped += len(rest)
                for skipped in rest:
                    print(f"SKIP  {skipped}", flush=True)
                return
            self.passed += 1
            print(f"PASS  {name}  {time.monotonic() - began:.1f} s{f'  ({note})' if note else ''}", flush=True)

    def finish(self):
        for name in self.failed:
            print(f"failed: {name}")
        print(f"\n{self.passed} passed, {len(self.failed)} failed, {self.skipped} skipped", flush=True)
        return 1 if self.failed else 0


def describe(why):
    return str(why) if isinstance(why, Failed) else f"{type(why).__name__}: {why}"


def explain(cluster, beside):
    """What an engineer would look at first."""
    namespaces = json.loads(cluster.kubectl("get", "namespaces", "-o", "json").out or "{}").get("items", [])
    for namespace in (it["metadata"]["name"] for it in namespaces):
        if not namespace.startswith(NAMESPACE):
            continue
        for words in [["get", "all", "-o", "wide"], ["describe", "pods"], ["get", "events", "--sort-by=.lastTimestamp"],
                      ["logs", "-l", "app=gitproxy", "--tail=40", "--prefix"],
                      ["logs", "-l", "app=gitproxy", "--tail=20", "--prefix", "--previous"]]:
            done = cluster.kubectl(words[0], "-n", namespace, *words[1:])
            print(indented(f"--- kubectl {words[0]} -n {namespace} {' '.join(words[1:])}\n{tail(done.out or done.err)}"))
    for name in ["gateway", "bitbucket", "squid"]:
        print(indented(f"--- the end of the log of {name}\n{tail(beside.log(name), 20)}"), flush=True)


def tail(text, lines=60):
    return "\n".join(text.rstrip().splitlines()[-lines:])


def indented(text):
    return "\n".join(f"      {line}" for line in text.splitlines())
