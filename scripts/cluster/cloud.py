"""The gateway by its own chart, first one and then several, as docs/install.md has them, and an agent that is attached to it."""

import time

from cluster import CLOUD, must, wait_for

NAME = "gateway-gitproxy-gateway"
AGENTS, CALLERS, PEERS = (f"{NAME}-{part}.{CLOUD}.svc" for part in ["agents", "callers", "peers"])
COUNT, CALLERS_PORT = 3, 9443
LIST = "gitproxy.scm.v1.Repos/ListRepos"
# After four beats, as docs/gateways.md says.
FORGOTTEN_S = 15
LABEL = "app.kubernetes.io/instance=gateway"


class Cloud:
    """The release `gateway`, and one of the agent's chart."""

    def __init__(self, house):
        self.house, self.cluster, self.docs, self.beside = house, house.cluster, house.docs, house.beside

    def checks(self):
        return [
            ("the gateway comes up in a namespace that takes restricted pods only", self.one),
            ("an agent attaches through its Service, and a caller gets an answer", self.agent),
            (f"{COUNT} gateways share NATS, and each answers", self.several),
            ("each answers when one after the other was killed and is there again", self.killed),
        ]

    def one(self):
        desk = self.docs.folder
        self.beside.certificate(desk / "gateway", self.beside.public, f"DNS:{AGENTS},DNS:{CALLERS}")
        (desk / "store.toml").write_text((self.beside.folder / "store.toml").read_text())
        must(self.docs.run("kubectl create namespace cloud"))
        self.cluster.restrict(CLOUD)
        must(self.docs.run("kubectl create secret tls gateway-tls"))
        must(self.docs.run("helm install gateway"))
        must(self.docs.run("kubectl rollout status"))
        for name in [AGENTS, CALLERS]:
            service = self.cluster.get("service", name.split(".")[0], namespace=CLOUD)
            self.cluster.service(service["spec"]["clusterIP"], name)

    def agent(self):
        self.house.running(gateway=AGENTS)
        self.answers(self.gateways())

    def several(self):
        desk, peers = self.docs.folder, self.beside.authority("peers")
        self.beside.certificate(desk / "peer", peers, f"DNS:*.{PEERS}", usages="serverAuth,clientAuth")
        (desk / "peers-ca.crt").write_text(peers.with_suffix(".crt").read_text())
        self.beside.nats()
        must(self.docs.run("kubectl create secret generic gateway-peers"))
        must(self.docs.run("cluster.peersTlsSecret=gateway-peers"))
        self.answers(self.gateways(COUNT))

    def killed(self):
        for pod in self.gateways(COUNT):
            must(self.cluster.node("kill", "-KILL", self.house.pid(pod, "gitproxy-gateway")))
            wait_for(lambda: self.cluster.pod(pod.name, CLOUD).restarts > pod.restarts, 60, f"{pod.name} does not restart")
            self.answers(self.gateways(COUNT))
        # Until the others have forgotten those that were killed, whose certificate all share.
        time.sleep(FORGOTTEN_S)
        self.answers(self.gateways(COUNT))

    def gateways(self, count=1):
        """Those that are there and ready, each with the name that the others find it by."""
        pods = self.cluster.ready(count, namespace=CLOUD, label=LABEL)
        for pod in pods:
            self.cluster.service(pod.address, f"{pod.name}.{PEERS}")
        return pods

    def answers(self, gateways):
        """Each of them answers, whichever holds the agent, once it has heard of it."""
        for pod in gateways:
            def answered():
                return self.beside.ask(LIST, {"project": "SHOP"}, f"{pod.address}:{CALLERS_PORT}", CALLERS)
            wait_for(lambda: answered().code == 0, 60, lambda: f"{pod.name} does not answer: {answered()}")
