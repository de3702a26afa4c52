package evaluate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

const (
	// bandsFile stands beside the CSV file of a regression whose numbers fall into bands.
	bandsFile = "bands.json"
	// maxBands of a regression, and maxBandsFile the greatest size of the file in bytes.
	maxBands     = 100
	maxBandsFile = 64 << 10

	bandsForm = `write {"bands": [{"name": "low", "below": 100}, {"name": "high"}]}`
)

// Band is a range of a regression's numbers that counts as a class: those below its limit which are in no band before it.
type Band struct {
	Name string `json:"name"`
	// Below is nil in the last band, which is open.
	Below *float64 `json:"below"`
}

// openBands reads the bands that a file names; without the file there are none.
func openBands(name string) ([]Band, error) {
	file, err := os.Open(name) //nolint:gosec // beside the data set's rows
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unread(err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxBandsFile+1))
	if err != nil {
		return nil, unread(err)
	}
	bands, err := parseBands(text)
	if err != nil {
		return nil, wrong("%s of the data set: %v", bandsFile, err)
	}
	return bands, nil
}

func parseBands(text []byte) ([]Band, error) {
	if len(text) > maxBandsFile {
		return nil, fmt.Errorf("it is larger than %d bytes; write fewer bands", maxBandsFile)
	}
	var file struct {
		Bands []Band `json:"bands"`
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&file); err != nil {
		return nil, fmt.Errorf("it cannot be read (%w); %s", err, bandsForm)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something stands behind its end; %s and no more", bandsForm)
	}
	return file.Bands, checkBands(file.Bands)
}

// checkBands says why bands do not divide all numbers.
func checkBands(bands []Band) error {
	if len(bands) < 2 || len(bands) > maxBands {
		return fmt.Errorf("it names %d bands; write 2 to %d", len(bands), maxBands)
	}
	names := map[string]bool{}
	limit := math.Inf(-1)
	for i, b := range bands {
		last := i == len(bands)-1
		switch {
		case b.Name == "" || names[b.Name]:
			return fmt.Errorf("bands[%d].name: write a name that no other band has", i)
		case last && b.Below != nil:
			return fmt.Errorf("bands[%d].below: leave it out, as the last band has no limit", i)
		case !last && b.Below == nil:
			return fmt.Errorf("bands[%d].below: write a number; only the last band has no limit", i)
		case !last && *b.Below <= limit:
			return fmt.Errorf("bands[%d].below: write a number above %g, the limit of the band before it", i, limit)
		}
		names[b.Name] = true
		if !last {
			limit = *b.Below
		}
	}
	return nil
}

// bandsOf says in which band each number is, as an index.
func bandsOf(bands []Band, numbers []float64) []int {
	all := make([]int, len(numbers))
	for i, v := range numbers {
		for all[i] < len(bands)-1 && v >= *bands[all[i]].Below {
			all[i]++
		}
	}
	return all
}
