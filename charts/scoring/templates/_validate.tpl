{{/* Ends the rendering with every refusal at once; each names a value, what is wrong, and the way out. */}}
{{- define "scoring.validate" -}}
{{- $parts := list }}
{{- range list "names" "model" "server" "scaling" "reach" "access" "monitoring" "hatches" }}
{{- $parts = append $parts (include (printf "scoring.refuse.%s" .) $ | trim) }}
{{- end }}
{{- with $parts | compact }}
{{- fail (printf "\n\nThese values do not fit together:\n%s\n" (join "\n" .)) }}
{{- end }}
{{- end }}

{{- define "scoring.refuse.names" -}}
{{- $v := .Values }}
{{- $full := include "scoring.fullname" . }}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $full) }}
- the release name gives objects the name {{ $full }}, but a Service's name begins with a letter and has no dots; choose another release name, or set fullnameOverride
{{- end }}
{{- if not $v.image.repository }}
- image.repository is missing: set the repository of your image, with its registry
{{- else if regexMatch ":[^/]*$" $v.image.repository }}
- image.repository ends in a tag: move it to image.tag
{{- end }}
{{- if eq (default .Chart.AppVersion $v.image.tag) "latest" }}
- image.tag is latest, which says nothing about what runs: name a version, or set image.digest
{{- end }}
{{- range $where, $labels := dict "commonLabels" $v.commonLabels "podLabels" $v.podLabels "metrics.monitor.labels" $v.metrics.monitor.labels "metrics.rules.labels" $v.metrics.rules.labels "metrics.dashboard.labels" $v.metrics.dashboard.labels }}
{{- range $name := keys $labels | sortAlpha }}
{{- if or (regexMatch "^(app[.]kubernetes[.]io/(name|instance|version|managed-by|component)|helm[.]sh/chart|azure[.]workload[.]identity/use)$" $name) }}
- {{ $where }} has {{ $name }}, which the chart sets itself: remove it
{{- else if and (hasPrefix "metrics." $where) (hasKey $v.commonLabels $name) }}
- {{ $where }} has {{ $name }}, which commonLabels has too: remove it from one of them
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "scoring.refuse.model" -}}
{{- $model := .Values.model }}
{{- $source := $model.source }}
{{- if not $model.name }}
- model.name is missing: set the name in /v1/models/NAME:predict
{{- end }}
{{- if or (regexMatch "^/(tmp|etc|proc|sys|dev|usr|bin|lib)?(/|$)" $model.path) (contains ".." $model.path) }}
- model.path is {{ $model.path }}, which belongs to the system: choose a folder such as /models
{{- end }}
{{- if and $source.url $source.urlSecret.name }}
- model.source.url and model.source.urlSecret.name are both set: remove one of them
{{- end }}
{{- if eq $source.type "url" }}
{{- if not (or $source.url $source.urlSecret.name) }}
- model.source.type is url, but there is no address: set model.source.url or model.source.urlSecret.name
{{- end }}
{{- if not $source.sha256 }}
- model.source.type is url, but model.source.sha256 is missing: set the SHA-256 of the file (sha256sum FILE)
{{- end }}
{{- end }}
{{- if and (eq $source.type "volume") (not $source.claimName) }}
- model.source.type is volume, but model.source.claimName is missing: name an existing PersistentVolumeClaim
{{- end }}
{{- if and (eq $source.type "oci") (not $source.reference) }}
- model.source.type is oci, but model.source.reference is missing: name the image that holds the model
{{- end }}
{{- /* Below 1.30 nothing is installed, but Helm 3 lints as if for 1.20. */}}
{{- if and (eq $source.type "oci") (semverCompare ">=1.30.0-0, <1.33.0-0" .Capabilities.KubeVersion.Version) }}
- model.source.type is oci, which needs Kubernetes 1.33; this is {{ .Capabilities.KubeVersion.Version }}: use image, url or volume
{{- end }}
{{- range $field, $type := dict "url" "url" "sha256" "url" "claimName" "volume" "reference" "oci" }}
{{- if and (get $source $field) (ne $source.type $type) }}
- model.source.{{ $field }} is set, but model.source.type is {{ $source.type }}: set it to {{ $type }}, or remove {{ $field }}
{{- end }}
{{- end }}
{{- if and $source.urlSecret.name (ne $source.type "url") }}
- model.source.urlSecret.name is set, but model.source.type is {{ $source.type }}: set it to url, or remove urlSecret
{{- end }}
{{- end }}

{{- define "scoring.refuse.server" -}}
{{- $v := .Values }}
{{- $owned := dict
  "models" "set model.path"
  "port" "the container's port is 8080; set service.port for the Service's"
  "management_port" "the management port is 9090 and never on the Service"
  "device" "set gpu.enabled"
  "api_keys_dir" "set auth.keys or auth.existingSecret" }}
{{- $seen := dict }}
{{- range $name := keys $v.server | sortAlpha }}
{{- $setting := snakecase $name }}
{{- with get $owned $setting }}
- server.{{ $name }} belongs to the chart: {{ . }}
{{- end }}
{{- if hasKey $seen $setting }}
- server.{{ get $seen $setting }} and server.{{ $name }} are one setting: remove one of them
{{- end }}
{{- $_ := set $seen $setting $name }}
{{- end }}
{{- range $name := list "client_requests_per_second" "client_max_inflight" }}
{{- if and (hasKey $seen $name) (not $v.auth.enabled) }}
- server.{{ get $seen $name }} needs auth.enabled: without keys, clients cannot be told apart; remove it, or set keys
{{- end }}
{{- end }}
{{- range $name := keys $v.extraEnv | sortAlpha }}
{{- if hasPrefix "MODELSERVER_" $name }}
- extraEnv.{{ $name }} is a setting of the server: set server.{{ trimPrefix "MODELSERVER_" $name | lower }}
{{- end }}
{{- end }}
{{- end }}

{{- define "scoring.refuse.scaling" -}}
{{- $v := .Values }}
{{- $scaling := $v.autoscaling }}
{{- $prometheus := or $scaling.targetSaturation $scaling.targetInflight }}
{{- $requests := default dict $v.resources.requests }}
{{- range list "cpu" "memory" }}
{{- if not (get $requests .) }}
- resources.requests.{{ . }} is missing: say what a pod needs, so that it is placed where that is
{{- end }}
{{- end }}
{{- range $kind := list "requests" "limits" }}
{{- range $name := keys (default dict (get $v.resources $kind)) }}
{{- if or (eq $name $v.gpu.resource) (hasPrefix "nvidia.com/" $name) }}
- resources.{{ $kind }} has {{ $name }}: set gpu.enabled and gpu.resource instead, which bring tolerations and a rollout that does not wait for a second GPU
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq (default "" $v.updateStrategy.type) "Recreate") $v.updateStrategy.rollingUpdate }}
- updateStrategy.type is Recreate, which has no rollingUpdate: remove one of them
{{- end }}
{{- if $scaling.enabled }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
- autoscaling.minReplicas is {{ $scaling.minReplicas }}, above autoscaling.maxReplicas ({{ $scaling.maxReplicas }}): lower it, or raise that
{{- end }}
{{- if eq $scaling.type "hpa" }}
{{- if not (or $scaling.targetCPU $prometheus $scaling.metrics) }}
- autoscaling has nothing to look at: set autoscaling.targetCPU, targetSaturation, targetInflight or metrics
{{- end }}
{{- if $scaling.triggers }}
- autoscaling.triggers is for KEDA: set autoscaling.type to keda, or use autoscaling.metrics
{{- end }}
{{- if or $scaling.prometheus.serverAddress $scaling.prometheus.authentication }}
- autoscaling.prometheus is for KEDA: set autoscaling.type to keda, or remove it (an HPA reads from the cluster's metrics adapter)
{{- end }}
{{- else }}
{{- if not (or $scaling.targetCPU $prometheus $scaling.triggers) }}
- autoscaling has nothing to look at: set autoscaling.targetCPU, targetSaturation, targetInflight or triggers
{{- end }}
{{- if $scaling.metrics }}
- autoscaling.metrics is for an HPA: set autoscaling.type to hpa, or use autoscaling.triggers
{{- end }}
{{- if and $prometheus (not $scaling.prometheus.serverAddress) }}
- autoscaling.prometheus.serverAddress is missing: KEDA reads targetSaturation and targetInflight from there
{{- end }}
{{- if and $prometheus (not $v.metrics.monitor.enabled) }}
- metrics.monitor.enabled is false, so Prometheus has none of the series that targetSaturation and targetInflight read: set it to true
{{- end }}
{{- end }}
{{- end }}
{{- $budget := $v.podDisruptionBudget }}
{{- $least := include "scoring.minReplicas" . | int }}
{{- if and $budget.enabled (gt $least 1) (not (kindIs "string" $budget.maxUnavailable)) }}
{{- if ge (int $budget.maxUnavailable) $least }}
- podDisruptionBudget.maxUnavailable is {{ $budget.maxUnavailable }} of {{ $least }} pods, so all of them could be missing: lower it, or set podDisruptionBudget.enabled to false
{{- end }}
{{- end }}
{{- end }}

{{- define "scoring.refuse.reach" -}}
{{- $v := .Values }}
{{- $service := $v.service }}
{{- $gateway := $v.gateway }}
{{- if eq $service.type "LoadBalancer" }}
{{- if not (or $service.sourceRanges $service.allowAll) }}
- service.type is LoadBalancer, which would be open to every address: set service.sourceRanges, or service.allowAll to true
{{- end }}
{{- if and $service.sourceRanges $service.allowAll }}
- service.sourceRanges and service.allowAll contradict each other: remove one of them
{{- end }}
{{- if and $service.sourceRanges (hasKey $service.annotations "service.beta.kubernetes.io/azure-allowed-service-tags") }}
- service.sourceRanges and the annotation azure-allowed-service-tags exclude each other on Azure: remove one of them
{{- end }}
{{- else if or $service.sourceRanges $service.allowAll }}
- service.sourceRanges and service.allowAll are for service.type LoadBalancer, but it is {{ $service.type }}: set that, or remove them
{{- end }}
{{- range $kind := list "gateway" "ingress" }}
{{- $way := get $v $kind }}
{{- if and $way.enabled (not $way.host) }}
- {{ $kind }}.host is missing: set the host name that callers use
{{- else if and $way.host (not $way.enabled) }}
- {{ $kind }}.host is set, but {{ $kind }}.enabled is false: set it to true, or remove the host
{{- end }}
{{- range $path := $way.paths }}
{{- $predict := printf "%s:predict" (trimSuffix "/" $path) }}
{{- if and (regexMatch "^/v1/models/[^/:]+/?$" $path) (not (has $predict $way.paths)) }}
- {{ $kind }}.paths has {{ $path }}, which does not cover {{ $predict }}, because a prefix ends at a slash: add that path too
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.tlsSecretName) }}
- ingress.tlsSecretName is missing, and keys must not travel in the clear: name a TLS Secret (cert-manager can make it, by annotation)
{{- end }}
{{- if $gateway.enabled }}
{{- $tls := or $gateway.tls.secretName $gateway.tls.options }}
{{- if $gateway.parentRef.name }}
{{- if not $gateway.parentRef.sectionName }}
- gateway.parentRef.sectionName is missing: name the HTTPS listener of {{ $gateway.parentRef.name }}, or the route would also answer in the clear
{{- end }}
{{- if $tls }}
- gateway.tls is for the chart's own Gateway, but gateway.parentRef.name is set: remove one of them
{{- end }}
{{- else }}
{{- if not $tls }}
- gateway.tls is missing: set gateway.tls.secretName or gateway.tls.options, or attach to an existing Gateway by gateway.parentRef
{{- end }}
{{- if and $gateway.tls.secretName $gateway.tls.options }}
- gateway.tls.secretName and gateway.tls.options are both set, and the options bring a certificate: remove one of them
{{- end }}
{{- if or $gateway.parentRef.namespace $gateway.parentRef.sectionName $gateway.parentRef.httpSectionName }}
- gateway.parentRef.name is missing: name the Gateway to attach to, or remove gateway.parentRef
{{- end }}
{{- end }}
{{- if and $gateway.canary.weight (not $gateway.canary.serviceName) }}
- gateway.canary.weight is set, but gateway.canary.serviceName is missing: name the Service of the second release
{{- end }}
{{- if eq $gateway.canary.serviceName (include "scoring.fullname" .) }}
- gateway.canary.serviceName is this release's own Service: name that of a second release
{{- end }}
{{- end }}
{{- end }}

{{- define "scoring.refuse.access" -}}
{{- $v := .Values }}
{{- if $v.auth.enabled }}
{{- if not (or $v.auth.existingSecret $v.auth.keys) }}
- auth has no keys: set auth.keys or auth.existingSecret, or say auth.enabled=false to let every caller in
{{- end }}
{{- if and $v.auth.existingSecret $v.auth.keys }}
- auth.existingSecret and auth.keys are both set: remove one of them
{{- end }}
{{- else if or $v.auth.existingSecret $v.auth.keys }}
- auth.enabled is false, but there are keys: set it to true, or remove auth.keys and auth.existingSecret
{{- end }}
{{- if and $v.test.keySecret.name (not (and $v.test.enabled $v.auth.enabled)) }}
- test.keySecret.name is set, but it needs test.enabled and auth.enabled: set them to true, or remove it
{{- end }}
{{- if and (not $v.networkPolicy.enabled) (or $v.networkPolicy.scoringFrom $v.networkPolicy.metricsFrom $v.networkPolicy.egress) }}
- networkPolicy has rules, but networkPolicy.enabled is false: set it to true, or remove them
{{- end }}
{{- if not $v.serviceAccount.create }}
{{- if $v.serviceAccount.annotations }}
- serviceAccount.annotations is set, but serviceAccount.create is false: set it to true, or annotate the account yourself
{{- end }}
{{- if and $v.azure.workloadIdentityClientId (not $v.serviceAccount.name) }}
- azure.workloadIdentityClientId needs an account of its own: set serviceAccount.create to true, or serviceAccount.name
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range $v.rbac.bindings }}
{{- $binding := printf "%s for %s" .role .group }}
{{- if hasKey $seen $binding }}
- rbac.bindings has {{ $binding }} twice: remove one of them
{{- end }}
{{- $_ := set $seen $binding true }}
{{- end }}
{{- end }}

{{- define "scoring.refuse.monitoring" -}}
{{- if and .Values.metrics.rules.enabled (not .Values.metrics.monitor.enabled) }}
- metrics.rules.enabled is true, but metrics.monitor.enabled is false, so there would be nothing to watch: set it to true
{{- end }}
{{- end }}

{{- define "scoring.refuse.hatches" -}}
{{- $v := .Values }}
{{- $volumes := dict "tmp" true "model" true "api-keys" true }}
{{- range $v.extraVolumes }}
{{- if hasKey $volumes .name }}
- extraVolumes has {{ .name }}, a name that is taken: choose another
{{- end }}
{{- $_ := set $volumes .name true }}
{{- end }}
{{- $paths := dict "/tmp" true $v.model.path true "/etc/scoring/api-keys" true }}
{{- range $v.extraVolumeMounts }}
{{- if hasKey $paths (default "" .mountPath) }}
- extraVolumeMounts has {{ .mountPath }}, where something is mounted already: choose another path
{{- end }}
{{- $_ := set $paths (default "" .mountPath) true }}
{{- if not (hasKey $volumes .name) }}
- extraVolumeMounts mounts {{ .name }}, but no volume has that name: add it to extraVolumes
{{- end }}
{{- end }}
{{- end }}
