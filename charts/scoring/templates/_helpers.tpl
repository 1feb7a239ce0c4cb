{{/* Chart part of names; the alias when the chart stands below an umbrella chart. */}}
{{- define "scoring.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Name of the release's objects: always release and chart, because dropping a repetition would give the
releases "a" and "a-scoring" one name. Longer than 52 characters (the longest suffix, "-dashboard",
must fit in 63), it is cut and told apart by a hash.
*/}}
{{- define "scoring.fullname" -}}
{{- $full := default (printf "%s-%s" .Release.Name (include "scoring.name" .)) .Values.fullnameOverride }}
{{- if gt (len $full) 52 }}
{{- $full = printf "%s-%s" ($full | trunc 43 | trimSuffix "-") ($full | sha256sum | trunc 8) }}
{{- end }}
{{- $full }}
{{- end }}

{{/* Labels that select the pods: they never change during the life of a release. */}}
{{- define "scoring.selectorLabels" -}}
app.kubernetes.io/name: {{ include "scoring.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of every object, but not of pods: a new chart version alone must not restart them. */}}
{{- define "scoring.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "scoring.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "scoring.metadata" -}}
name: {{ include "scoring.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "scoring.labels" . | nindent 2 }}
{{- end }}

{{- define "scoring.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- .Values.image.repository }}{{ ternary (printf "@%s" .Values.image.digest) (printf ":%s" $tag) (ne .Values.image.digest "") }}
{{- end }}

{{- define "scoring.serviceAccountName" -}}
{{- default (ternary (include "scoring.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* Fewest pods that there will be. */}}
{{- define "scoring.minReplicas" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicas .Values.autoscaling.enabled | int }}
{{- end }}

{{- define "scoring.keysSecret" -}}
{{- default (printf "%s-api-keys" (include "scoring.fullname" .)) .Values.auth.existingSecret }}
{{- end }}

{{/* PromQL matcher of this release's series; the operator names the job of a PodMonitor after it. */}}
{{- define "scoring.job" -}}
job="{{ .Release.Namespace }}/{{ include "scoring.fullname" . }}"
{{- end }}

{{/* Labels of the pod of `helm test`: neither the Service nor the policies select it. */}}
{{- define "scoring.testLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{/* Labels and annotations of an alert; takes root, severity, section, summary, and a window if it has one. */}}
{{- define "scoring.alert" -}}
labels:
  severity: {{ .severity }}
  {{- with .window }}
  window: {{ . }}
  {{- end }}
  release: {{ .root.Release.Name }}
annotations:
  summary: "{{ .root.Release.Namespace }}/{{ include "scoring.fullname" .root }}: {{ .summary }}"
  runbook_url: {{ .root.Values.metrics.rules.runbook }}#{{ .section }}
{{- end }}
