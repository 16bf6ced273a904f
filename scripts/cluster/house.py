"""What all groups of checks share: the image, the charts, the cluster and what stands beside it."""

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

from beside import BITBUCKET, BITBUCKET_PORT, GATEWAY, Beside
from cluster import CLOUD, NAMESPACE, Failed, must, wait_for
from documents import Documents

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "deploy/charts/backline"
# What Linux keeps of a program's name.
COMM = 15


class House:
    """See the module."""

    NEXT = "0.99.0"
    chart = CHART
    # Whether all groups of checks run.
    whole = False

    def __init__(self, cluster, folder, programs):
        self.cluster, self.folder = cluster, folder
        self.version = re.search(r"^appVersion: \"?([^\"\n]+)", (CHART / "Chart.yaml").read_text(), re.M)[1]
        self.beside = Beside(cluster, folder, programs)
        desk = folder / "desk"
        desk.mkdir()
        # The page is for who stands in the repository's folder.
        (desk / "deploy").symlink_to(ROOT / "deploy")
        self.docs = Documents(ROOT / "docs/install.md", desk, {"PROJ": "SHOP"})
        self.docs.shims(cluster)

    def start(self, options):
        """Builds the image, with a public authority of the test's own, loads it, and starts what stands beside the cluster."""
        there = self.namespaces()
        if there:
            raise Failed(f"the namespaces of the test are there: kubectl delete namespace {' '.join(there)}")
        words = [str(ROOT / "scripts/image"), "--authority", f"{self.beside.public}.crt", *options]
        if subprocess.run(words, cwd=ROOT).returncode != 0:
            raise Failed("scripts/image has failed")
        image = max((ROOT / "target/image").glob("*-test.tar"), key=lambda path: path.stat().st_mtime)
        self.cluster.load(image)
        self.cluster.load(self.renamed(image))
        self.beside.start(image)
        self.docs.filled["gpk_…"] = self.beside.keys["agent"]["key"]

    def stop(self):
        self.beside.stop()

    def change_helm(self):
        """Goes on with the other one."""
        self.cluster.helm_words, self.cluster.other_helm_words = self.cluster.other_helm_words, self.cluster.helm_words
        self.docs.shims(self.cluster)

    def helm_version(self):
        return must(self.cluster.helm("version", "--template", "{{.Version}}")).out.strip()

    def image_name(self, version=None):
        return f"gitproxy:{version or self.version}"

    def renamed(self, image):
        """The same image as that of the next version."""
        later = self.folder / "next.tar"
        with tarfile.open(image) as old, tarfile.open(later, "w") as new:
            for member in old:
                data = old.extractfile(member) if member.isfile() else None
                if member.name == "manifest.json":
                    manifest = json.load(data)
                    manifest[0]["RepoTags"] = [self.image_name(self.NEXT)]
                    text = json.dumps(manifest).encode()
                    member.size, data = len(text), io.BytesIO(text)
                if member.name != "repositories":
                    new.addfile(member, data)
        return later

    def next_chart(self):
        """The same chart as that of the next version."""
        to = ["--version", self.NEXT, "--app-version", self.NEXT, "--destination", str(self.folder)]
        must(self.cluster.helm("package", str(CHART), *to))
        return self.folder / f"backline-{self.NEXT}.tgz"

    def install(self, values, namespace=NAMESPACE, chart=CHART):
        """Installs a release with these values, JSON being YAML too."""
        file = self.folder / f"{namespace}.json"
        file.write_text(json.dumps(values))
        must(self.cluster.helm("upgrade", "--install", "backline", str(chart), "-n", namespace, "-f", str(file)))

    def values(self, gateway=GATEWAY, **agent):
        """Values of an installation that works, whichever certificate the gateway has."""
        authorities = "".join(path.read_text() for path in [
            self.beside.company.with_suffix(".crt"), self.beside.folder / "bitbucket.crt"])
        main = {"name": "main", "url": f"https://{BITBUCKET}:{BITBUCKET_PORT}/bitbucket", "projects": ["SHOP"],
                "secret": {"name": "bitbucket-token"}}
        # Bitbucket's own default, 5 requests a second, is less than a load.
        rate = [{"name": f"GITPROXY_RATE_{word}", "value": "100000"} for word in ["PER_SECOND", "BURST"]]
        agent = {"enabled": True, "connections": [main], "extraEnv": rate} | agent
        return {"accessKey": self.beside.keys["agent"]["key"], "customCaCert": authorities, "gitproxy": agent,
                "gateway": {"url": f"https://{gateway}"}}

    def running(self, namespace=NAMESPACE, gateway=GATEWAY, **agent):
        """Installs a release that works, and gives its pods."""
        self.cluster.restricted(namespace)
        token = f"--from-file=token={self.beside.folder / 'bitbucket.token'}"
        must(self.cluster.kubectl("create", "secret", "generic", "bitbucket-token", "-n", namespace, token))
        self.install(self.values(gateway, **agent), namespace)
        return self.cluster.ready(agent.get("replicaCount", 1), namespace=namespace)

    def gone(self, *what, namespace=NAMESPACE, within=60):
        wait_for(lambda: not self.cluster.get(*what, namespace=namespace).get("items"), within, f"{what} do not go")

    def gone_all(self, pods):
        """Waits until the last of these pods has ended."""
        wait_for(lambda: not any(self.cluster.pod(pod.name) for pod in pods), 90, "the old pods do not go")

    def namespaces(self):
        """Those that are the test's."""
        names = json.loads(must(self.cluster.kubectl("get", "namespaces", "-o", "json")).out)["items"]
        return [name for name in (it["metadata"]["name"] for it in names) if name.startswith(NAMESPACE) or name == CLOUD]

    def leave(self):
        """Takes everything away that a group of checks has made."""
        for name in self.namespaces():
            self.cluster.kubectl("delete", "namespace", name, "--wait=true", "--timeout=120s")
        self.beside.squid("http_access allow all")
        self.beside.end("nats")
        # A check that failed may have left the gateway as it was not.
        self.beside.end("gateway")
        self.beside.gateway()
        self.beside.certify(self.beside.public)

    def pid(self, pod, program="gitproxy"):
        """The process id of a pod's program on its node."""
        uid = pod.uid.replace("-", "_")
        # A runtime's group of processes has the pod's id in its name, with either letter.
        script = f"grep -lE '{pod.uid}|{uid}' /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3"
        for pid in self.cluster.node("sh", "-c", script).out.split():
            if self.cluster.node("cat", f"/proc/{pid}/comm").out.strip() == program[:COMM]:
                return pid
        raise Failed(f"no process of {pod} is to be found on the node")
