"""Pods that come and go while they are called: a rollout fails no call, and a pod that goes lets its calls finish."""

import json
import signal
import time

from beside import LARGE, LARGE_SIZE, REPO, tell, told
from cluster import NAMESPACE, check, must, wait_for

RATE = 50
# Less than the default, so that the test is not longer than it must be; the pod has 10 s more.
GRACE = 15
LOOK = "test.example.com/look"


class Rollout:
    """Two instances under a load."""

    def __init__(self, house):
        self.house, self.cluster, self.beside = house, house.cluster, house.beside

    def checks(self):
        return [
            ("two instances run", self.start),
            (f"rollouts under {RATE} calls a second fail none", self.rollouts),
        ]

    def start(self):
        self.house.running(replicaCount=2)

    def rollouts(self):
        caller = self.beside.caller("load", "--rate", str(RATE))
        time.sleep(3)
        try:
            for round in ["first", "second"]:
                before = self.cluster.pods()
                values = ["--reuse-values", "--set", f"gitproxy.podAnnotations.round={round}"]
                must(self.cluster.helm("upgrade", "backline", str(self.house.chart), "-n", NAMESPACE, *values))
                self.cluster.ready(2, instead_of=before, within=120)
                self.house.gone_all(before)
            # And one that somebody deletes.
            (first, second) = self.cluster.pods()
            must(self.cluster.kubectl("delete", "pod", first.name, "-n", NAMESPACE, "--wait=true"))
            self.cluster.ready(2, instead_of=[first])
            time.sleep(2)
        finally:
            tell(caller, signal.SIGINT)
            report = told(caller)
        check(report["failed"] == 0, json.dumps(report, indent=1))
        check(report["per_second"] > RATE * 0.95, report)
        return (f"{report['calls']} calls, {report['per_second']:.0f} a second, {report['failed']} failed; "
                f"median {report['p50_ms']:.0f} ms, p99 {report['p99_ms']:.0f} ms, slowest {report['slowest_ms']:.0f} ms")


class Drain:
    """One instance with a download in flight when its pod is deleted."""

    def __init__(self, house):
        self.house, self.cluster, self.beside = house, house.cluster, house.beside

    def checks(self):
        return [
            ("an installation runs", self.start),
            ("SIGTERM: it drains and ends with 0", self.idle),
            ("kubectl delete pod: a download that needs less than the grace finishes", self.short),
            ("kubectl delete pod: a longer one ends UNAVAILABLE when the grace is over", self.long),
        ]

    def start(self):
        self.house.running(drainGraceSeconds=GRACE)

    def idle(self):
        pod, took, code = self.deleted()
        check(code == 0 and took < GRACE, f"{pod.name} ended with {code} after {took:.1f} s")
        return f"{took:.1f} s"

    def short(self):
        caller = self.download(GRACE * 0.6)
        pod, took, code = self.deleted()
        report = told(caller)
        check(report["code"] == "Ok" and report["bytes"] == LARGE_SIZE, report)
        check(code == 0 and took < GRACE + 5, f"{pod.name} ended with {code} after {took:.1f} s")
        return f"all of it in {report['seconds']:.1f} s; the pod ended with {code} after {took:.1f} s"

    def long(self):
        caller = self.download(GRACE * 4)
        began = time.monotonic()
        pod, took, code = self.deleted()
        report = told(caller)
        after = time.monotonic() - began
        check(report["code"] == "Unavailable", report)
        # What was on its way to a slow reader is read before the end is.
        check(GRACE - 1 < after < GRACE + 8, f"it ended after {after:.1f} s: {report}")
        check(GRACE - 1 < took < GRACE + 10, f"the pod ended after {took:.1f} s")
        return f"{report['reason']} after {after:.1f} s; the pod ended with {code} after {took:.1f} s"

    def download(self, lasts):
        """Starts one, and waits until it is under way."""
        caller = self.beside.caller("download", "--repo", REPO, "--path", LARGE, "--size", str(LARGE_SIZE), "--lasts", str(lasts))
        (pod,) = self.cluster.ready()
        asks = ["exec", "-n", NAMESPACE, pod.name, "--", "gitproxy", "status", "--json"]
        wait_for(lambda: in_flight(json.loads(must(self.cluster.kubectl(*asks)).out)), 20, "the download does not begin")
        return caller

    def deleted(self):
        """Deletes the pod, and gives how long it took to end, and how; it is kept for that by a finalizer."""
        (pod,) = self.cluster.ready()
        self.patch(pod, [LOOK])
        began = time.monotonic()
        must(self.cluster.kubectl("delete", "pod", pod.name, "-n", NAMESPACE, "--wait=false"))
        try:
            ended = wait_for(lambda: self.ended(pod), GRACE + 20, f"{pod.name} does not end")
            took = time.monotonic() - began
        finally:
            self.patch(pod, None)
        self.cluster.ready(instead_of=[pod])
        return pod, took, ended.ended()

    def ended(self, pod):
        now = self.cluster.pod(pod.name)
        return now if now and now.ended() is not None else None

    def patch(self, pod, finalizers):
        patch = json.dumps({"metadata": {"finalizers": finalizers}})
        must(self.cluster.kubectl("patch", "pod", pod.name, "-n", NAMESPACE, "--type=merge", "-p", patch))


def in_flight(status):
    return sum(session["in_flight"] for session in status["sessions"])
