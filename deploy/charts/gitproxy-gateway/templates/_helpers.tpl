{{- define "gateway.name" -}}
{{- if contains "gitproxy-gateway" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-gitproxy-gateway" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* What a Service finds its pods by. */}}
{{- define "gateway.selector" -}}
app.kubernetes.io/name: gitproxy-gateway
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: gitproxy
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What every object's metadata begins with, but for its name. */}}
{{- define "gateway.metadata" -}}
namespace: {{ include "gateway.namespace" . | quote }}
labels:
  {{- include "gateway.labels" . | nindent 2 }}
{{- end -}}

{{- define "gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether there may be more than one gateway. */}}
{{- define "gateway.several" -}}
{{- if or (gt (int .Values.replicaCount) 1) .Values.autoscaling.enabled -}}true{{- end -}}
{{- end -}}

{{/* Refuses values that cannot work together, each with one sentence. */}}
{{- define "gateway.check" -}}
{{- if not (or .Values.store .Values.existingStoreSecret) -}}
{{- fail "store is missing: add `--set-file store=store.toml` with the file of tenants, agents and callers (or name a Secret that holds it with `existingStoreSecret`)" -}}
{{- end -}}
{{- if not .Values.tls.secretName -}}
{{- fail "tls.secretName is missing: name the Secret of type kubernetes.io/tls with the gateway's certificate" -}}
{{- end -}}
{{- if and (include "gateway.several" .) (not .Values.cluster.nats) -}}
{{- fail "several gateways need NATS to know of each other's agents: set `cluster.nats`, or replicaCount=1 without autoscaling" -}}
{{- end -}}
{{- if and .Values.cluster.nats (not .Values.cluster.peersTlsSecret) -}}
{{- fail "cluster.peersTlsSecret is missing: name the Secret with tls.crt, tls.key and ca.crt for the gateways' calls to each other" -}}
{{- end -}}
{{- if and .Values.gatewayApi.parentRefs (or .Values.gatewayApi.agentsHost .Values.gatewayApi.callersHost) (not .Values.gatewayApi.backendTls.hostname) -}}
{{- fail "gatewayApi.backendTls.hostname is missing: give the name in the gateway's own certificate" -}}
{{- end -}}
{{- end -}}

{{/* The certificate of the callers' listener. */}}
{{- define "gateway.callersTls" -}}
{{- .Values.tls.callersSecretName | default .Values.tls.secretName -}}
{{- end -}}
