package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/record"
	"github.com/suoke-life/suoke/internal/release/view"
)

// shownSeconds are the last seconds that the evidence in a status holds.
type shownSeconds struct{ left []suokev1.EvidenceSecond }

// Next returns the next second; io.EOF after the last.
func (s *shownSeconds) Next() (record.Entry, error) {
	if len(s.left) == 0 {
		return record.Entry{}, io.EOF
	}
	next := s.left[0]
	s.left = s.left[1:]
	return record.Entry{Second: record.ShownSecond(next.Second, next.Stable, next.Candidate)}, nil
}

// evidence reads what the version on its way was judged on of late, or else the one that is wanted.
func (o *rolloutOptions) evidence(ctx context.Context, name string) (record.Header, *shownSeconds, error) {
	model, err := o.model(ctx, name)
	if err != nil {
		return record.Header{}, nil, err
	}
	versions, err := o.versions(ctx, name)
	if err != nil {
		return record.Header{}, nil, err
	}
	version := model.Status.CandidateVersion
	if version == "" {
		version = model.Spec.Version
	}
	described := view.Describing(versions, name, version)
	if described == nil || described.Status.Evidence == nil || described.Status.Evidence.Statistic == nil {
		return record.Header{}, nil, fmt.Errorf("%s of %s has no evidence to judge again: it has had no traffic beside another version", version, name)
	}
	e := described.Status.Evidence
	header := record.Header{
		Model: name, Stable: e.StableVersion, Candidate: version, Attempt: int(e.Attempt), StableDigest: e.StableDigest, CandidateDigest: e.CandidateDigest,
	}
	if err := json.Unmarshal(e.Statistic.Raw, &header.Start); err != nil {
		return record.Header{}, nil, fmt.Errorf("reading status.evidence of ModelVersion %s: %w", described.Name, err)
	}
	return header, &shownSeconds{left: e.Seconds}, nil
}
