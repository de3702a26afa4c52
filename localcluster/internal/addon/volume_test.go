package addon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/kube"
)

// api answers for one volume and notes how it is changed.
type api struct {
	phase   string
	err     error
	changes []string
}

func (a *api) Get(_ context.Context, _ string, value any) error {
	return errors.Join(a.err, json.Unmarshal(fmt.Appendf(nil, `{"status": {"phase": %q}}`, a.phase), value))
}

func (a *api) Merge(_ context.Context, path string, fields kube.Object) error {
	text, err := json.Marshal(fields)
	a.changes = append(a.changes, path+" "+string(text))
	return err
}

// TestOnlyWhatWasGivenBackIsEmptied wants the data of a claim to stay for as long as the claim does, whatever is known of it.
func TestOnlyWhatWasGivenBackIsEmptied(t *testing.T) {
	for what, test := range map[string]struct {
		api   api
		empty bool
	}{
		"free":             {api: api{phase: "Available"}},
		"in use":           {api: api{phase: "Bound"}},
		"given back":       {api: api{phase: "Released"}, empty: true},
		"of a new cluster": {},
		"unknown":          {api: api{phase: "Released", err: errors.New("connection refused")}},
	} {
		t.Run(what, func(t *testing.T) {
			c := cluster.Config{Dir: t.TempDir()}
			v := Volumes()[1]
			if err := os.MkdirAll(filepath.Join(v.host(c), "blobs", "sha256"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(v.host(c), ".hidden"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := v.reclaim(t.Context(), &test.api, c); !errors.Is(err, test.api.err) {
				t.Errorf("the answer is %v, want %v", err, test.api.err)
			}
			left, err := os.ReadDir(v.host(c))
			if err != nil || (len(left) == 0) != test.empty {
				t.Errorf("left are %v, %v", left, err)
			}
			var want []string
			if test.empty {
				want = []string{`/api/v1/persistentvolumes/local-1 {"spec":{"claimRef":null}}`}
			}
			if diff := cmp.Diff(want, test.api.changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestVolumeThatCannotBeEmptiedIsNotOffered wants nobody to find another's data.
func TestVolumeThatCannotBeEmptiedIsNotOffered(t *testing.T) {
	a := &api{phase: "Released"}
	if err := Volumes()[0].reclaim(t.Context(), a, cluster.Config{Dir: t.TempDir()}); err == nil || len(a.changes) > 0 {
		t.Errorf("without its directory the answer is %v and the changes are %v", err, a.changes)
	}
}

// TestTheNodeSeesTheHostsDirectory wants a volume's path in the node to be its directory on the host.
func TestTheNodeSeesTheHostsDirectory(t *testing.T) {
	c := cluster.Config{Dir: "/dir"}
	for _, v := range Volumes() {
		in, err := filepath.Rel("/var/lib", v.Path)
		if err != nil || filepath.Join("/dir/node/lib", in) != v.host(c) {
			t.Errorf("%s of the node is %s of the host (%v)", v.Path, v.host(c), err)
		}
	}
}
