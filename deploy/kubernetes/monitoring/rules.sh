#!/usr/bin/env bash
# Writes the rules and alerts of deploy/prometheus as resources of the Prometheus operator: rules.sh | kubectl apply -f -
# kustomize cannot put a file into a resource, and a copy would grow apart. Two resources: groups of one have different names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../prometheus"

for rules in recording_rules alerts; do
  cat <<END
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: derin-${rules//_/-}
  namespace: derin
  labels:
    app.kubernetes.io/name: derin
spec:
END
  sed 's/^/  /' "$rules.yaml"
done
