{{/*
The values that nothing reads, one a line: keys of older charts, and typing errors. `known` is what the defaults have,
`given` what was set.
*/}}
{{- define "backline.unused" -}}
{{- range $key, $value := .given -}}
{{- $path := ternary $key (printf "%s.%s" $.path $key) (empty $.path) -}}
{{- if not (hasKey $.known $key) -}}
{{- if ne $path "global" }}
{{ $path }}
{{- end -}}
{{- else -}}
{{- $known := get $.known $key -}}
{{- /* What is an empty map, or is read as a whole, has keys of its own. */ -}}
{{- if and (kindIs "map" $known) (kindIs "map" $value) (not (empty $known)) (ne $path "gitproxy.resources") -}}
{{- include "backline.unused" (dict "path" $path "known" $known "given" $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
