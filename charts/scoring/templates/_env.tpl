{{/*
Environment of the server: a map of texts. Values files bring every number as a float, and a large
one would be printed with an exponent, which no whole number of the server takes.
*/}}
{{- define "scoring.env" -}}
{{- $env := dict "MODELSERVER_MODEL_THREADS" (include "scoring.threads" .) "MODELSERVER_DRAIN_DELAY_SECONDS" 10 "MODELSERVER_DRAIN_TIMEOUT_SECONDS" 30 }}
{{- range $name, $value := .Values.server }}
{{- $_ := set $env (printf "MODELSERVER_%s" ($name | snakecase | upper)) $value }}
{{- end }}
{{- $_ := set $env "MODELSERVER_MODELS" .Values.model.path }}
{{- $_ := set $env "MODELSERVER_PORT" 8080 }}
{{- $_ := set $env "MODELSERVER_MANAGEMENT_PORT" 9090 }}
{{- $_ := set $env "MODELSERVER_DEVICE" (ternary "cuda" "cpu" .Values.gpu.enabled) }}
{{- if .Values.auth.enabled }}
{{- $_ := set $env "MODELSERVER_API_KEYS_DIR" "/etc/scoring/api-keys" }}
{{- end }}
{{- range $name, $value := $env }}
{{- if kindIs "float64" $value }}
{{- $value = ternary (int64 $value) $value (eq (floor $value) $value) }}
{{- end }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{/*
Threads of one run: the CPUs requested, shared by everything that may run at a time. With a CPU limit
it is 0, and the server counts for itself; without one it would count the CPUs of the node.
*/}}
{{- define "scoring.threads" -}}
{{- if dig "limits" "cpu" "" .Values.resources }}0
{{- else }}
{{- $cpu := toString .Values.resources.requests.cpu }}
{{- $cpus := ternary (divf (trimSuffix "m" $cpu) 1000) (float64 $cpu) (hasSuffix "m" $cpu) | ceil | int }}
{{- $server := .Values.server }}
{{- max 1 (div $cpus (mul (default 1 $server.workers) (default 1 $server.instances))) }}
{{- end }}
{{- end }}

{{/* Seconds from SIGTERM to the end: what the server takes for its drain, and 5 to end in. */}}
{{- define "scoring.gracePeriod" -}}
{{- $env := include "scoring.env" . | fromYaml }}
{{- $delay := $env.MODELSERVER_DRAIN_DELAY_SECONDS | float64 | ceil | int }}
{{- $timeout := $env.MODELSERVER_DRAIN_TIMEOUT_SECONDS | float64 | ceil | int }}
{{- add $delay $timeout 5 }}
{{- end }}

{{/* The user's own variables, as a list. */}}
{{- define "scoring.extraEnv" -}}
{{- range $name, $value := .Values.extraEnv }}
- name: {{ $name }}
{{- if kindIs "string" $value }}
  value: {{ $value | quote }}
{{- else }}
  {{- toYaml $value | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
