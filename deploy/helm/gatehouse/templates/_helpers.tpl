{{- define "gatehouse.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "gatehouse.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gatehouse.labels" -}}
{{ include "gatehouse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "gatehouse.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end }}

{{- define "gatehouse.port" -}}
{{ .Values.settings.PORT | default "3000" }}
{{- end }}

{{- define "gatehouse.metricsPort" -}}
{{ .Values.settings.METRICS_PORT | default "9464" }}
{{- end }}

{{- /* The lame-duck time, the drain, and what settling and closing take after it. */ -}}
{{- define "gatehouse.grace" -}}
{{ add (int (.Values.settings.GATEHOUSE_LAME_DUCK_SECONDS | default "5")) (int (.Values.settings.GATEHOUSE_DRAIN_SECONDS | default "25")) 15 }}
{{- end }}

{{- define "gatehouse.env" -}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $reference := .Values.secrets }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $reference.name }}
      key: {{ $reference.key }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gatehouse.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "gatehouse.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "gatehouse.mounts" -}}
{{- if .Values.files }}
volumeMounts:
  {{- range $index, $file := .Values.files }}
  - name: files-{{ $index }}
    mountPath: {{ $file.folder }}
    readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{- define "gatehouse.volumes" -}}
{{- if .Values.files }}
volumes:
  {{- range $index, $file := .Values.files }}
  - name: files-{{ $index }}
    secret:
      secretName: {{ $file.secret }}
  {{- end }}
{{- end }}
{{- end }}
