package demo

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/load"
)

// Edge is the public edge and what clients ask of it.
type Edge struct {
	// URL of suokelife-app, such as http://127.0.0.1:3000.
	URL string
	// Bodies of the requests, by agent.
	Bodies map[string][][]byte
	// Pattern of the arrivals.
	Pattern load.Pattern
}

// RowFiles are the files, in a folder that models/ was trained into, of the rows that clients ask of each agent of the
// local profile: those of its model's data set, and for xiaoai rows as they come in live, which its data set does not hold.
func RowFiles(datasets string) map[string]string {
	return map[string]string{
		"xiaoai": filepath.Join(datasets, "xiaoai-digits-live.csv"),
		"xiaoke": filepath.Join(datasets, "xiaoke-breast-cancer", "xiaoke-breast-cancer.csv"),
		"laoke":  filepath.Join(datasets, "laoke-symptoms", "laoke-symptoms.csv"),
		"soer":   filepath.Join(datasets, "soer-diabetes", "soer-diabetes.csv"),
	}
}

// Flow is traffic under way, a load for each agent.
type Flow map[string]*load.Run

// Start begins to send requests at the rates given, per second and by agent.
func (e Edge) Start(ctx context.Context, rates map[string]float64) (Flow, error) {
	flow := Flow{}
	for _, agent := range slices.Sorted(maps.Keys(rates)) {
		run, err := load.Start(ctx, load.Config{
			URL:    strings.TrimSuffix(e.URL, "/") + "/api/agents/" + agent + "/v1/infer",
			Bodies: e.Bodies[agent], Pattern: e.Pattern, Rate: rates[agent],
			Duration: load.MaxDuration, MaxInFlight: 1000, Timeout: 35 * time.Second,
		})
		if err != nil {
			flow.Stop()
			return nil, fmt.Errorf("sending requests to %s: %w", agent, err)
		}
		flow[agent] = run
	}
	return flow, nil
}

// Stop ends the sending, waits for the answers that are due, and returns what clients saw, by agent.
func (f Flow) Stop() Seen {
	seen := Seen{}
	for agent, run := range f {
		seen[agent] = run.Stop()
	}
	return seen
}

// Seen is what clients saw, by agent.
type Seen map[string]load.Stats

// Sent and Failed sum over the agents.
func (s Seen) Sent() (n int64) {
	for _, stats := range s {
		n += stats.Sent
	}
	return n
}

// Failed sums over the agents.
func (s Seen) Failed() (n int64) {
	for _, stats := range s {
		n += stats.Failed
	}
	return n
}

// Failures are the distinct reasons, with the agent and their number.
func (s Seen) Failures() (failures []string) {
	for _, agent := range slices.Sorted(maps.Keys(s)) {
		for _, reason := range slices.Sorted(maps.Keys(s[agent].Reasons)) {
			failures = append(failures, fmt.Sprintf("%s: %d × %s", agent, s[agent].Reasons[reason], reason))
		}
	}
	return failures
}
