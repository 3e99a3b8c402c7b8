{{- define "pinseal.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "pinseal.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "pinseal.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "pinseal.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a Deployment cannot change afterwards: nothing here may ever name a version. */}}
{{- define "pinseal.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pinseal.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pinseal.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" (.Chart.AppVersion | toString)
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "pinseal" -}}
{{- merge (include "pinseal.selectorLabels" . | fromYaml) $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "pinseal.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pinseal.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "pinseal.image" -}}
{{- with .Values.image -}}
{{- $name := ternary (printf "%s/%s" .registry .repository) .repository (ne .registry "") -}}
{{- if .digest -}}
{{- printf "%s@%s" $name .digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pinseal.certificateSecretName" -}}
{{- if eq .Values.certificates.mode "existingSecret" -}}
{{- .Values.certificates.existingSecret.name -}}
{{- else if eq .Values.certificates.mode "selfManaged" -}}
{{- /* Another name than that of the other modes: a Secret's type cannot be changed. */ -}}
{{- printf "%s-certificates" (include "pinseal.fullname" .) -}}
{{- else -}}
{{- printf "%s-tls" (include "pinseal.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "pinseal.serviceHost" -}}
{{- printf "%s.%s.svc" (include "pinseal.fullname" .) .Release.Namespace -}}
{{- end -}}

{{/*
The generated certificate as YAML: ca.crt, tls.crt, tls.key (PEM in base64) and serial. What the cluster holds is kept
while its serial is the value's. It is made once a render: the Secret and both webhook configurations must agree.
*/}}
{{- define "pinseal.generatedCertificate" -}}
{{- if not (hasKey .Values "_certificate") -}}
  {{- $serial := .Values.certificates.generate.serial | int64 | toString -}}
  {{- $old := lookup "v1" "Secret" .Release.Namespace (include "pinseal.certificateSecretName" .) | default dict -}}
  {{- $data := $old.data | default dict -}}
  {{- $isWhole := and (index $data "ca.crt") (index $data "tls.crt") (index $data "tls.key") -}}
  {{- $annotations := ($old.metadata | default dict).annotations | default dict -}}
  {{- if and $isWhole (eq (index $annotations "pinseal.dev/certificate-serial" | default "") $serial) -}}
    {{- $_ := set .Values "_certificate" (dict "ca.crt" (index $data "ca.crt") "tls.crt" (index $data "tls.crt") "tls.key" (index $data "tls.key")) -}}
  {{- else -}}
    {{- $days := .Values.certificates.generate.days | int -}}
    {{- $host := include "pinseal.serviceHost" . -}}
    {{- $ca := genCAWithKey (printf "%s-ca" (include "pinseal.fullname" .)) $days (genPrivateKey "ecdsa") -}}
    {{- $leaf := genSignedCertWithKey $host nil (list $host) $days $ca (genPrivateKey "ecdsa") -}}
    {{- $authorities := $ca.Cert -}}
    {{- if $isWhole -}}
      {{/* Pods go on with the old certificate until the kubelet has brought them the new one. Only the latest old authority is kept. */}}
      {{- $end := "-----END CERTIFICATE-----\n" -}}
      {{- $authorities = printf "%s%s%s" $ca.Cert (index $data "ca.crt" | b64dec | splitList $end | first) $end -}}
    {{- end -}}
    {{- $_ := set .Values "_certificate" (dict "ca.crt" (b64enc $authorities) "tls.crt" (b64enc $leaf.Cert) "tls.key" (b64enc $leaf.Key)) -}}
  {{- end -}}
{{- end -}}
{{- .Values._certificate | toYaml -}}
{{- end -}}

{{/* caBundle has exactly one writer: this chart, or (line absent) cert-manager, the pods or whoever made the Secret. */}}
{{- define "pinseal.caBundle" -}}
{{- if eq .Values.certificates.mode "generate" -}}
caBundle: {{ index (include "pinseal.generatedCertificate" . | fromYaml) "ca.crt" }}
{{- else if and (eq .Values.certificates.mode "existingSecret") .Values.certificates.existingSecret.caBundle -}}
caBundle: {{ b64enc .Values.certificates.existingSecret.caBundle }}
{{- end -}}
{{- end -}}

{{- define "pinseal.webhookAnnotations" -}}
{{- $annotations := deepCopy .Values.webhook.annotations -}}
{{- if eq .Values.certificates.mode "certManager" -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "pinseal.fullname" .)) -}}
{{- end -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What both webhooks have in common; .path is the endpoint's. */}}
{{- define "pinseal.webhook" -}}
{{- with .root -}}
clientConfig:
  service:
    namespace: {{ .Release.Namespace }}
    name: {{ include "pinseal.fullname" . }}
    path: {{ $.path }}
    port: {{ .Values.service.port }}
  {{- with include "pinseal.caBundle" . }}
  {{- . | nindent 2 }}
  {{- end }}
# Not statefulsets/*: scaling and status writes have no images.
rules:
  - apiGroups: [apps]
    apiVersions: [v1]
    operations: [CREATE, UPDATE]
    resources: [statefulsets]
    scope: Namespaced
failurePolicy: {{ .Values.webhook.failurePolicy }}
# Exact could be got around by another version of the same resource.
matchPolicy: Equivalent
sideEffects: NoneOnDryRun
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
admissionReviewVersions: [v1]
namespaceSelector:
  {{- with .Values.webhook.namespaceSelector.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
    # Whatever else is selected: a gate must not stand before what it runs on.
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ concat (list "kube-system" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq | toJson }}
    {{- with .Values.webhook.namespaceSelector.matchExpressions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
objectSelector:
  {{- toYaml .Values.webhook.objectSelector | nindent 2 }}
{{- if and .Values.webhook.matchConditions (semverCompare ">=1.28-0" .Capabilities.KubeVersion.Version) }}
matchConditions:
  {{- toYaml .Values.webhook.matchConditions | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Labels by which the test Pod is known; the Service must not take it for one of its own. */}}
{{- define "pinseal.testLabels" -}}
app.kubernetes.io/name: {{ include "pinseal.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pinseal.hasTest" -}}
{{- if and .Values.tests.enabled (not .Values.webhook.clientCA.configMap) -}}yes{{- end -}}
{{- end -}}

{{/* An object without webhooks that takes the place of the real one when the release goes: see pre-delete.yaml. */}}
{{- define "pinseal.emptyWebhooks" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ include "pinseal.fullname" .root }}-{{ .suffix }}
  labels:
    {{- include "pinseal.labels" .root | nindent 4 }}
  annotations:
    helm.sh/hook: pre-delete
    helm.sh/hook-weight: {{ quote .weight }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
webhooks: []
{{- end -}}

