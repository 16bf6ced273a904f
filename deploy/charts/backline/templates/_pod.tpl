{{/* What the labels of every object begin with. */}}
{{- define "backline.labels" -}}
app: gitproxy
{{ include "backline.instance" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: backline
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels that the agent's pods and the doctor's have in common; they say nothing of a version. */}}
{{- define "backline.instance" -}}
app.kubernetes.io/name: gitproxy
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end -}}

{{- define "backline.image" -}}
{{- $image := .values.gitproxy.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (toString ($image.tag | default .root.Chart.AppVersion)) -}}
{{- end -}}
{{- end -}}

{{/* The parts of a pod's spec that the agent and the doctor share, as YAML; what is theirs alone is added by the caller. */}}
{{- define "backline.podSpec" -}}
{{- $v := .values -}}
serviceAccountName: gitproxy
automountServiceAccountToken: false
# Variables of the namespace's Services are none of the agent's settings.
enableServiceLinks: false
{{- with $v.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- if not $v.gitproxy.platformAssignsUser }}
  runAsUser: 1020
  runAsGroup: 1010
  # So that the agent can read the Secrets, whose files are for owner and group only.
  fsGroup: 1010
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with $v.gitproxy.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.gitproxy.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.gitproxy.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
volumes:
  {{- include "backline.volumes" . | nindent 2 }}
{{- end -}}

{{/* The parts of a container that the agent and the doctor share. */}}
{{- define "backline.container" -}}
{{- $v := .values -}}
image: {{ include "backline.image" . | quote }}
imagePullPolicy: {{ $v.gitproxy.image.pullPolicy }}
securityContext:
  runAsNonRoot: true
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
env:
  {{- include "backline.env" . | nindent 2 }}
{{- with $v.gitproxy.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "backline.mounts" . | nindent 2 }}
{{- end -}}

{{- define "backline.env" -}}
{{- $v := .values -}}
{{- $key := include "backline.accessKey" . | fromYaml -}}
- name: GITPROXY_CONFIG
  value: /etc/gitproxy/gitproxy.toml
- name: ACCESS_KEY_FILE
  value: {{ printf "/etc/backline/accesskey/%s" $key.key }}
{{- with include "backline.ca" . | fromYaml }}
- name: SSL_CERT_DIR
  value: /etc/ssl/certs:/etc/backline/ca
# A folder of SSL_CERT_DIR may be empty; what is named here must hold a certificate, or the agent says so and stops.
- name: CUSTOM_CA_CERT_FILE
  value: {{ printf "/etc/backline/ca/%s" .key }}
{{- end }}
{{- $secret := include "backline.proxyIsSecret" . }}
{{- range $setting, $names := dict "httpProxy" (list "HTTP_PROXY" "http_proxy") "httpsProxy" (list "HTTPS_PROXY" "https_proxy") }}
{{- with get $v.proxy $setting }}
{{- range $name := $names }}
- name: {{ $name }}
  {{- if $secret }}
  valueFrom:
    secretKeyRef:
      name: gitproxy-proxy
      key: {{ $setting }}
  {{- else }}
  value: {{ get $v.proxy $setting | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with $v.proxy.noProxy }}
- name: NO_PROXY
  value: {{ . | quote }}
- name: no_proxy
  value: {{ . | quote }}
{{- end }}
{{- with $v.proxy.credentialsSecret }}
{{- if .name }}
- name: PROXY_CREDENTIALS_FILE
  value: {{ printf "/etc/backline/proxy/%s" .key }}
{{- end }}
{{- end }}
{{- with $v.gitproxy.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "backline.volumes" -}}
{{- $v := .values -}}
{{- /* Secrets are optional: without one the agent starts, says in its log what is missing, and ends. */ -}}
- name: settings
  configMap:
    name: gitproxy
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
- name: access-key
  {{- include "backline.secretVolume" (include "backline.accessKey" . | fromYaml).name | nindent 2 }}
{{- with include "backline.ca" . | fromYaml }}
- name: custom-ca
  {{- include "backline.secretVolume" .name | nindent 2 }}
{{- end }}
{{- with $v.proxy.credentialsSecret.name }}
- name: proxy-credentials
  {{- include "backline.secretVolume" . | nindent 2 }}
{{- end }}
{{- with $v.gateway.clientCertSecret }}
- name: gateway-certificate
  {{- include "backline.secretVolume" . | nindent 2 }}
{{- end }}
{{- range $at, $connection := $v.gitproxy.connections }}
- name: connection-{{ $at }}
  {{- include "backline.secretVolume" $connection.secret.name | nindent 2 }}
{{- with $connection.clientCertSecret }}
- name: connection-{{ $at }}-certificate
  {{- include "backline.secretVolume" . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "backline.secretVolume" -}}
secret:
  secretName: {{ . | quote }}
  defaultMode: 0440
  optional: true
{{- end -}}

{{- define "backline.mounts" -}}
{{- $v := .values -}}
- name: settings
  mountPath: /etc/gitproxy
  readOnly: true
- name: run
  mountPath: /run/gitproxy
- name: access-key
  mountPath: /etc/backline/accesskey
  readOnly: true
{{- if include "backline.ca" . }}
- name: custom-ca
  mountPath: /etc/backline/ca
  readOnly: true
{{- end }}
{{- if $v.proxy.credentialsSecret.name }}
- name: proxy-credentials
  mountPath: /etc/backline/proxy
  readOnly: true
{{- end }}
{{- if $v.gateway.clientCertSecret }}
- name: gateway-certificate
  mountPath: /etc/backline/gateway
  readOnly: true
{{- end }}
{{- range $at, $connection := $v.gitproxy.connections }}
- name: connection-{{ $at }}
  mountPath: {{ printf "/etc/backline/connections/%s" $connection.name }}
  readOnly: true
{{- if $connection.clientCertSecret }}
- name: connection-{{ $at }}-certificate
  mountPath: {{ printf "/etc/backline/certificates/%s" $connection.name }}
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}
