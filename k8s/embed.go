// Package k8s holds the rendered manifests and the script that applies them. The script is embedded, so that
// `suoke deploy` runs the very one that users have; the manifests are rendered anew by package manifest.
package k8s

import _ "embed" // for the script

// ScriptName is the script's name; it looks for the manifests beside itself.
const ScriptName = "deploy-agents-autoscaling.sh"

// Embedding needs a variable of the package; nothing writes it.
//
//go:embed deploy-agents-autoscaling.sh
var script string

// Script is the text of deploy-agents-autoscaling.sh.
func Script() string { return script }
