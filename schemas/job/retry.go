package job

import (
	"fmt"
	"strconv"

	"strata/schemas/yaml"
)

// What a job asks of Strata alone stands in its metadata, under the key "strata": LAVA takes any value
// there, in its gate and in its strict schema, and shows it, while it refuses a key of its top level
// or context that it does not know. So the same text runs on both.
const ownKey = "strata"

// MaxRetries is how often a job can ask to be tried again.
// Each attempt is a job with a number of its own.
const MaxRetries = 1

// checkOwn checks what stands under metadata.strata. A value that is no mapping is somebody's own
// metadata and means nothing here.
// Unknown keys are refused here, unlike elsewhere in metadata: a slip would have the job not retried,
// and nobody would see it.
func checkOwn(root *yaml.Node) *Problem {
	own := root.Get("metadata", ownKey)
	if !own.Is(yaml.Map) {
		return nil
	}
	path := []string{"'metadata'", "'" + ownKey + "'"}
	for _, key := range own.Keys() {
		if key != "retry" {
			return problemAt(own.Get(key), append(path, "'"+key+"'"), "extra keys not allowed, only 'retry' is")
		}
	}
	retry := own.Get("retry")
	path = append(path, "'retry'")
	if retry == nil {
		return nil
	}
	if !retry.Is(yaml.Map) {
		return problemAt(retry, path, "expected a dictionary such as {infrastructure: 1}")
	}
	for _, key := range retry.Keys() {
		if key != "infrastructure" {
			return problemAt(retry.Get(key), append(path, "'"+key+"'"), "extra keys not allowed, only 'infrastructure' is")
		}
	}
	times := retry.Get("infrastructure")
	if times == nil {
		return nil
	}
	path = append(path, "'infrastructure'")
	n, ok := times.AsInt()
	switch {
	case !ok || !times.Is(yaml.Int) || n < 0 || n > MaxRetries:
		return problemAt(times, path, fmt.Sprintf("expected a number from 0 to %d, not %s", MaxRetries, strconv.Quote(times.Print())))
	case n > 0 && !root.Get("protocols", "lava-multinode", "roles").Empty():
		return problemAt(times, path, "a multinode job is not retried: expected 0")
	case n > 0 && root.Has("device"):
		return problemAt(times, path, "a retry takes another device, and this job is for one: expected 0")
	}
	return nil
}

// Retries returns how often the job wants to be tried again where it ends by the lab's fault, and
// whether it says so at all: metadata.strata.retry.infrastructure of a definition that has passed the
// gate.
// Where it does not say so the lab's own setting counts (jobs.retry_infrastructure).
func (d *Definition) Retries() (times int, said bool) {
	n, ok := d.Metadata.Get(ownKey, "retry", "infrastructure").AsInt()
	if !ok || n < 0 {
		return 0, false
	}
	return int(min(n, MaxRetries)), true
}
