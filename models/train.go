package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/suoke-life/suoke/models/data"
	"github.com/suoke-life/suoke/models/dataset"
	"github.com/suoke-life/suoke/models/network"
)

// casesOfEach pattern of symptoms are invented.
const casesOfEach = 200

// model is a trained network with what comes before it: the columns that it looks at and their scale.
type model struct {
	classes bool
	width   int
	columns []int
	// centre is taken off each column, and the rest multiplied by factor; absent if the scaling is left out.
	centre, factor []float64
	net            *network.Network
}

// make trains the versions and adds their files, and the held-out rows, to made.
func (e example) make(made files, progress io.Writer) error {
	learnt, held, labels, err := e.parts()
	if err != nil {
		return err
	}
	if err := e.addRows(made, held); err != nil {
		return err
	}
	for _, v := range e.versions {
		m, err := v.train(learnt, len(labels))
		if err != nil {
			return fmt.Errorf("version %s: %w", v.name, err)
		}
		about, err := json.MarshalIndent(manifest{task(m.classes), held.Features, labels, e.label(v)}, "", "  ")
		if err != nil {
			return fmt.Errorf("version %s: describing it: %w", v.name, err)
		}
		dir := "models/" + e.name + "/" + v.name + "/"
		made[dir+"model.json"] = append(about, '\n')
		made[dir+"model.onnx"] = m.export(e.name+" "+v.name, e.label(v), v.flaw)
		if _, err := fmt.Fprintf(progress, "%s %s: %s on %d held-out rows\n", e.name, v.name, m.measure(held), len(held.Y)); err != nil {
			return fmt.Errorf("telling the progress: %w", err)
		}
	}
	return nil
}

// parts are the rows that versions learn from, the rows that they are evaluated on, and the labels' names.
func (e example) parts() (learnt, held dataset.Set, labels []string, err error) {
	set, labels, err := e.load()
	if err != nil {
		return learnt, held, nil, err
	}
	learnt, held = set.Split(heldOut, e.split)
	return learnt, held, labels, nil
}

// manifest is model.json.
type manifest struct {
	Task        string   `json:"task"`
	Features    []string `json:"features"`
	Labels      []string `json:"labels,omitempty"`
	Description string   `json:"description"`
}

func task(classes bool) string {
	if classes {
		return "classification"
	}
	return "regression"
}

// addRows adds the data set with its origin, and the live rows beside the data sets: they are no data set, as nobody
// says what is right about them.
func (e example) addRows(made files, held dataset.Set) error {
	var rows bytes.Buffer
	if err := held.Write(&rows); err != nil {
		return err
	}
	dir := "datasets/" + e.name + "/"
	made[dir+e.name+".csv"] = rows.Bytes()
	made[dir+"NOTICE.txt"] = []byte(e.credit + "\n")
	if e.live == nil {
		return nil
	}
	var live bytes.Buffer
	if err := e.live(held).WriteFeatures(&live); err != nil {
		return err
	}
	made["datasets/"+e.name+"-live.csv"] = live.Bytes()
	return nil
}

// train makes a version out of the training part of its data, which has so many labels, or none and targets instead.
func (v version) train(rows dataset.Set, labels int) (model, error) {
	if v.rows > 0 {
		rows = rows.Head(v.rows)
	}
	m := model{classes: labels > 0, width: len(rows.Features)}
	var err error
	if m.columns, err = columns(rows.Features, v.features); err != nil {
		return model{}, err
	}
	m.fit(rows.X)
	x := make([][]float64, len(rows.X))
	for i, row := range rows.X {
		x[i] = m.see(row)
	}
	outputs, y, mean, spread := labels, rows.Y, 0.0, 1.0
	if !m.classes {
		outputs = 1
		mean, spread = moments(rows.Y)
		y = make([]float64, len(rows.Y))
		for i, target := range rows.Y {
			y[i] = (target - mean) / spread
		}
	}
	widths := append(append([]int{len(m.columns)}, v.hidden...), outputs)
	m.net = network.Random(v.training.Seed, widths...)
	m.net.Train(x, y, v.training)
	m.stretch(mean, spread)
	if v.flaw == unscaled {
		m.centre, m.factor = nil, nil
	}
	return m, nil
}

// columns are the places of the named features, of all if none are named.
func columns(all, named []string) ([]int, error) {
	if len(named) == 0 {
		named = all
	}
	at := make([]int, len(named))
	for i, name := range named {
		if at[i] = slices.Index(all, name); at[i] < 0 {
			return nil, fmt.Errorf("the table has no feature %q", name)
		}
	}
	return at, nil
}

// fit finds the scale of each column. One that never changes gets the factor 0: nothing can be learnt from it, so
// nothing may depend on it. The numbers are float32, which is what an exported graph keeps.
func (m *model) fit(x [][]float64) {
	for _, c := range m.columns {
		values := make([]float64, len(x))
		for i, row := range x {
			values[i] = row[c]
		}
		mean, spread := moments(values)
		factor := 0.0
		if spread > 0 {
			factor = 1 / spread
		}
		m.centre = append(m.centre, float64(float32(mean)))
		m.factor = append(m.factor, float64(float32(factor)))
	}
}

// moments are the mean and the standard deviation. The conversion rounds the product before it is summed; see the promise
// of package network.
func moments(values []float64) (mean, spread float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		spread += float64((v - mean) * (v - mean))
	}
	return mean, math.Sqrt(spread / float64(len(values)))
}

// see is what the network gets of a row.
func (m *model) see(x []float64) []float64 {
	row := make([]float64, len(m.columns))
	for i, c := range m.columns {
		row[i] = x[c]
		if m.centre != nil {
			row[i] = float64((x[c] - m.centre[i]) * m.factor[i])
		}
	}
	return row
}

// stretch gives the last layer's output the mean and spread of the targets.
func (m *model) stretch(mean, spread float64) {
	last := m.net.Layers[len(m.net.Layers)-1]
	for i := range last.W {
		last.W[i] = float64(last.W[i] * spread)
	}
	for i := range last.B {
		last.B[i] = float64(last.B[i]*spread) + mean
	}
	m.net.Round()
}

// answer is what the exported graph is to answer, computed here.
func (m *model) answer(x []float64) []float64 {
	y := m.net.Forward(m.see(x))
	if m.classes {
		return network.Softmax(y)
	}
	return y
}

// measure says how good the answers are.
func (m *model) measure(set dataset.Set) string {
	right, squared := 0, 0.0
	for i, x := range set.X {
		y := m.answer(x)
		if !m.classes {
			squared += (y[0] - set.Y[i]) * (y[0] - set.Y[i])
		} else if y[int(set.Y[i])] == slices.Max(y) {
			right++
		}
	}
	if m.classes {
		return fmt.Sprintf("accuracy %.3f", float64(right)/float64(len(set.Y)))
	}
	return fmt.Sprintf("RMSE %.1f", math.Sqrt(squared/float64(len(set.Y))))
}

// read is one of the tables.
func read(name string) (dataset.Set, error) {
	file, err := data.Files.Open(name)
	if err != nil {
		return dataset.Set{}, err
	}
	defer func() { _ = file.Close() }()
	return dataset.Read(file)
}

// invent draws cases from the table of symptoms.
func invent() (dataset.Set, []string, error) {
	file, err := data.Files.Open("symptoms.csv")
	if err != nil {
		return dataset.Set{}, nil, err
	}
	defer func() { _ = file.Close() }()
	return dataset.Invent(file, casesOfEach, 1)
}

// corner is the feature that is 0 in every row of the digits.
const corner = "p00"

// withSpecks gives half of the rows, drawn at random, a grey corner, as from dust on a scanner's glass. No digit reaches
// there, so none looks different.
func withSpecks(held dataset.Set) dataset.Set {
	random := rand.New(rand.NewPCG(1, 4)) //nolint:gosec // the same rows are wanted every time
	at := slices.Index(held.Features, corner)
	live := dataset.Set{Features: held.Features, Answer: held.Answer, Y: held.Y}
	for _, x := range held.X {
		live.X = append(live.X, slices.Clone(x))
	}
	for _, row := range random.Perm(len(live.X))[:len(live.X)/2] {
		live.X[row][at] = float64(1 + random.IntN(16))
	}
	return live
}
