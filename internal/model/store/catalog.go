package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/suoke-life/suoke/internal/model/ref"
)

const (
	// pageSize of a listing; maxPages bounds what a registry can make us read.
	pageSize = 100
	maxPages = 1000
	maxPage  = 4 << 20
)

// Entry is one tag of a registry.
type Entry struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Artifact
}

// List names every model and data set of a registry, by repository and tag. Other artifacts are left out.
func List(ctx context.Context, host string, o Options) ([]Entry, error) {
	s, err := open(ctx, host, "registry:catalog:*", o)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", host, err)
	}
	defer s.close()
	repositories, err := s.pages(ctx, "_catalog", func(text []byte) ([]string, error) {
		var page struct{ Repositories []string }
		return page.Repositories, json.Unmarshal(text, &page)
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", host, err)
	}
	found := make([][]Entry, len(repositories))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, repository := range repositories {
		group.Go(func() error {
			entries, err := s.entries(asking, repository)
			found[i] = entries
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("listing %s: %w", host, err)
	}
	return slices.Concat(found...), nil
}

func (s *session) entries(ctx context.Context, repository string) ([]Entry, error) {
	tags, err := s.tags(ctx, repository)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // begun and never finished
	}
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, tag := range tags {
		_, artifact, err := s.resolve(ctx, ref.Reference{Host: s.host, Repository: repository, Tag: tag})
		if errors.Is(err, ErrInvalid) || errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Repository: repository, Tag: tag, Artifact: artifact})
	}
	return entries, nil
}

func (s *session) tags(ctx context.Context, repository string) ([]string, error) {
	tags, err := s.pages(ctx, repository+"/tags/list", func(text []byte) ([]string, error) {
		var page struct{ Tags []string }
		return page.Tags, json.Unmarshal(text, &page)
	})
	slices.Sort(tags)
	return tags, err
}

// pages reads a paginated listing to its end. A page that is not full is the last.
func (s *session) pages(ctx context.Context, path string, names func([]byte) ([]string, error)) ([]string, error) {
	var all []string
	last := ""
	for range maxPages {
		text, header, err := s.document(ctx, fmt.Sprintf("%s?n=%d%s", path, pageSize, last), maxPage)
		if err != nil {
			return nil, err
		}
		page, err := names(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %s answered %s with no list: %w", ErrUnreachable, s.host, path, err)
		}
		all = append(all, page...)
		if header.Get("Link") == "" || len(page) == 0 {
			return all, nil
		}
		last = "&last=" + page[len(page)-1]
	}
	return all, nil
}
