"""What a pod is like from outside: nothing listens, probes are quick, and a gateway that is gone does it no harm."""

import re
import signal
import time

from cluster import check, must, wait_for

# What an exec probe may take.
PROBE_MS = 50
NOT_READY_S = 15


class PodChecks:
    """An installation that runs."""

    def __init__(self, house):
        self.house, self.cluster, self.beside = house, house.cluster, house.beside

    def checks(self):
        return [
            ("an installation runs", self.start),
            ("/proc/net/tcp and tcp6 show no listening socket", self.silent),
            (f"exec probes answer in less than {PROBE_MS} ms", self.probes),
            (f"a gateway that is gone makes it not ready within {NOT_READY_S} s, and ready again when it is back", self.gone),
            (f"a gateway that falls silent makes it not ready within {NOT_READY_S} s, and ready again when it speaks", self.still),
        ]

    def start(self):
        (self.pod,) = self.house.running()

    def silent(self):
        pid, sockets = self.house.pid(self.pod), 0
        for name in ["tcp", "tcp6"]:
            table = must(self.cluster.node("cat", f"/proc/{pid}/net/{name}")).out.splitlines()
            check("local_address" in table[0], table)
            states = [line.split()[3] for line in table[1:]]
            check("0A" not in states, f"/proc/net/{name}: {table}")
            sockets += len(states)
        # Else these are not the tables that its connections are in.
        check(sockets > 0, "the pod has no connection at all")
        return f"{sockets} sockets, all of connections"

    def probes(self):
        """The program, as the node takes the time of it; and what the kubelet takes with the runtime's own work."""
        pid = self.house.pid(self.pod)
        into = ["nsenter", "--target", pid, "--mount", "--net", "--pid", "--setuid", "1020", "--setgid", "1010"]
        socket = "GITPROXY_STATUS_SOCKET=/run/gitproxy/status.sock"
        took = []
        for word in ["live", "ready"] * 10:
            began = time.monotonic()
            must(self.cluster.node("env", socket, *into, "/usr/bin/gitproxy", "health", word))
            took.append((time.monotonic() - began) * 1000)
        took.sort()
        median, slowest = took[len(took) // 2], took[-1]
        check(slowest < PROBE_MS, f"probes took {[round(it) for it in took]} ms")
        return f"{median:.0f} ms, the slowest {slowest:.0f} ms; {self.kubelet()}"

    def kubelet(self):
        node = self.cluster.kubectl("get", "nodes", "-o", "name").out.split()[0].removeprefix("node/")
        metrics = self.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics/probes").out
        figures = {}
        for part in ["sum", "count"]:
            form = rf'^prober_probe_duration_seconds_{part}{{[^}}]*pod="{self.pod.name}"[^}}]*probe_type="Readiness"[^}}]*}} (\S+)'
            figures[part] = sum(float(value) for value in re.findall(form, metrics, re.M))
        if not figures["count"]:
            return "the kubelet tells no times"
        return f"with the runtime's own work {figures['sum'] / figures['count'] * 1000:.0f} ms on average, by the kubelet"

    def gone(self):
        self.beside.end("gateway", signal.SIGKILL)
        away = self.not_ready()
        # Longer than three failures of the liveness probe would take.
        time.sleep(40)
        self.unharmed()
        self.beside.gateway()
        return f"not ready after {away:.1f} s, ready {self.back():.1f} s after it was back"

    def still(self):
        self.beside.signal("gateway", signal.SIGSTOP)
        try:
            away = self.not_ready()
            time.sleep(5)
            self.unharmed()
        finally:
            self.beside.signal("gateway", signal.SIGCONT)
        return f"not ready after {away:.1f} s, ready {self.back():.1f} s after it spoke"

    def not_ready(self):
        began = time.monotonic()
        wait_for(lambda: not self.now().ready, NOT_READY_S + 15, "it stays ready", every=0.1)
        took = time.monotonic() - began
        check(took <= NOT_READY_S, f"not ready only after {took:.1f} s")
        return took

    def back(self):
        began = time.monotonic()
        wait_for(lambda: self.now().ready, 45, lambda: f"it does not come back: {self.now()}")
        self.unharmed()
        answer = self.beside.grpcurl("gitproxy.scm.v1.Repos/ListRepos", {"project": "SHOP"})
        check(answer["repos"], answer)
        return time.monotonic() - began

    def unharmed(self):
        pod = self.now()
        check(pod.restarts == 0 and "running" in pod.state, pod)

    def now(self):
        return self.cluster.pod(self.pod.name)
