{{/*
The values over the chart's defaults, as YAML. Every template begins with it, and none reads `.Values`: with
`helm upgrade --reuse-values` from an older chart Helm puts that chart's defaults in the place of ours, so that a key that
is new here would be missing. `files/defaults.json` is values.yaml once more; a test compares them.
*/}}
{{- define "backline.values" -}}
{{- $defaults := .Files.Get "files/defaults.json" | fromJson -}}
{{- $given := deepCopy .Values -}}
{{- include "backline.prune" $given -}}
{{- $values := mustMergeOverwrite $defaults $given -}}
{{- /* What the user gives as a whole counts as a whole: a limit that was taken away must stay away. */ -}}
{{- with get ($given.gitproxy | default dict) "resources" -}}
{{- $_ := set $values.gitproxy "resources" . -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* Takes away what is null, as Helm 4 does: older charts have such defaults, and a default of ours would be lost. */}}
{{- define "backline.prune" -}}
{{- range $key := keys . -}}
{{- $value := get $ $key -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $ $key -}}
{{- else if kindIs "map" $value -}}
{{- include "backline.prune" $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The namespace of every object. */}}
{{- define "backline.namespace" -}}
{{- .values.namespaceOverride | default .root.Release.Namespace -}}
{{- end -}}

{{/*
The Secret and key that hold the access key, as YAML; it fails with one sentence where nothing gives one.
*/}}
{{- define "backline.accessKey" -}}
{{- $v := .values -}}
{{- if $v.existingSecret.accessKey.name -}}
{{- toYaml (dict "name" $v.existingSecret.accessKey.name "key" $v.existingSecret.accessKey.key) -}}
{{- else -}}
{{- if not (or (trim $v.accessKey) (and $v.externalSecrets.enabled $v.externalSecrets.accessKey.remoteRef.key)) -}}
{{- fail "accessKey is missing: add `--set accessKey=gpk_…` with the agent's access key (or name a Secret that holds it with `existingSecret.accessKey.name`, or set `externalSecrets`)" -}}
{{- end -}}
{{- toYaml (dict "name" "accesskey" "key" "ACCESS_KEY") -}}
{{- end -}}
{{- end -}}

{{/* The Secret and key that hold the customer's CA certificates, as YAML; empty where there are none. */}}
{{- define "backline.ca" -}}
{{- $v := .values -}}
{{- if $v.existingSecret.customCaCert.name -}}
{{- toYaml (dict "name" $v.existingSecret.customCaCert.name "key" $v.existingSecret.customCaCert.key) -}}
{{- else if or (trim $v.customCaCert) (and $v.externalSecrets.enabled $v.externalSecrets.customCaCert.remoteRef.key) -}}
{{- toYaml (dict "name" "custom-ca" "key" "ca.crt") -}}
{{- end -}}
{{- end -}}

{{/* Whether the chart itself makes the Secret `accesskey`. */}}
{{- define "backline.ownsAccessKey" -}}
{{- $v := .values -}}
{{- $elsewhere := or $v.existingSecret.accessKey.name (and $v.externalSecrets.enabled $v.externalSecrets.accessKey.remoteRef.key) -}}
{{- if and (trim $v.accessKey) (not $elsewhere) -}}true{{- end -}}
{{- end -}}

{{/* Whether the chart itself makes the Secret `custom-ca`. */}}
{{- define "backline.ownsCa" -}}
{{- $v := .values -}}
{{- $elsewhere := or $v.existingSecret.customCaCert.name (and $v.externalSecrets.enabled $v.externalSecrets.customCaCert.remoteRef.key) -}}
{{- if and (trim $v.customCaCert) (not $elsewhere) -}}true{{- end -}}
{{- end -}}

{{/* `customCaCert` as base64 on one line; PEM is taken, too. */}}
{{- define "backline.caData" -}}
{{- $given := .values.customCaCert -}}
{{- $packed := regexReplaceAll "\\s+" $given "" -}}
{{- if contains "-----BEGIN" $given -}}
{{- $packed = b64enc $given -}}
{{- end -}}
{{- if not (contains "-----BEGIN CERTIFICATE-----" (b64dec $packed)) -}}
{{- fail "customCaCert holds no certificate: give base64 of PEM, as `base64 -w0 ca.crt` prints it, by `--set` or by `--set-file customCaCert=FILE`" -}}
{{- end -}}
{{- $packed -}}
{{- end -}}

{{/* Whether a proxy's URL has a user and a password, so that it belongs into a Secret. */}}
{{- define "backline.proxyIsSecret" -}}
{{- if or (contains "@" .values.proxy.httpProxy) (contains "@" .values.proxy.httpsProxy) -}}true{{- end -}}
{{- end -}}

{{/* The port of a URL; a proxy's may be without its scheme. */}}
{{- define "backline.port" -}}
{{- $rest := regexReplaceAll "^[A-Za-z][A-Za-z0-9+.-]*://" . "" -}}
{{- $authority := regexFind "^[^/?#]+" (regexReplaceAll "^[^/]*@" $rest "") -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $authority) -}}
{{- $port | default (ternary "443" "80" (hasPrefix "https://" (lower .))) -}}
{{- end -}}
