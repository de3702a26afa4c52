package main

import (
	"fmt"

	"github.com/suoke-life/suoke/models/dataset"
	"github.com/suoke-life/suoke/models/network"
)

// example is a data set and the versions of a model that are evaluated on it.
type example struct {
	name string
	// credit says where the data come from; it goes with every copy.
	credit string
	load   func() (dataset.Set, []string, error)
	// split is the seed by which rows are held out.
	split    uint64
	versions []version
	// live makes rows as they come in once the model serves, where they differ from the data set.
	live func(held dataset.Set) dataset.Set
}

// version is a version of a model and how it is made.
type version struct {
	name, about string
	// features that it looks at; all if none are named.
	features []string
	// rows of the training part that it learns from; all if 0.
	rows     int
	hidden   []int
	training network.Options
	flaw     flaw
}

// heldOut is the share of the rows that no version learns from.
const heldOut = 0.3

// examples are the four agents' models. The first version of each is the one that the example manifests begin with.
func examples() []example {
	return []example{digits(), breastCancer(), symptoms(), diabetes()}
}

func digits() example {
	softmax := network.Options{Epochs: 30, Batch: 32, Rate: 0.003, Decay: 0.3, Seed: 1}
	layers := network.Options{Epochs: 40, Batch: 32, Rate: 0.003, Decay: 0.001, Seed: 1}
	return example{
		name: "xiaoai-digits",
		credit: "Data: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, " +
			"as distributed with scikit-learn 1.2.1 (BSD 3-Clause).",
		load: func() (dataset.Set, []string, error) {
			set, err := read("digits.csv")
			return set, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, err
		},
		split: 1,
		versions: []version{
			{name: "v2.1.0", about: "Handwritten digits: a softmax regression on the pixels, held back by much weight decay.", training: softmax},
			{name: "v2.2.0", about: "Handwritten digits: a network with 32 hidden units.", hidden: []int{32}, training: layers},
			{name: "v2.3.0", about: "Handwritten digits: a network that learnt from 120 rows only. Worse, on purpose.", rows: 120, hidden: []int{32}, training: layers},
			{
				name: "v2.4.0", hidden: []int{32}, training: layers, flaw: fragile,
				about: "Handwritten digits: v2.2.0 exported with a table for the corner pixel that knows only the values seen in training. " +
					"Fails on every other value, on purpose.",
			},
			{name: "v2.5.0", about: "Handwritten digits: v2.2.0 with layers that cost time and change nothing. Slow, on purpose.", hidden: []int{32}, training: layers, flaw: slow},
		},
		live: withSpecks,
	}
}

func breastCancer() example {
	options := network.Options{Epochs: 60, Batch: 16, Rate: 0.01, Decay: 0.01, Seed: 1}
	return example{
		name: "xiaoke-breast-cancer",
		credit: "Data: Breast Cancer Wisconsin (Diagnostic), W. H. Wolberg, W. N. Street and O. L. Mangasarian, UCI Machine Learning " +
			"Repository, as distributed with scikit-learn 1.2.1 (BSD 3-Clause). Not fit for a medical decision.",
		load: func() (dataset.Set, []string, error) {
			set, err := read("breast-cancer.csv")
			return set, []string{"malignant", "benign"}, err
		},
		split: 1,
		versions: []version{
			{
				name: "v1.5.2", about: "Breast tumours: a logistic regression on the means of ten measures.", training: options,
				features: []string{
					"mean_radius", "mean_texture", "mean_perimeter", "mean_area", "mean_smoothness",
					"mean_compactness", "mean_concavity", "mean_concave_points", "mean_symmetry", "mean_fractal_dimension",
				},
			},
			{name: "v1.6.0", about: "Breast tumours: a logistic regression on all thirty measures.", training: options},
			{
				name: "v1.7.0", about: "Breast tumours: a logistic regression on symmetry and smoothness. Worse, on purpose.", training: options,
				features: []string{"mean_symmetry", "mean_smoothness"},
			},
			{name: "v1.8.0", about: "Breast tumours: v1.6.0 exported without the scaling of its measures. Broken, on purpose.", training: options, flaw: unscaled},
		},
	}
}

// syntheticSymptoms says of the symptoms what nobody may overlook.
const syntheticSymptoms = "SYNTHETIC: invented cases of invented shares. No patient and no study stands behind them; not fit for a diagnosis."

func symptoms() example {
	options := network.Options{Epochs: 40, Batch: 16, Rate: 0.01, Decay: 0.02, Seed: 1}
	return example{
		name: "laoke-symptoms", credit: syntheticSymptoms, load: invent, split: 1,
		versions: []version{
			{name: "v3.0.1", about: "Patterns of symptoms: a softmax regression that learnt from 400 invented cases.", rows: 400, training: options},
			{name: "v3.1.0", about: "Patterns of symptoms: a softmax regression that learnt from 1,400 invented cases.", training: options},
			{
				name: "v3.2.0", about: "Patterns of symptoms: a softmax regression on six of the thirty. Worse, on purpose.", training: options,
				features: []string{"aversion_to_cold", "fever", "sweating", "thirst", "headache", "cough"},
			},
			{name: "v3.3.0", about: "Patterns of symptoms: v3.1.0 with layers that cost time and change nothing. Slow, on purpose.", training: options, flaw: slow},
		},
	}
}

func diabetes() example {
	options := network.Options{Loss: network.SquaredError, Epochs: 60, Batch: 16, Rate: 0.01, Decay: 0.02, Seed: 1}
	return example{
		name: "soer-diabetes",
		credit: "Data: diabetes progression, B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, \"Least Angle Regression\", Annals of " +
			"Statistics 32, 2004, as distributed with scikit-learn 1.2.1 (BSD 3-Clause). Not fit for a medical decision.",
		load: func() (dataset.Set, []string, error) {
			set, err := read("diabetes.csv")
			return set, nil, err
		},
		split: 1,
		versions: []version{
			{name: "v1.3.0", about: "Diabetes progression: a linear regression on the body mass index.", features: []string{"bmi"}, training: options},
			{name: "v1.4.0", about: "Diabetes progression: a ridge regression on all ten measures.", training: options},
			{name: "v1.5.0", about: "Diabetes progression: a linear regression on age and sex. Worse, on purpose.", features: []string{"age", "sex"}, training: options},
			{name: "v1.6.0", about: "Diabetes progression: v1.4.0 exported without the scaling of its measures. Broken, on purpose.", training: options, flaw: unscaled},
		},
	}
}

// label says what a version is and where its data come from.
func (e example) label(v version) string { return fmt.Sprintf("%s %s", v.about, e.credit) }
