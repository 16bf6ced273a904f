"""What a pod's log says in the end when an installation cannot work, and whether the pod ends or stays."""

import re
import time

from beside import PROXY, PROXY_PORT
from cluster import NAMESPACE, check, must, wait_for
from documents import Documents
from house import ROOT

# docs/settings.md: settings that cannot be used.
UNUSABLE = 3
REFUSES = f"http://{PROXY}:{PROXY_PORT}"


class Fault:
    """Values that cannot work; `says` is what the last line has, and `code` how the pod ends, if it does."""

    def __init__(self, name, says, code=None, key=None, ca=None, proxy=None, repeats=25, **values):
        self.name, self.says, self.code, self.repeats = name, says, code, repeats
        self.key, self.ca, self.proxy, self.values = key, ca, proxy, values


class Faults:
    """All of them at once, each in a namespace of its own."""

    def __init__(self, house):
        self.house, self.cluster, self.beside = house, house.cluster, house.beside
        wrong, broken = self.beside.keys["wrong"]["key"], "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        self.faults = {
            "ca-wrong": Fault("a wrong CA", r"remedy=.*customCaCert", ca=self.beside.public.with_suffix(".crt").read_text()),
            "ca-broken": Fault("a CA that is no certificate", r"trust\.ca_files.*; set .* \(chart: customCaCert, base64 of PEM; ", UNUSABLE, ca=broken),
            "proxy": Fault("a proxy that refuses", r"remedy=.*proxy", proxy=REFUSES),
            # A key is asked for once a minute, and up to half as much later.
            "key-wrong": Fault("a wrong access key", r"remedy=.*access key", key=wrong, repeats=100),
            "key-typo": Fault("an access key with a typing error", r"access_key.*; set .* \(chart: accessKey, the key itself; ", UNUSABLE, key=typo(wrong)),
            "key-missing": Fault("a missing access key", r"access_key_file.*; set .* \(chart: .*existingSecret\.accessKey\)", UNUSABLE, key="",
                                 existingSecret={"accessKey": {"name": "nowhere"}}),
        }

    def checks(self):
        each = [(f"{fault.name}: {self.ends(fault)}", lambda name=name: self.one(name)) for name, fault in self.faults.items()]
        return [
            ("helm install without an access key says how to set it", self.no_key),
            ("each is installed", self.start),
            *each,
            ("those that stay are mended without a restart by hand", self.mended),
            ("a fault that an upgrade brings leaves the pod from before, and docs/troubleshooting.md finds it", self.by_upgrade),
        ]

    def ends(self, fault):
        if fault.code is None:
            return "the pod stays, not ready, and repeats the line that says what to do"
        return f"the pod ends with {fault.code}, and its log with a line that says what to do"

    def no_key(self):
        done = self.cluster.helm("install", "backline", str(self.house.chart), "-n", NAMESPACE)
        said = [line for line in done.err.splitlines() if "accessKey" in line]
        check(done.code != 0 and len(said) == 1 and "--set accessKey=" in said[0], done)

    def start(self):
        self.beside.certify(self.beside.company)
        self.beside.squid("http_access deny all")
        for name, fault in self.faults.items():
            values = self.house.values() | fault.values
            values["gitproxy"] = {"enabled": True}
            if fault.key is not None:
                values["accessKey"] = fault.key
            if fault.ca:
                values["customCaCert"] = fault.ca
            if fault.proxy:
                values["proxy"] = {"httpsProxy": fault.proxy}
            self.cluster.restricted(self.namespace(name))
            self.house.install(values, self.namespace(name))

    def one(self, name):
        fault, namespace = self.faults[name], self.namespace(name)
        if fault.code is None:
            return self.stays(fault, namespace)

        def ended():
            pods = self.cluster.pods(namespace)
            return pods[0] if pods and pods[0].ended() is not None else None
        pod = wait_for(ended, 90, lambda: f"no pod has ended: {self.cluster.pods(namespace)}")
        check(pod.ended() == fault.code, pod)
        # With the first restart the log is that of the container before.
        lines = self.lines(pod, "--previous") or self.lines(pod)
        check(re.search(fault.says, lines[-1]), f"the last line is {lines[-1]!r}")
        return lines[-1]

    def stays(self, fault, namespace):
        def last():
            pods = self.cluster.pods(namespace)
            lines = self.lines(pods[0]) if pods else []
            told = [line for line in lines if re.search(fault.says, line)]
            return lines if len(told) >= 2 else None
        lines = wait_for(last, fault.repeats, lambda: f"not told twice: {self.cluster.logs(self.cluster.pods(namespace)[0].name, namespace=namespace)}")
        check(re.search(fault.says, lines[-1]), f"the last line is {lines[-1]!r}")
        (pod,) = self.cluster.pods(namespace)
        check(pod.restarts == 0 and not pod.ready and "running" in pod.state, pod)
        return re.search(r'remedy="?([^"]*)', lines[-1])[1]

    def mended(self):
        """What was wrong is put right elsewhere: at the gateway, at the proxy."""
        began = time.monotonic()
        self.beside.squid("http_access allow all")
        self.cluster.ready(namespace=self.namespace("proxy"))
        took = time.monotonic() - began
        (pod,) = self.cluster.pods(self.namespace("proxy"))
        check(pod.restarts == 0, pod)
        return f"{took:.1f} s after the proxy lets it pass"

    def by_upgrade(self):
        namespace, fault = self.namespace("proxy"), self.faults["key-typo"]
        (before,) = self.cluster.pods(namespace)
        key = ["--reuse-values", "--set", f"accessKey={fault.key}"]
        must(self.cluster.helm("upgrade", "backline", str(self.house.chart), "-n", namespace, *key))

        def crashed():
            return [pod for pod in self.cluster.pods(namespace) if pod.name != before.name and pod.restarts > 0]
        wait_for(crashed, 90, lambda: f"no new pod has crashed: {self.cluster.pods(namespace)}")
        page = Documents(ROOT / "docs/troubleshooting.md", self.house.docs.folder, {"-n backline": f"-n {namespace}"})

        def told():
            done = must(page.run("--previous"))
            return re.search(fault.says, done.out)
        # In the moment of a restart the kubelet has no log to give.
        wait_for(told, 30, "the page's command does not show what the new pod ended with", every=3)
        after = self.cluster.pod(before.name, namespace)
        check(after.ready and after.restarts == before.restarts, after)

    def lines(self, pod, *words):
        return self.cluster.logs(pod.name, *words, namespace=pod.namespace).splitlines()

    def namespace(self, name):
        return f"{NAMESPACE}-{name}"


def typo(key):
    """The key with its last letter another one, which its checksum tells."""
    return key[:-1] + ("a" if key[-1] != "a" else "b")
