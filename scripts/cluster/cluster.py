"""The cluster that is tested on: helm, kubectl, a way to load an image, and what runs beside it."""

import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

# Of the agent, and of the gateway where it runs on the cluster too, as docs/install.md has them.
NAMESPACE, CLOUD = "backline", "cloud"
LABEL = "app=gitproxy"


class Failed(Exception):
    """A check that does not hold, in words."""


class Missing(Exception):
    """Something that the whole test needs is not here."""


class Done:
    """What a program said."""

    def __init__(self, words, done, seconds):
        self.words, self.code, self.seconds = words, done.returncode, seconds
        self.out, self.err = done.stdout, done.stderr

    def __str__(self):
        said = (self.out + self.err).strip()
        return f"{shlex.join(self.words)}\nended with {self.code} after {self.seconds:.1f} s:\n{said}"


class Cluster:
    """See the module. What it is made of comes from the environment; the head of scripts/cluster-test says how."""

    def __init__(self, environment=os.environ):
        def words(name, default):
            return shlex.split(environment.get(f"CLUSTER_TEST_{name}", default))

        self.tool = environment.get("CLUSTER_TEST_TOOL")
        if self.tool:
            self.tool = str(Path(self.tool).resolve())
        tool = shlex.quote(self.tool) if self.tool else ""
        self.kubectl_words = words("KUBECTL", f"{tool} kubectl" if tool else "kubectl")
        self.load_words = words("LOAD", f"{tool} load" if tool else "kind load image-archive")
        self.beside_words = words("BESIDE", f"{tool} exec" if tool else "")
        self.node_words = words("NODE", "" if tool else "docker exec kind-control-plane")
        self.name_words = words("NAME", f"{tool} host" if tool else f"{Path(__file__).parent / 'kind-name'}")
        helm, other = found("helm", "helm-4"), found("helm-3")
        self.helm_words = words("HELM", f"{tool} exec {helm}" if tool else helm)
        self.other_helm_words = words("OTHER_HELM", "" if not tool or other == "helm-3" else f"{tool} exec {other}")
        self.address = environment.get("CLUSTER_TEST_ADDRESS", "10.98.0.1" if tool else None) or kind_address()

    def up(self):
        if not self.tool:
            return
        # It says what it builds, which takes minutes. A first start may stop half-way, and the next one goes on from there.
        for _ in range(2):
            if subprocess.run([self.tool, "up"]).returncode == 0:
                self.storage()
                return self.bridge()
            self.down()
        raise Failed(f"{self.tool} up has failed twice")

    def storage(self):
        """A node that does not count its local storage would take no pod that asks for some, as ours do."""
        some = {"ephemeral-storage": "10Gi"}
        patch = json.dumps({"status": {"capacity": some, "allocatable": some}})
        for node in json.loads(must(self.kubectl("get", "nodes", "-o", "json")).out)["items"]:
            if "ephemeral-storage" not in node["status"]["allocatable"]:
                must(self.kubectl("patch", "node", node["metadata"]["name"], "--subresource=status", "--type=merge", "-p", patch))

    def bridge(self):
        """A bridge that nobody has given an address takes that of a port of its own, and another one whenever pods come and go: for
        half a minute the pods beside them then send to an address that nothing has, their questions for names too."""
        links = json.loads(must(self.beside("ip", "-json", "-details", "link", "show", "type", "bridge")).out)
        for link in links:
            must(self.beside("ip", "link", "set", "dev", link["ifname"], "address", "02:00:00:00:00:01"))

    def down(self):
        if self.tool:
            run([self.tool, "down"])

    def load(self, archive):
        must(run([*self.load_words, str(archive)], timeout=300))

    def name(self, name):
        """Gives pods a name for what runs beside the cluster."""
        must(run([*self.name_words, self.address, name]))

    def service(self, address, name):
        """Gives pods a name that is Kubernetes' own, where the cluster gives none by itself."""
        if self.tool:
            must(run([*self.name_words, address, name]))

    def kubectl(self, *words, **options):
        return run([*self.kubectl_words, *words], **options)

    def helm(self, *words, **options):
        return run([*self.helm_words, *words], **options)

    def beside(self, *words, **options):
        return run([*self.beside_words, *words], **options)

    def node(self, *words, **options):
        return run([*self.node_words, *words], **options)

    def get(self, *words, namespace=NAMESPACE):
        """Objects as kubectl's JSON has them; none where there are none."""
        done = self.kubectl("get", "-n", namespace, *words, "-o", "json", "--ignore-not-found")
        must(done)
        return json.loads(done.out) if done.out.strip() else {}

    def pods(self, namespace=NAMESPACE, label=LABEL):
        """The pods that are not about to go, the oldest first."""
        pods = [Pod(it) for it in self.get("pods", "-l", label, namespace=namespace).get("items", [])]
        return sorted((pod for pod in pods if not pod.going), key=lambda pod: pod.made)

    def pod(self, name, namespace=NAMESPACE):
        found = self.get("pod", name, namespace=namespace)
        return Pod(found) if found else None

    def ready(self, count=1, instead_of=(), namespace=NAMESPACE, within=90, label=LABEL):
        """Waits until so many pods are there and ready, none of the earlier ones among them."""
        def there():
            pods = self.pods(namespace, label)
            fresh = {pod.name for pod in pods}.isdisjoint(pod.name for pod in instead_of)
            return pods if fresh and len(pods) == count and all(pod.ready for pod in pods) else None

        def problem():
            return "; ".join(str(pod) for pod in self.pods(namespace, label)) or "there is no pod"
        return wait_for(there, within, lambda: f"not {count} new pods that are ready: {problem()}")

    def logs(self, pod, *words, namespace=NAMESPACE):
        return self.kubectl("logs", "-n", namespace, pod, *words).out

    def forget(self, namespace=NAMESPACE):
        """Takes a namespace away, with everything in it."""
        self.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=true", "--timeout=120s")

    def restricted(self, namespace=NAMESPACE):
        """Makes a namespace that takes no pod but restricted ones."""
        must(self.kubectl("create", "namespace", namespace))
        self.restrict(namespace)

    def restrict(self, namespace):
        level = [f"pod-security.kubernetes.io/{word}=restricted" for word in ["enforce", "warn"]]
        must(self.kubectl("label", "namespace", namespace, *level))


class Pod:
    """What kubectl says of a pod with one container."""

    def __init__(self, found):
        status = found.get("status", {})
        self.name, self.uid = found["metadata"]["name"], found["metadata"]["uid"]
        self.namespace = found["metadata"]["namespace"]
        self.made = found["metadata"]["creationTimestamp"]
        self.going = "deletionTimestamp" in found["metadata"]
        self.spec, self.phase, self.address = found["spec"], status.get("phase"), status.get("podIP")
        container = (status.get("containerStatuses") or [{}])[0]
        self.ready, self.restarts = container.get("ready", False), container.get("restartCount", 0)
        self.state, self.last = container.get("state", {}), container.get("lastState", {})

    def __str__(self):
        return f"{self.name}: {self.phase}, ready {self.ready}, {self.restarts} restarts, {json.dumps(self.state)}"

    def ended(self):
        """The container's exit code, where it has ended."""
        ended = self.state.get("terminated") or self.last.get("terminated")
        return ended["exitCode"] if ended else None

    def environment(self):
        return {it["name"]: it.get("value") for it in self.spec["containers"][0]["env"]}


def run(words, timeout=180, **options):
    began = time.monotonic()
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired as over:
        raise Failed(f"{shlex.join(words)}: no end after {timeout} s\n{over.stdout or ''}{over.stderr or ''}") from over
    except FileNotFoundError as error:
        raise Missing(f"{words[0]} is missing") from error
    return Done(words, done, time.monotonic() - began)


def must(done):
    if done.code != 0:
        raise Failed(str(done))
    return done


def check(good, what):
    if not good:
        raise Failed(what if isinstance(what, str) else str(what))


def wait_for(there, within, problem, every=0.25):
    """Asks until there is an answer, and gives it."""
    end = time.monotonic() + within
    while True:
        found = there()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"{problem() if callable(problem) else problem} (after {within} s)")
        time.sleep(every)


def found(*names):
    """The first of these programs that is here, as scripts/test installs it too."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitproxy/bin"
    path = f"{os.environ.get('PATH', '')}:{cache}:/usr/local/sbin:/usr/sbin:/sbin"
    return next((there for there in (shutil.which(name, path=path) for name in names) if there), names[0])


def kind_address():
    """This machine, as pods of kind see it."""
    form = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
    gateways = run(["docker", "network", "inspect", "kind", "-f", form]).out.split()
    address = next((it for it in gateways if ":" not in it), None)
    if not address:
        raise Missing("there is no network of kind: name the address that pods reach by CLUSTER_TEST_ADDRESS")
    return address
