"""An upgrade from an older chart, whose values hold keys that nothing reads any more."""

import re

from cluster import NAMESPACE, check, must
from house import CHART
from install import UPGRADE

# What older charts had: a port, probes by HTTP, and the same name and selector.
OLDER = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: gitproxy
  labels: {app: gitproxy}
spec:
  replicas: {{ .Values.gitproxy.replicaCount }}
  selector:
    matchLabels: {app: gitproxy}
  template:
    metadata:
      labels: {app: gitproxy}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1020, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: gitproxy
          image: IMAGE
          command: [gitproxy]
          args: [run]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          env:
            - {name: GATEWAY_URL, value: https://app.backline.ai}
            - {name: ACCESS_KEY, valueFrom: {secretKeyRef: {name: accesskey, key: ACCESS_KEY}}}
          ports: [{name: http, containerPort: {{ .Values.gitproxy.adapter.port }}}]
          livenessProbe: {{- toYaml .Values.gitproxy.livenessProbe | nindent 12 }}
          readinessProbe: {{- toYaml .Values.gitproxy.readinessProbe | nindent 12 }}
---
apiVersion: v1
kind: Service
metadata: {name: gitproxy}
spec:
  selector: {app: gitproxy}
  ports: [{port: {{ .Values.gitproxy.service.port }}, targetPort: http}]
---
apiVersion: v1
kind: Secret
metadata: {name: accesskey}
stringData: {ACCESS_KEY: {{ .Values.accessKey | quote }}}
"""
UNUSED = ["environment", "worker", "janitor", "seaweedfs", "objectStorage", "gitproxy.adapter", "gitproxy.temporal",
          "gitproxy.service", "gitproxy.livenessProbe", "gitproxy.readinessProbe"]


class Older:
    """A release of such a chart."""

    def __init__(self, house):
        self.house, self.cluster, self.docs = house, house.cluster, house.docs

    def checks(self):
        return [
            ("a chart whose values hold only the older keys is installed", self.install),
            ("helm upgrade --reuse-values to ours runs, and NOTES name the unused keys", self.upgrade),
            ("nothing of the older chart is left: no port, no Service, no probe by HTTP", self.nothing_left),
        ]

    def install(self):
        chart = self.house.folder / "older"
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: backline\nversion: 0.0.9\n")
        # All of them are the older chart's own defaults, so that ours count for nothing with --reuse-values.
        (chart / "values.yaml").write_text((CHART / "ci/older-chart-values.yaml").read_text())
        (chart / "templates/all.yaml").write_text(OLDER.replace("IMAGE", self.house.image_name()))
        self.cluster.restricted()
        key = self.house.beside.keys["agent"]["key"]
        must(self.cluster.helm("install", "backline", str(chart), "-n", NAMESPACE, "--set", f"accessKey={key}"))
        (self.before,) = self.cluster.pods() or [None]

    def upgrade(self):
        done = must(self.docs.run(exactly=UPGRADE))
        notes = done.out.split("Values that nothing reads", 1)
        check(len(notes) == 2, done)
        named = re.findall(r"^  - (\S+)$", notes[1], re.M)
        check(sorted(named) == sorted(UNUSED), f"NOTES name {named}")
        (self.pod,) = self.cluster.ready(instead_of=[self.before] if self.before else [])
        check(self.pod.restarts == 0, self.pod)
        return f"{len(named)} keys"

    def nothing_left(self):
        container = self.pod.spec["containers"][0]
        check("ports" not in container, container)
        for name in ["startupProbe", "livenessProbe", "readinessProbe"]:
            check("exec" in container[name] and "httpGet" not in container[name], container[name])
        check(not self.cluster.get("service", "gitproxy"), "the Service is there")
        must(self.docs.run("wget -q --spider"))
