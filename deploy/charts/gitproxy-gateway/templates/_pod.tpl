{{- define "gateway.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: GATEWAY_NAME
  value: $(POD_NAME)
- name: STORE_FILE
  value: /etc/gitproxy/store/store.toml
- name: AGENTS_LISTEN
  value: 0.0.0.0:8443
- name: AGENTS_TLS_CERT
  value: /etc/gitproxy/tls/tls.crt
- name: AGENTS_TLS_KEY
  value: /etc/gitproxy/tls/tls.key
- name: CALLERS_LISTEN
  value: 0.0.0.0:9443
- name: CALLERS_TLS_CERT
  value: /etc/gitproxy/callers-tls/tls.crt
- name: CALLERS_TLS_KEY
  value: /etc/gitproxy/callers-tls/tls.key
- name: DRAIN_SETTLE
  value: {{ int .Values.drain.settleSeconds }}s
- name: DRAIN_GRACE
  value: {{ int .Values.drain.graceSeconds }}s
- name: LOG_FORMAT
  value: {{ .Values.log.format }}
- name: RUST_LOG
  value: {{ .Values.log.filter | quote }}
{{- with .Values.otel.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: GITPROXY_TRACES_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- if .Values.cluster.nats }}
- name: CLUSTER_NATS
  value: {{ join "," .Values.cluster.nats | quote }}
- name: CLUSTER_BUCKET
  value: {{ .Values.cluster.bucket | quote }}
{{- if .Values.cluster.natsSecret }}
- name: CLUSTER_NATS_CREDENTIALS
  value: /etc/gitproxy/nats/credentials
{{- if .Values.cluster.natsCa }}
- name: CLUSTER_NATS_CA
  value: /etc/gitproxy/nats/ca.crt
{{- end }}
{{- end }}
- name: PEERS_LISTEN
  value: 0.0.0.0:7443
- name: PEERS_ADVERTISE
  value: $(POD_NAME).{{ include "gateway.name" . }}-peers.{{ include "gateway.namespace" . }}.svc:7443
- name: PEERS_TLS_CERT
  value: /etc/gitproxy/peers/tls.crt
- name: PEERS_TLS_KEY
  value: /etc/gitproxy/peers/tls.key
- name: PEERS_CA
  value: /etc/gitproxy/peers/ca.crt
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The folders of Secrets: what is read again when it changes is mounted whole, since Kubernetes renews nothing else. */}}
{{- define "gateway.secrets" -}}
{{- $secrets := list
  (dict "name" "store" "secret" (.Values.existingStoreSecret | default (printf "%s-store" (include "gateway.name" .))))
  (dict "name" "tls" "secret" .Values.tls.secretName)
  (dict "name" "callers-tls" "secret" (include "gateway.callersTls" .)) -}}
{{- if .Values.cluster.nats -}}
{{- $secrets = append $secrets (dict "name" "peers" "secret" .Values.cluster.peersTlsSecret) -}}
{{- with .Values.cluster.natsSecret -}}
{{- $secrets = append $secrets (dict "name" "nats" "secret" .) -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "all" $secrets) -}}
{{- end -}}

{{- define "gateway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1020
runAsGroup: 1010
fsGroup: 1010
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "gateway.containerSecurity" -}}
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The pod of either kind of workload. */}}
{{- define "gateway.pod" -}}
metadata:
  labels:
    {{- $labels := include "gateway.selector" . | fromYaml }}
    {{- toYaml (merge (dict) $labels .Values.podLabels) | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: gateway
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "gateway.name" . }}
  automountServiceAccountToken: false
  # Variables of the namespace's Services are none of the gateway's settings.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "gateway.podSecurity" . | nindent 4 }}
  # Settling, draining, and some seconds to end in.
  terminationGracePeriodSeconds: {{ add (int .Values.drain.settleSeconds) (int .Values.drain.graceSeconds) 10 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- if .Values.affinity }}
  affinity:
    {{- toYaml .Values.affinity | nindent 4 }}
  {{- else if include "gateway.several" . }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "gateway.selector" . | nindent 16 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: gateway
      image: {{ include "gateway.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [gitproxy-gateway]
      args: [run]
      securityContext:
        {{- include "gateway.containerSecurity" . | nindent 8 }}
      env:
        {{- include "gateway.env" . | nindent 8 }}
      ports:
        - name: agents
          containerPort: 8443
        - name: callers
          containerPort: 9443
        {{- if .Values.cluster.nats }}
        - name: peers
          containerPort: 7443
        {{- end }}
      startupProbe:
        tcpSocket:
          port: callers
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        # Not /health, which says no while the gateway drains.
        tcpSocket:
          port: callers
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet:
          scheme: HTTPS
          port: agents
          path: /health
        # More often than `drain.settleSeconds` lasts.
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 1
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- range (include "gateway.secrets" . | fromJson).all }}
        - name: {{ .name }}
          mountPath: /etc/gitproxy/{{ .name }}
          readOnly: true
        {{- end }}
  volumes:
    {{- range (include "gateway.secrets" . | fromJson).all }}
    - name: {{ .name }}
      secret:
        secretName: {{ .secret | quote }}
        defaultMode: 0440
    {{- end }}
{{- end -}}
