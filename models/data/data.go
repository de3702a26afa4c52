// Package data holds the tables that the example models are trained on; README.md says where each comes from.
package data

import "embed"

// Files are the tables, by file name.
//
//go:embed *.csv
var Files embed.FS
