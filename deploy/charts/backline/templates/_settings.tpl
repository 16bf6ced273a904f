{{/* The agent's settings file. Strings are written as JSON, which TOML reads alike. */}}
{{- define "backline.settings" -}}
{{- $v := .values -}}
{{- $agent := $v.gitproxy -}}
# Made by the chart from its values; docs/settings.md has every setting.
{{- if $agent.labels }}
{{- $labels := list }}
{{- range $name, $value := $agent.labels }}
{{- $labels = append $labels (printf "%s=%v" $name $value) }}
{{- end }}
labels = {{ toJson $labels }}
{{- end }}

[gateway]
url = {{ toJson $v.gateway.url }}
{{- if $v.gateway.clientCertSecret }}
client_cert_file = "/etc/backline/gateway/tls.crt"
client_key_file = "/etc/backline/gateway/tls.key"
{{- end }}

[status]
socket = "/run/gitproxy/status.sock"

[drain]
grace = "{{ int $agent.drainGraceSeconds }}s"

[log]
format = {{ toJson $agent.log.format }}
filter = {{ toJson $agent.log.filter }}
{{- if $agent.debug.enabled }}

[debug]
listen = "unix:/run/gitproxy/debug/debug.sock"
{{- end }}
{{- with $agent.otel.endpoint }}

[metrics]
endpoint = {{ toJson . }}

[traces]
endpoint = {{ toJson . }}
{{- end }}
{{- if or $agent.allowedServers $agent.allowedAddresses }}

[held]
{{- with $agent.allowedServers }}
allowed_servers = {{ toJson . }}
{{- end }}
{{- with $agent.allowedAddresses }}
allowed_addresses = {{ toJson . }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range $agent.connections }}
{{- if hasKey $seen .name }}
{{- fail (printf "gitproxy.connections has two with the name %s: a call asks for one by its name" .name) }}
{{- end }}
{{- $_ := set $seen .name true }}

[connections.{{ .name }}]
url = {{ toJson .url }}
auth = {{ toJson (.auth | default "bearer") }}
{{- with .user }}
user = {{ toJson . }}
{{- end }}
token_file = {{ toJson (printf "/etc/backline/connections/%s/%s" .name (.secret.key | default "token")) }}
projects = {{ toJson .projects }}
{{- if .allowHttp }}
allow_http = true
{{- end }}
{{- if .clientCertSecret }}
client_cert_file = {{ toJson (printf "/etc/backline/certificates/%s/tls.crt" .name) }}
client_key_file = {{ toJson (printf "/etc/backline/certificates/%s/tls.key" .name) }}
{{- end }}
{{- end }}
{{ end -}}
