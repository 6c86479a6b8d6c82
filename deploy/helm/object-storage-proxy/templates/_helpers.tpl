{{- define "osp.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* Short enough for "-metrics" behind it. */ -}}
{{- define "osp.fullname" -}}
{{- $name := include "osp.name" . }}
{{- $full := printf "%s-%s" .Release.Name $name }}
{{- if contains $name .Release.Name }}{{ $full = .Release.Name }}{{ end }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "osp.selector" -}}
app.kubernetes.io/name: {{ include "osp.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "osp.labels" -}}
{{ include "osp.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "osp.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "osp.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "osp.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Seconds until a replica is killed: it is told to stop, waits, drains, and has some time left. */ -}}
{{- define "osp.grace" -}}
{{- addf (dig "drain_delay" 0 .Values.config) (dig "drain_timeout" 30 .Values.config) 15 | ceil | int }}
{{- end }}

{{- /* proxy.toml, unless a secret would stand in it, which anybody who may read ConfigMaps could read. */ -}}
{{- define "osp.toml" -}}
{{- with include "osp.written" (list "config" .Values.config) }}
{{- fail (printf "%sis a secret: refer to one, as in ${file:/run/secrets/NAME/KEY}" .) }}
{{- end }}
{{- range $name, $value := omit .Values.config "cos_map" }}
{{- if not (kindIs "invalid" $value) }}
{{ $name }} = {{ include "osp.value" $value }}
{{- end }}
{{- end }}
{{- if kindIs "map" .Values.config.cos_map }}
{{- range $bucket, $entry := .Values.config.cos_map }}

[cos_map.{{ toJson $bucket }}]
{{- range $key, $value := $entry }}
{{ $key }} = {{ include "osp.value" $value }}
{{- end }}
{{- end }}
{{- else }}
cos_map = {{ toJson .Values.config.cos_map }}
{{- end }}
{{- end }}

{{- /* A value in one line. toToml would write each number as a float, and so a port as 8080.0. */ -}}
{{- define "osp.value" -}}
{{- if kindIs "map" . -}}
{ {{- range $i, $key := keys . | sortAlpha }}{{ if $i }},{{ end }} {{ toJson $key }} = {{ include "osp.value" (get $ $key) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}{{ include "osp.value" $item }}{{ end }}]
{{- else -}}
{{ toJson . }}
{{- end }}
{{- end }}

{{- /* The paths of secrets that are written out, each followed by a space. */ -}}
{{- define "osp.written" -}}
{{- $path := index . 0 }}
{{- $value := index . 1 }}
{{- if kindIs "map" $value }}
{{- range $key, $item := $value }}
{{- if and $item (regexMatch "^(secret_?[kK]ey|api_?key|shared_keys|shared_password)$" $key) }}
{{- range ternary $item (list $item) (kindIs "slice" $item) }}
{{- if not (contains "${" (toString .)) }}{{ $path }}.{{ $key }} {{ end }}
{{- end }}
{{- else if and (eq $key "shared_state") (regexMatch "://[^/]*:[^/$]+@" (toString $item)) }}{{ $path }}.{{ $key }} {{ end }}
{{- include "osp.written" (list (printf "%s.%s" $path $key) $item) }}
{{- end }}
{{- else if kindIs "slice" $value }}
{{- range $i, $item := $value }}
{{- include "osp.written" (list (printf "%s[%d]" $path $i) $item) }}
{{- end }}
{{- end }}
{{- end }}
