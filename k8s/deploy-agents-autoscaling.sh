#!/usr/bin/env bash
# Deploys, checks and removes Suoke Life's agents on a Kubernetes cluster. Needs bash and kubectl; see help.
set -euo pipefail

namespace=suoke-life
ours='app.kubernetes.io/part-of=suoke'
created_by='suoke.life/created-by'
custom_metrics='v1beta2.custom.metrics.k8s.io v1beta1.custom.metrics.k8s.io'
custom_kinds='aimodels modelversions modelregistries'
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

prefix=${SUOKE_IMAGE_PREFIX:-suoke.local}
tag=${SUOKE_IMAGE_TAG:-dev}
context=''
profile=production
yes=no

help() {
  cat <<'TEXT'
Usage: deploy-agents-autoscaling.sh VERB [--profile production|local] [--context NAME] [--yes]

  deploy     create or update everything, and wait until it runs; can be repeated at any time, also under load
  verify     say of each part whether it is right; exits with 1 if anything is wrong
  dashboard  apply the Grafana dashboard and say how to open it
  cleanup    list what would go, ask, and remove it
  help       this text

  --profile  production (default), or local: small resources and models for a cluster on a laptop
  --context  the kubeconfig's context (default: the current one)
  --yes      do not ask; for scripts

Environment:
  SUOKE_IMAGE_PREFIX  registry and path of the images (default suoke.local)
  SUOKE_IMAGE_TAG     their tag (default dev)
TEXT
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

kube() { kubectl ${context:+--context "$context"} "$@"; }

say() { printf '\n%s\n' "$*"; }

# file NAME prints a manifest with this run's images, and with HPAs that the server knows.
file() {
  local line
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line//suoke.local\/suoke:dev/$prefix\/suoke:$tag}
    line=${line//suoke.local\/suoke-model-server:dev/$prefix\/suoke-model-server:$tag}
    line=${line//--image-prefix=suoke.local/--image-prefix=$prefix}
    line=${line//--image-tag=dev/--image-tag=$tag}
    if [[ $line == 'apiVersion: autoscaling/v2' ]] && ((minor < 23)); then
      line+=beta2
    fi
    printf '%s\n' "$line"
  done <"$files/$1"
}

# documents with|without KIND passes on those of its input's documents that are, or are not, of that kind.
documents() {
  local wanted=$1 kind=$2 is=without text='' line
  while IFS= read -r line; do
    if [[ $line == --- ]]; then
      [[ $is == "$wanted" ]] && printf '%s' "$text"
      text='' is=without
    fi
    [[ $line == "kind: $kind" ]] && is=with
    text+=$line$'\n'
  done
  [[ $is == "$wanted" ]] && printf '%s' "$text"
  return 0
}

# names KIND FILE lists the objects of a kind in a manifest.
names() {
  local kind='' line
  while IFS= read -r line; do
    case $line in
      'kind: '*) kind=${line#kind: } ;;
      '  name: '*) [[ $kind == "$1" ]] && printf '%s\n' "${line#  name: }" && kind='' ;;
    esac
  done <"$files/$2"
  return 0
}

connect() {
  command -v kubectl >/dev/null || fail 'kubectl was not found; install it, or use: suoke up'
  local version
  version=$(kube get --raw /version 2>&1) ||
    fail "the cluster does not answer: $version" 'Check kubectl config current-context, or write --context NAME.'
  [[ $version =~ \"minor\":\ *\"([0-9]+) ]] || fail "the server's version cannot be read: $version"
  minor=${BASH_REMATCH[1]}
}

# owner of an APIService: namespace/name of the Service that serves it; empty if there is none.
owner() { kube get apiservice "$1" --ignore-not-found -o jsonpath='{.spec.service.namespace}/{.spec.service.name}'; }

deploy() {
  connect
  say "Images needed: $prefix/suoke:$tag and $prefix/suoke-model-server:$tag"
  if [[ $prefix == suoke.local ]]; then
    echo 'They are in no registry: suoke image load brings them to a local cluster. For another, set SUOKE_IMAGE_PREFIX'
    echo 'to a registry that its nodes can pull from, and run: suoke image push'
  else
    echo 'To bring them there: suoke image push'
  fi
  ((minor >= 21)) || fail "the server is 1.$minor; 1.21 is the oldest whose EndpointSlices the agents can read"
  ((minor >= 23)) || echo "The server is 1.$minor: the HPAs are written as autoscaling/v2beta2, as autoscaling/v2 came with 1.23."
  ((minor >= 29)) || echo "The server is 1.$minor: it checks custom resources by their schema alone; the rest is said in the condition Accepted."
  [[ -n $(owner v1beta1.metrics.k8s.io) ]] || echo 'metrics-server was not found; the HPAs need it for CPU and memory.'

  say 'Namespace'
  if [[ -z $(kube get namespace "$namespace" --ignore-not-found -o name) ]]; then
    kube create namespace "$namespace"
    kube annotate namespace "$namespace" "$created_by=deploy-agents-autoscaling.sh"
    kube label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted
  fi

  say 'Custom resources'
  file ai-model-version-crd.yaml | kube apply -f -
  kube wait --for=condition=Established --timeout=60s \
    crd/aimodels.suoke.life crd/modelversions.suoke.life crd/modelregistries.suoke.life

  say 'Base'
  file deployment.yaml | documents without APIService | kube apply -f -
  file service.yaml | kube apply -f -
  file ingress.yaml | kube apply -f -
  rollouts
  register

  say 'Scaling'
  file hpa-agents.yaml | kube apply -f -
  vertical

  say 'Models'
  examples
  say 'Dashboard'
  file monitoring-dashboard.yaml | kube apply -f -
  say 'Deployed. Next: verify; and suoke model push, if the registry has no models yet.'
}

rollouts() {
  local name
  say 'Waiting until everything runs'
  for name in $(names Deployment deployment.yaml); do
    if ! kube rollout status "deployment/$name" -n "$namespace" --timeout=300s; then
      kube get pods -n "$namespace" -l "app.kubernetes.io/name=$name"
      kube get events -n "$namespace" --field-selector type=Warning --sort-by=.lastTimestamp
      fail "deployment/$name did not come up. Are the images there? $prefix/suoke:$tag"
    fi
  done
}

# register makes the adapter the server of custom.metrics.k8s.io, unless another one is.
register() {
  local name by
  for name in $custom_metrics; do
    by=$(owner "$name")
    if [[ -n $by && $by != "$namespace/metrics-adapter" ]]; then
      echo "$name belongs to $by and is left to it. It must serve the agents' metrics itself."
      return
    fi
  done
  file deployment.yaml | documents with APIService | kube apply -f -
  for name in $custom_metrics; do
    kube wait --for=condition=Available --timeout=120s "apiservice/$name"
  done
}

has_vpa() { [[ -n $(kube get crd verticalpodautoscalers.autoscaling.k8s.io --ignore-not-found -o name) ]]; }

vertical() {
  local name
  if ! has_vpa; then
    echo 'The Vertical Pod Autoscaler is not installed; vpa-agents.yaml is left out.'
    return
  fi
  if [[ $(kube get crd verticalpodautoscalers.autoscaling.k8s.io -o json) == *InPlaceOrRecreate* ]]; then
    file vpa-agents.yaml | in_place | kube apply -f -
  else
    file vpa-agents.yaml | kube apply -f -
  fi
}

in_place() {
  local line
  while IFS= read -r line; do
    printf '%s\n' "${line/updateMode: Recreate/updateMode: InPlaceOrRecreate}"
  done
}

# examples are made where they are missing. One that is there may be in the middle of a release and is left alone.
examples() {
  local text='' line
  while IFS= read -r line; do
    if [[ $line == --- ]]; then
      example "$text"
      text=''
    else
      text+=$line$'\n'
    fi
  done < <(file ai-model-examples.yaml)
  example "$text"
}

example() {
  [[ $1 == *'kind: '* ]] || return 0
  local found
  found=$(printf '%s' "$1" | kube get -n "$namespace" --ignore-not-found -o name -f -)
  if [[ -n $found ]]; then
    echo "$found left as it is"
  else
    printf '%s' "$1" | kube apply -n "$namespace" -f -
  fi
}

wrong=0
right() { printf '  ok     %s\n' "$*"; }
note() { printf '  note   %s\n' "$*"; }
bad() {
  printf '  WRONG  %s\n' "$*"
  wrong=$((wrong + 1))
}

verify() {
  connect
  say "Cluster 1.$minor"
  verify_objects
  say 'Deployments'
  verify_deployments
  say 'Metrics'
  verify_metrics
  say 'Scaling'
  verify_scaling
  say 'Models'
  verify_models
  verify_registries
  if ((wrong > 0)); then
    say "$wrong wrong"
    exit 1
  fi
  say 'Everything is right.'
}

verify_objects() {
  local kind state name
  if [[ -z $(kube get namespace "$namespace" --ignore-not-found -o name) ]]; then
    bad "namespace $namespace does not exist; run deploy"
  else
    right "namespace $namespace"
  fi
  for kind in $custom_kinds; do
    state=$(kube get crd "$kind.suoke.life" --ignore-not-found -o jsonpath='{.status.conditions[?(@.type=="Established")].status}')
    if [[ $state == True ]]; then right "CRD $kind"; else bad "CRD $kind is not established; apply ai-model-version-crd.yaml"; fi
  done
  for name in $(names Service service.yaml); do
    state=$(kube get endpointslices -n "$namespace" -l "kubernetes.io/service-name=$name" \
      -o jsonpath='{.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}' 2>/dev/null || true)
    if [[ -n $state ]]; then right "Service $name"; else bad "Service $name has no ready Pod"; fi
  done
  state=$(kube get configmap suoke-agents-dashboard -n "$namespace" --ignore-not-found \
    -o jsonpath='{.metadata.labels.grafana_dashboard}')
  if [[ $state == 1 ]]; then
    right 'dashboard'
  else
    bad 'the dashboard is missing; run dashboard'
  fi
}

verify_deployments() {
  local name state wanted ready
  for name in $(names Deployment deployment.yaml); do
    state=$(kube get deployment "$name" -n "$namespace" --ignore-not-found -o jsonpath='{.spec.replicas}/{.status.readyReplicas}')
    wanted=${state%/*} ready=${state#*/}
    if [[ -z $state ]]; then
      bad "$name does not exist; run deploy"
    elif [[ ${ready:-0} == "$wanted" ]]; then
      right "$name: $ready ready"
    else
      bad "$name: ${ready:-0} of $wanted ready; kubectl describe deployment $name -n $namespace"
    fi
  done
}

available() { kube get apiservice "$1" --ignore-not-found -o jsonpath='{.status.conditions[?(@.type=="Available")].status}'; }

verify_metrics() {
  local name metric
  if [[ $(available v1beta1.metrics.k8s.io) == True ]]; then
    right 'metrics-server'
  else
    bad 'metrics-server does not answer; the HPAs need it: kubectl get pods -n kube-system | grep metrics-server'
  fi
  for name in $custom_metrics; do
    if [[ $(available "$name") == True ]]; then
      right "$name, served by $(owner "$name")"
    else
      bad "$name does not answer: kubectl logs -n $namespace deployment/metrics-adapter"
    fi
  done
  for metric in $(metrics); do
    if [[ $(kube get --raw "/apis/custom.metrics.k8s.io/v1beta2/namespaces/$namespace/pods/*/$metric" 2>/dev/null) == *'"value"'* ]]; then
      right "$metric"
    else
      bad "$metric is served for no Pod: kubectl logs -n $namespace deployment/metrics-adapter"
    fi
  done
}

metrics() {
  local line
  while IFS= read -r line; do
    [[ $line =~ metric:\ \{name:\ ([a-z0-9_]+)\} ]] && printf '%s\n' "${BASH_REMATCH[1]}"
  done <"$files/hpa-agents.yaml"
  return 0
}

verify_scaling() {
  local name state known
  for name in $(names HorizontalPodAutoscaler hpa-agents.yaml); do
    state=$(kube get hpa "$name" -n "$namespace" --ignore-not-found \
      -o jsonpath='{.status.conditions[?(@.type=="ScalingActive")].status} {.status.currentMetrics[*].type}')
    known=$(wc -w <<<"${state#* }")
    if [[ -z $state ]]; then
      bad "HPA $name does not exist; run deploy"
    elif [[ $state == True* ]] && ((known == 3)); then
      right "HPA $name knows its 3 metrics"
    else
      bad "HPA $name knows $((known)) of its 3 metrics: kubectl describe hpa $name -n $namespace"
    fi
  done
  if ! has_vpa; then
    note 'no Vertical Pod Autoscaler here; the agents are not scaled vertically'
    return
  fi
  for name in $(names VerticalPodAutoscaler vpa-agents.yaml); do
    if [[ -n $(kube get vpa "$name" -n "$namespace" --ignore-not-found -o name) ]]; then
      right "VPA $name"
    else
      bad "VPA $name does not exist; run deploy"
    fi
  done
}

verify_models() {
  local list name phase stable wanted accepted degraded message
  if ! list=$(kube get aimodels -n "$namespace" -o jsonpath='{range .items[*]}{.metadata.name}|{.status.phase}|{.status.stableVersion}|{.spec.version}|{.status.conditions[?(@.type=="Accepted")].status}|{.status.conditions[?(@.type=="Degraded")].status}|{.status.conditions[?(@.type=="Accepted")].message}{"\n"}{end}'); then
    bad "the models cannot be read"
    return
  fi
  [[ -n $list ]] || note "no models; kubectl apply -f ai-model-examples.yaml -n $namespace"
  while IFS='|' read -r name phase stable wanted accepted degraded message; do
    if [[ -z $name ]]; then
      continue
    elif [[ $accepted == False ]]; then
      bad "$name: $message"
    elif [[ $degraded == True ]]; then
      note "$name serves $stable; $wanted was refused: kubectl describe aimodel $name -n $namespace"
    elif [[ $phase == Ready ]]; then
      right "$name: $stable serves"
    elif [[ $phase == Failed ]]; then
      bad "$name: $wanted failed: kubectl describe aimodel $name -n $namespace"
    else
      note "$name: $wanted is ${phase:-not looked at yet}: kubectl describe aimodel $name -n $namespace"
    fi
  done <<<"$list"
}

# A registry that cannot be honoured, or that is not to be asked, holds nothing up: that of a model is told with the model.
verify_registries() {
  local list name connected accepted asked message
  if ! list=$(kube get modelregistries -n "$namespace" -o jsonpath='{range .items[*]}{.metadata.name}|{.status.connected}|{.status.conditions[?(@.type=="Accepted")].status}|{.status.conditions[?(@.type=="Connected")].status}|{.status.conditions[?(@.type=="Connected")].message}{"\n"}{end}'); then
    bad "the registries cannot be read"
    return
  fi
  while IFS='|' read -r name connected accepted asked message; do
    if [[ -z $name ]]; then
      continue
    elif [[ $connected == true ]]; then
      right "registry $name is connected"
    elif [[ -z $asked ]]; then
      note "registry $name was not looked at yet: kubectl describe modelregistry $name -n $namespace"
    elif [[ $accepted == False || $asked == Unknown ]]; then
      note "registry $name: $message" # Connected repeats why the object is not accepted
    else
      bad "registry $name: $message; kubectl logs -n $namespace deployment/model-registry"
    fi
  done <<<"$list"
}

dashboard() {
  connect
  file monitoring-dashboard.yaml | kube apply -f -
  cat <<TEXT

A Grafana whose sidecar watches for the label grafana_dashboard=1 shows it as "Suoke Life: agents and models".
By hand: in Grafana choose Dashboards, New, Import, and paste what this prints:

  kubectl get configmap suoke-agents-dashboard -n $namespace -o jsonpath='{.data.suoke-agents\.json}'

Prometheus must scrape the Pods by their prometheus.io annotations, from a namespace with this label:

  kubectl label namespace NAME suoke.life/monitoring=true
TEXT
}

# workloads are the kinds that the label finds in our namespace.
workloads='ingress,hpa,deployment,job,service,poddisruptionbudget,networkpolicy,configmap,secret,controllerrevision,rolebinding,role,serviceaccount,persistentvolumeclaim'

# objects lists all that is ours.
objects() {
  local name kind
  for name in $custom_metrics; do
    [[ $(owner "$name") == "$namespace/metrics-adapter" ]] && echo "apiservice/$name"
  done
  for kind in $custom_kinds; do
    kube get "$kind.suoke.life" -n "$namespace" -o name 2>/dev/null || true
  done
  has_vpa && kube get vpa -n "$namespace" -l "$ours" -o name 2>/dev/null
  kube get "$workloads" -n "$namespace" -l "$ours" -o name 2>/dev/null || true
  kube get lease suoke-operator -n "$namespace" --ignore-not-found -o name 2>/dev/null || true
  kube get clusterrolebinding,clusterrole -l "$ours" -o name
  kube get rolebinding -n kube-system -l "$ours" -o name
  for kind in $custom_kinds; do
    kube get crd "$kind.suoke.life" --ignore-not-found -o name
  done
  owns_namespace && echo "namespace/$namespace (if nothing else is in it)"
  return 0
}

owns_namespace() {
  [[ -n $(kube get namespace "$namespace" --ignore-not-found -o jsonpath="{.metadata.annotations.suoke\.life/created-by}") ]]
}

cleanup() {
  connect
  local list answer
  list=$(objects)
  if [[ -z $list ]]; then
    echo 'Nothing of ours is there.'
    return
  fi
  say 'These will go, the registry with its models too:'
  printf '%s\n' "$list"
  if [[ $yes != yes ]]; then
    [[ -t 0 ]] || fail 'nobody is there to ask; write --yes'
    read -r -p $'\nRemove them? Write yes: ' answer
    [[ $answer == yes ]] || fail 'nothing was removed'
  fi
  remove
}

remove() {
  local name kind
  say 'APIs first, as one without a server would hold up all that follows'
  for name in $custom_metrics; do
    [[ $(owner "$name") == "$namespace/metrics-adapter" ]] && kube delete apiservice "$name" --ignore-not-found
  done
  say 'Custom resources'
  for kind in $custom_kinds; do
    if [[ -n $(kube get crd "$kind.suoke.life" --ignore-not-found -o name) ]]; then
      kube delete "$kind.suoke.life" -n "$namespace" --all --timeout=60s
    fi
  done
  say 'Workloads'
  has_vpa && kube delete vpa -n "$namespace" -l "$ours" --ignore-not-found
  kube delete "$workloads" -n "$namespace" -l "$ours" --ignore-not-found --timeout=180s
  kube wait --for=delete pod -n "$namespace" -l "$ours" --timeout=180s 2>/dev/null || true
  kube delete lease suoke-operator -n "$namespace" --ignore-not-found
  kube delete clusterrolebinding,clusterrole -l "$ours" --ignore-not-found
  kube delete rolebinding -n kube-system -l "$ours" --ignore-not-found
  remove_definitions
  remove_namespace
}

remove_definitions() {
  local kind left
  for kind in $custom_kinds; do
    [[ -n $(kube get crd "$kind.suoke.life" --ignore-not-found -o name) ]] || continue
    left=$(kube get "$kind.suoke.life" -A -o name)
    if [[ -n $left ]]; then
      echo "CRD $kind stays: other namespaces have $(wc -l <<<"$left") of them"
    else
      kube delete crd "$kind.suoke.life" --timeout=60s
    fi
  done
}

remove_namespace() {
  local left='' known=no
  owns_namespace || return 0
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    if left=$(others); then known=yes; else known=no; fi
    [[ $known == yes && -z $left ]] && break
    sleep 2 # what has just lost its owner is being collected
  done
  if [[ $known == no ]]; then
    echo "namespace $namespace stays: what it holds cannot be listed. Look with: kubectl api-resources --namespaced"
  elif [[ -n $left ]]; then
    echo "namespace $namespace stays: it holds"
    printf '  %s\n' "$left"
  else
    kube delete namespace "$namespace" --timeout=120s
  fi
}

# others are the objects of the namespace beyond those that every namespace has. It fails if not every kind can be listed.
others() {
  local kinds all name
  kinds=$(kube api-resources --namespaced --verbs=list,delete -o name | tr '\n' ',') || return 1
  all=$(kube get "${kinds%,}" -n "$namespace" -o name) || return 1
  for name in $all; do
    case $name in
      event/* | event.events.k8s.io/* | configmap/kube-root-ca.crt | serviceaccount/default | endpoints/* | endpointslice.* | *.metrics.k8s.io/*) ;;
      *) printf '%s\n' "$name" ;;
    esac
  done
}

main() {
  local verb=${1:-help}
  (($# == 0)) || shift
  while (($# > 0)); do
    case $1 in
      --profile=*) profile=${1#*=} ;;
      --context=*) context=${1#*=} ;;
      --profile | --context)
        (($# > 1)) || fail "$1: write a value after it"
        if [[ $1 == --profile ]]; then profile=$2; else context=$2; fi
        shift
        ;;
      --yes) yes=yes ;;
      *) fail "$1: no such option; see help" ;;
    esac
    shift
  done
  case $profile in
    production) files=$here ;;
    local) files=$here/local ;;
    *) fail "--profile $profile: write production or local" ;;
  esac
  [[ $prefix =~ ^[a-z0-9]([a-zA-Z0-9./:_-]*[a-zA-Z0-9])?$ ]] || fail "SUOKE_IMAGE_PREFIX=$prefix: write a registry and path, such as registry.example.com/suoke"
  [[ $tag =~ ^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$ ]] || fail "SUOKE_IMAGE_TAG=$tag: write a tag, such as v1.0.0"
  [[ -f $files/deployment.yaml ]] || fail "$files/deployment.yaml was not found; the manifests stand beside this script"
  case $verb in
    deploy | verify | dashboard | cleanup | help) "$verb" ;;
    -h | --help) help ;;
    *)
      help >&2
      fail "$verb: no such verb"
      ;;
  esac
}

main "$@"
