// Package route is the contract between the release engine and the routers: Route is the split that is wanted, Report
// is what a router applied and saw. It promises that both survive a round trip through JSON and that a Route which
// passes Validate can be served. It knows no Kubernetes and does no I/O.
package route

import (
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// Label marks the ConfigMaps that hold a Route; its value is "true".
	Label = "suoke.life/route"
	// Key of the ConfigMap's data under which the Route stands as JSON.
	Key = "route.json"
)

// Route is the wanted split of one model's requests.
type Route struct {
	// Model is the AIModel's name: the name that clients ask for.
	Model string `json:"model"`
	// Revision grows with every write that changes the weights, what is mirrored, or which version is stable: with what
	// routers are waited for. Stable and Candidate alone may change under the same one, as a release begins and ends.
	Revision int64 `json:"revision"`
	// Stable and Candidate are IDs of Versions; Candidate is empty when no release is under way.
	Stable    string `json:"stable,omitempty"`
	Candidate string `json:"candidate,omitempty"`
	// Versions that may get requests. Their weights are none or sum to 100.
	Versions []Version `json:"versions,omitempty"`
}

// Version is one version's place in a Route.
type Version struct {
	// ID is the name of the version's Deployment and headless Service.
	ID string `json:"id"`
	// Version as people write it.
	Version string `json:"version"`
	// Weight in percent.
	Weight int `json:"weight"`
	// Digest of the model that is served.
	Digest string `json:"digest,omitempty"`
	// Port of the model server.
	Port int `json:"port"`
	// MayReask says that a request may be asked again of stable when this version fails it.
	MayReask bool `json:"mayReask"`
	// ShadowPercentage of stable's requests are also asked of this version, in percent: its answers are compared with stable's
	// and never returned.
	ShadowPercentage int `json:"shadowPercentage,omitempty"`
}

// Parse reads a Route and validates it.
func Parse(data []byte) (Route, error) {
	var r Route
	if err := json.Unmarshal(data, &r); err != nil {
		return Route{}, fmt.Errorf("parsing route: %w", err)
	}
	return r, r.Validate()
}

// Validate says whether the Route can be served.
func (r Route) Validate() error {
	if r.Model == "" {
		return errors.New("route names no model")
	}
	seen, sum := map[string]bool{}, 0
	for _, v := range r.Versions {
		switch {
		case v.ID == "" || seen[v.ID]:
			return fmt.Errorf("route of %s: version id %q is empty or stands twice", r.Model, v.ID)
		case v.Weight < 0 || v.Weight > 100:
			return fmt.Errorf("route of %s: version %s has weight %d", r.Model, v.ID, v.Weight)
		case v.Port < 1 || v.Port > 65535:
			return fmt.Errorf("route of %s: version %s has port %d", r.Model, v.ID, v.Port)
		}
		seen[v.ID] = true
		sum += v.Weight
	}
	if sum != 0 && sum != 100 {
		return fmt.Errorf("route of %s: weights sum to %d, not 0 or 100", r.Model, sum)
	}
	for _, id := range []string{r.Stable, r.Candidate} {
		if id != "" && !seen[id] {
			return fmt.Errorf("route of %s: %s is not among its versions", r.Model, id)
		}
	}
	return nil
}

// Version returns the version with that ID.
func (r Route) Version(id string) (Version, bool) {
	for _, v := range r.Versions {
		if v.ID == id {
			return v, true
		}
	}
	return Version{}, false
}
