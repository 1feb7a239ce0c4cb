{{/* What the pods of the server and of `helm test` share. */}}
{{- define "scoring.podSpec" -}}
{{- $v := .Values -}}
serviceAccountName: {{ include "scoring.serviceAccountName" . }}
automountServiceAccountToken: false
# A Service named "modelserver" would otherwise set MODELSERVER_PORT.
enableServiceLinks: false
securityContext:
  {{- toYaml $v.podSecurityContext | nindent 2 }}
{{- with $v.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat $v.tolerations (ternary $v.gpu.tolerations list $v.gpu.enabled) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq $v.model.source.type "url" }}
initContainers:
  - name: fetch-model
    image: {{ include "scoring.image" . | quote }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    command: [python, -m, modelserver, fetch]
    args:
      - --url={{ ternary "$(MODEL_URL)" $v.model.source.url (ne $v.model.source.urlSecret.name "") }}
      - --sha256={{ $v.model.source.sha256 }}
      - --into={{ $v.model.path }}
    {{- $env := include "scoring.extraEnv" . | trim }}
    {{- if or $env $v.model.source.urlSecret.name }}
    env:
      {{- with $v.model.source.urlSecret.name }}
      - name: MODEL_URL
        valueFrom:
          secretKeyRef:
            name: {{ . }}
            key: {{ $v.model.source.urlSecret.key }}
      {{- end }}
      {{- with $env }}
      {{- . | nindent 6 }}
      {{- end }}
    {{- end }}
    resources:
      requests: {cpu: 100m, memory: 256Mi}
      limits: {memory: 512Mi}
    securityContext:
      {{- toYaml $v.securityContext | nindent 6 }}
    volumeMounts:
      - name: tmp
        mountPath: /tmp
      - name: model
        mountPath: {{ $v.model.path }}
{{- end }}
{{- end }}

{{/* Mounts of the model and of /tmp, the only place that can be written to. */}}
{{- define "scoring.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if ne .Values.model.source.type "image" }}
- name: model
  mountPath: {{ .Values.model.path }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "scoring.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- with .Values.model.source }}
{{- if eq .type "url" }}
- name: model
  emptyDir: {sizeLimit: {{ .sizeLimit }}}
{{- else if eq .type "volume" }}
- name: model
  persistentVolumeClaim: {claimName: {{ .claimName }}, readOnly: true}
{{- else if eq .type "oci" }}
- name: model
  image: {reference: {{ .reference | quote }}, pullPolicy: IfNotPresent}
{{- end }}
{{- end }}
{{- end }}
