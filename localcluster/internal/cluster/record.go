package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Record is what a running cluster tells other processes of itself.
type Record struct {
	Config
	// NodePID is the first process of the node as the host numbers it; 0 before there is one.
	NodePID int `json:"nodePID,omitempty"`
	// Ready is true once everything that comes with a cluster is available.
	Ready bool `json:"ready"`
}

func recordFile(dir string) string { return filepath.Join(dir, "cluster.json") }

// Write replaces the record in the cluster's directory as a whole.
func (r Record) Write() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the cluster's record: %w", err)
	}
	next := recordFile(r.Dir) + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil { //nolint:gosec // nothing in it is secret
		return fmt.Errorf("writing the cluster's record: %w", err)
	}
	if err := os.Rename(next, recordFile(r.Dir)); err != nil {
		return fmt.Errorf("writing the cluster's record: %w", err)
	}
	return nil
}

// ReadRecord reads the record of the cluster in dir. A directory without one is an error that is fs.ErrNotExist.
func ReadRecord(dir string) (Record, error) {
	var r Record
	text, err := os.ReadFile(recordFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("there is no cluster in %s: %w", dir, err)
	}
	if err != nil {
		return r, fmt.Errorf("reading the cluster's record: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil || r.Name == "" {
		return r, fmt.Errorf("%s is not the record of a cluster: remove it, or choose another directory with --dir", recordFile(dir))
	}
	return r, nil
}
