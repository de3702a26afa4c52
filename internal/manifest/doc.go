// Package manifest turns the agents' profile into the Kubernetes objects of k8s/. It promises that the same profile and
// size always give the same bytes, and that every object is complete: applying the files, in any order after the
// CRDs, gives a running system. It talks to no cluster.
package manifest

//go:generate sh -c "cd ../.. && go tool -modfile=tools/go.mod controller-gen crd:allowDangerousTypes=true paths=./api/v1 output:crd:stdout > internal/manifest/templates/ai-model-version-crd.yaml"
