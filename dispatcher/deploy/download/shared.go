package download

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"strata/dispatcher/cache"
	"strata/dispatcher/pipeline"
)

// store returns the worker's cache, nil where it has none or may not have the file.
func (d httpDownload) store(s *pipeline.Session) (*cache.Cache, error) {
	where := s.Services().Cache
	if where.Dir == "" {
		return nil, nil
	}
	if cacheable, err := d.cacheable(s); !cacheable || err != nil {
		return nil, err
	}
	store, err := cache.Open(where.Dir, where.Limit, s.Now)
	if err != nil {
		s.Log.Warning("downloading without the worker's cache: %s", err)
		return nil, nil
	}
	return store, nil
}

// wanted is the file as the cache knows it: by its own URL, whichever way it comes.
func (d httpDownload) wanted() cache.Request {
	r := cache.Request{URL: d.url}
	for _, h := range d.artefact.Params.Get("headers").Pairs() {
		r.Headers = append(r.Headers, h.Key+": "+h.Value.Text())
	}
	for _, algorithm := range []string{"sha256", "sha512", "md5"} {
		if sum := d.artefact.Params.Get(algorithm + "sum").Text(); sum != "" {
			r.Sums = append(r.Sums, cache.Sum{Algorithm: algorithm, Hex: sum})
		}
	}
	return r
}

// shared downloads the file through the cache.
func (d httpDownload) shared(ctx context.Context, s *pipeline.Session, store *cache.Cache) error {
	wanted := d.wanted()
	ask := func(ctx context.Context, q cache.Question) (cache.Answer, error) { return d.answer(ctx, s, q) }
	content, err := store.Get(ctx, wanted, ask, func() {
		s.Log.Info("another job is downloading %s, waiting for it", d.url)
	})
	if err != nil {
		return err
	}
	defer content.Close() // only read here; what could not be kept is a Problem
	switch {
	case !content.Fetched:
		s.Log.Info("using the worker's copy of %s", d.url)
	case content.Resumed > 0:
		s.Log.Info("an earlier download broke after %d bytes, asked for the rest", content.Resumed)
	}
	err = d.save(ctx, s, content, content.Size)
	if err == nil {
		content.Confirm(wanted.Sums)
	}
	if content.Problem != nil {
		s.Log.Warning("other jobs will not find this download in the worker's cache: %s", content.Problem)
	}
	return err
}

// answer puts the cache's question to the server.
func (d httpDownload) answer(ctx context.Context, s *pipeline.Session, q cache.Question) (cache.Answer, error) {
	conditions, from := conditions(q)
	resp, where, err := d.get(ctx, s, conditions)
	if err != nil {
		return cache.Answer{}, err
	}
	switch resp.StatusCode {
	case http.StatusNotModified:
		resp.Body.Close() // it has none
		return cache.Answer{Unchanged: true}, nil
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		if from == 0 || !startsAt(resp, from) {
			resp.Body.Close()
			return d.answer(ctx, s, cache.Question{}) // the file is another, or the server confused
		}
	default:
		from = 0
	}
	a := cache.Answer{
		Rest:    from > 0,
		Size:    resp.ContentLength,
		Version: cache.Version{ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")},
		NoStore: strings.Contains(strings.ToLower(resp.Header.Get("Cache-Control")), "no-store"),
		Body:    &resuming{d: d, ctx: ctx, s: s, from: where, resp: resp, n: from},
	}
	if a.Size >= 0 {
		a.Size += from
	}
	return a, nil
}

// conditions returns the headers for a question, nil for none, and from which byte the answer may
// begin.
func conditions(q cache.Question) (headers map[string]string, from int64) {
	tag, at := q.Have.ETag, q.Have.LastModified
	if q.From > 0 {
		// A weak tag says that two versions are alike, not that their bytes are.
		version := tag
		if version == "" || strings.HasPrefix(version, "W/") {
			version = at
		}
		if version == "" {
			return nil, 0
		}
		return map[string]string{"Range": fmt.Sprintf("bytes=%d-", q.From), "If-Range": version}, q.From
	}
	switch {
	case tag != "":
		return map[string]string{"If-None-Match": tag}, 0
	case at != "":
		return map[string]string{"If-Modified-Since": at}, 0
	}
	return nil, 0
}
