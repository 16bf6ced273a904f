"""The install, word for word: docs/install.md from the first command to the last."""

import re

from beside import GATEWAY, PROXY, PROXY_PORT
from cluster import NAMESPACE, check, must

UPGRADE = "helm upgrade backline deploy/charts/backline --namespace backline --reuse-values"
# As docs/install.md has them.
WGET_CERTIFICATE, WGET_LOGIN = 5, 6


class Install:
    """A release that goes through everything that the page says."""

    def __init__(self, house):
        self.house, self.cluster, self.docs, self.beside = house, house.cluster, house.docs, house.beside

    def checks(self):
        return [
            ("the namespace takes restricted pods only", self.restricted),
            ("helm install keeps the key and starts nothing", self.install),
            ("helm upgrade --set gitproxy.enabled=true starts it: 1/1 Running, 0 restarts", self.enable),
            ("doctor, status, wget and logs answer in the pod", self.ask),
            ("helm test passes", self.test),
            ("the upgrade with proxy.* rolls the pod by itself, and it goes through squid", self.proxy),
            ("the proxy's login comes from a Secret", self.login),
            ("wget ends with 5 and names the certificate while the company's CA is missing", self.no_ca),
            ("the upgrade with --set-file customCaCert rolls the pod by itself, and wget ends with 0", self.ca),
            ("another CA at the same value rolls the pod, too", self.other_ca),
            ("the gateway answers ListRepos from Bitbucket through the pod", self.connection),
            ("helm get values shows what was set", self.values),
            ("two instances, and a PodDisruptionBudget", self.two),
            ("a NetworkPolicy is taken, and another gateway", self.others),
            ("helm upgrade --reuse-values goes to the next version", self.next_version),
            ("the access key comes from a Secret of the user's own", self.own_secret),
            ("helm uninstall leaves the Secrets, the next commands nothing", self.uninstall),
        ]

    def restricted(self):
        self.cluster.restricted()
        image = ["--image", self.house.image_name(), "--dry-run=server"]
        done = self.cluster.kubectl("run", "any", "-n", NAMESPACE, *image)
        check(done.code != 0 and 'violates PodSecurity "restricted' in done.err, done)

    def install(self):
        done = must(self.docs.run("helm install backline"))
        check("nothing runs yet" in done.out, done)
        keys = self.cluster.get("secret", "accesskey")["data"]
        check(list(keys) == ["ACCESS_KEY"], keys)
        check(not self.cluster.get("pods").get("items"), "there are pods")

    def enable(self):
        must(self.docs.run("--set gitproxy.enabled=true"))
        (pod,) = self.cluster.ready(instead_of=[])
        self.shown(pod)
        return pod.name

    def ask(self):
        doctor = must(self.docs.run("gitproxy doctor", "kubectl exec"))
        check("app.backline.ai" in doctor.out, doctor)
        status = must(self.docs.run("gitproxy status", "kubectl exec"))
        check("attached, ready" in status.out, status)
        must(self.docs.run("wget -q --spider"))
        logs = must(self.docs.run("kubectl logs", "--tail=200"))
        check("attached" in logs.out, logs)

    def test(self):
        done = must(self.docs.run("helm test backline"))
        check("Succeeded" in done.out and GATEWAY in done.out, done)

    def proxy(self):
        before = self.cluster.pods()
        must(self.docs.run("--set proxy.httpProxy"))
        (pod,) = self.cluster.ready(instead_of=before)
        self.shown(pod)
        said = pod.environment()
        url = f"http://{PROXY}:{PROXY_PORT}"
        wanted = {name: url for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"]}
        wanted |= {name: ".example.com,10.0.0.0/8" for name in ["NO_PROXY", "no_proxy"]}
        check(wanted.items() <= said.items(), said)
        check(f"{GATEWAY}:443" in self.beside.tunnels(), f"squid made tunnels to {self.beside.tunnels()}")
        must(self.docs.run("wget -q --spider"))

    def login(self):
        before = self.cluster.pods()
        self.beside.squid(self.beside.login("user", "password"))
        refused = self.docs.run("wget -q --spider")
        check(refused.code == WGET_LOGIN, refused)
        must(self.docs.run("kubectl create secret generic proxy-login"))
        must(self.docs.run("proxy.credentialsSecret.name"))
        (pod,) = self.cluster.ready(instead_of=before)
        self.shown(pod)
        must(self.docs.run("wget -q --spider"))
        self.beside.squid("http_access allow all")

    def no_ca(self):
        self.beside.certify(self.beside.company)
        done = self.docs.run("wget -q --spider")
        check(done.code == WGET_CERTIFICATE, done)
        told = self.docs.run("gitproxy doctor", "kubectl exec")
        check(told.code == 4 and "customCaCert" in told.out + told.err, told)

    def ca(self):
        self.believe(self.beside.company.with_suffix(".crt"))
        must(self.docs.run("wget -q --spider"))
        must(self.docs.run("helm test backline"))

    def other_ca(self):
        """Nothing in the pod's description changes but what the chart notes of the Secret."""
        self.believe(self.beside.company.with_suffix(".crt"), self.beside.folder / "bitbucket.crt")

    def believe(self, *authorities):
        before = self.cluster.pods()
        (self.docs.folder / "ca.crt").write_text("".join(path.read_text() for path in authorities))
        must(self.docs.run("base64 ca.crt"))
        must(self.docs.run("--set-file customCaCert=ca.b64"))
        (pod,) = self.cluster.ready(instead_of=before)
        self.shown(pod)

    def connection(self):
        before = self.cluster.pods()
        (self.docs.folder / "bitbucket.token").write_text((self.beside.folder / "bitbucket.token").read_text())
        self.docs.file("connections.yaml")
        must(self.docs.run("kubectl create secret generic bitbucket-token"))
        must(self.docs.run("--values connections.yaml"))
        (pod,) = self.cluster.ready(instead_of=before)
        answer = self.beside.grpcurl("gitproxy.scm.v1.Repos/ListRepos", {"project": "SHOP"})
        slugs = sorted(it["ref"]["slug"] for it in answer["repos"])
        check(slugs == ["payments", "storefront-docs", "web-shop"], answer)
        status = must(self.docs.run("gitproxy status", "kubectl exec"))
        check(re.search(r"Repos/ListRepos on main .*: OK", status.out), status)
        must(self.docs.run("helm test backline"))
        return f"{', '.join(slugs)} by {pod.name}"

    def values(self):
        done = must(self.docs.run("helm get values"))
        for text in [f"accessKey: {self.beside.keys['agent']['key']}", "enabled: true", f"httpsProxy: http://{PROXY}:{PROXY_PORT}",
                     "customCaCert:", "name: bitbucket-token"]:
            check(text in done.out, f"no {text!r} in {done}")

    def two(self):
        must(self.docs.run("gitproxy.replicaCount=2"))
        self.cluster.ready(2)
        budget = self.cluster.get("poddisruptionbudget", "gitproxy")
        check(budget["spec"]["maxUnavailable"] == 1, budget)

    def others(self):
        before = self.cluster.pods()
        must(self.docs.run("networkPolicy.enabled=true"))
        policy = self.cluster.get("networkpolicy", "gitproxy")["spec"]
        check("Ingress" in policy["policyTypes"] and not policy.get("ingress"), policy)
        must(self.docs.run("gateway.url=https://gateway.example.com"))
        pods = self.cluster.ready(2, instead_of=before)
        logs = self.cluster.logs(pods[0].name)
        check("gateway.example.com" in logs, logs)

    def next_version(self):
        before, chart = self.cluster.pods(), self.house.next_chart()
        values = must(self.docs.run("helm get values")).out
        must(self.docs.run(exactly=UPGRADE, chart=chart))
        pods = self.cluster.ready(2, instead_of=before)
        images = {pod.spec["containers"][0]["image"] for pod in pods}
        check(images == {self.house.image_name(self.house.NEXT)}, images)
        check(must(self.docs.run("helm get values")).out == values, "the values are others now")
        self.beside.grpcurl("gitproxy.scm.v1.Repos/ListRepos", {"project": "SHOP"})

    def own_secret(self):
        before = self.cluster.pods()
        must(self.docs.run("kubectl create secret generic agent-key"))
        must(self.docs.run("existingSecret.accessKey.name=agent-key"))
        self.cluster.ready(2, instead_of=before)

    def uninstall(self):
        must(self.docs.run("helm uninstall"))
        self.house.gone("pods", "-l", "app=gitproxy")
        for kind in ["deployment", "configmap", "poddisruptionbudget", "networkpolicy"]:
            left = [it["metadata"]["name"] for it in self.cluster.get(kind).get("items", [])]
            check(not [name for name in left if "gitproxy" in name], f"{kind}: {left}")
        check(self.cluster.get("secret", "custom-ca"), "the Secret custom-ca is gone")
        must(self.docs.run("kubectl delete secret"))
        must(self.docs.run("kubectl delete pod"))
        for name in ["accesskey", "custom-ca"]:
            check(not self.cluster.get("secret", name), f"the Secret {name} is there")

    def shown(self, pod):
        """By the page's own command."""
        done = must(self.docs.run("kubectl get pods"))
        line = next((line for line in done.out.splitlines() if line.startswith(pod.name)), "")
        check(re.match(rf"{pod.name} +1/1 +Running +0 ", line), done)
