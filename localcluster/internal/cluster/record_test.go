package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	want := Record{Config: valid(func(c *Config) { c.Dir = dir }), NodePID: 42}
	for _, want.Ready = range []bool{false, true} { // the second in place of the first
		if err := want.Write(); err != nil {
			t.Fatal(err)
		}
		got, err := ReadRecord(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record (-written +read):\n%s", diff)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("writing left %v, %v; want the record alone", left, err)
	}
}

func TestDirectoryWithoutARecord(t *testing.T) {
	if _, err := ReadRecord(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the answer is %v, want fs.ErrNotExist", err)
	}
}

// TestFileThatIsNoRecord wants files of other programs told apart: what a record names is removed.
func TestFileThatIsNoRecord(t *testing.T) {
	for what, text := range map[string]string{
		"empty":                     "",
		"half written":              `{"name": "local", "dir": "/tm`,
		"another program's":         `{"clusterName": "production", "nodes": 3}`,
		"of another type":           `["local"]`,
		"a record with a bad field": `{"name": "local", "network": "one"}`,
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(recordFile(dir), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadRecord(dir)
			if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join(dir, "cluster.json")+" is not the record of a cluster") {
				t.Errorf("the answer is %v, want that the file is no record", err)
			}
		})
	}
}
