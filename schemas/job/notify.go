package job

import (
	"slices"

	"strata/schemas/yaml"
)

// Notify is the block `notify` of a definition: when, whom, and what they are told. LAVA's page of the same
// name documents it.
type Notify struct {
	Status     string     // running, complete, incomplete, canceled, finished or all
	Type       string     // regression, progression or ""
	Dependency string     // conditions, as addresses of queries have them; "" for none
	Verbosity  string     // verbose, quiet or status-only; quiet where nothing is said
	Callbacks  []Callback // callback and callbacks are one list
	Recipients []Recipient
	Compare    *Compare // nil: nothing is compared
}

// Callback is an address that is called.
type Callback struct {
	URL         string // may hold {PLACEHOLDERS}
	Method      string // GET or POST
	Token       string // or the name of one; "" for none
	Header      string // that carries the token
	Dataset     string // minimal, logs, results or all
	ContentType string // urlencoded or json
}

// Logs says that the body has the log.
func (c Callback) Logs() bool { return c.Dataset == "logs" || c.Dataset == "all" }

// Results says that the body has the results.
func (c Callback) Results() bool { return c.Dataset == "results" || c.Dataset == "all" }

// Recipient is somebody who is told by mail or on IRC.
type Recipient struct {
	Method string // email or irc
	User   string // of the lab, {LAVA_DEVICE_OWNER}, or ""
	Email  string
	Handle string // nick name on IRC, or a channel
	Server string // of IRC, host or host:port
}

// DeviceOwner is the user who stands for the owner of the device that a job ran on.
const DeviceOwner = "{LAVA_DEVICE_OWNER}"

// Compare says which jobs the results are compared with.
type Compare struct {
	Without    []string            // names of suites and cases that are left out
	Username   string              // of a saved query, or ""
	Query      string              // its name
	Entity     string              // of a query that is not saved, or ""
	Conditions map[string][]string // its fields, such as testjob__health or health, and what they have to be
}

// Notification returns what the definition says of notifications, nil where it says nothing.
// The definition has passed the gate, so words are taken as they stand; defaults are LAVA's.
func (d *Definition) Notification() *Notify {
	n := d.Notify
	if n == nil {
		return nil
	}
	out := &Notify{
		Status: n.Get("criteria", "status").TextOr(""), Type: n.Get("criteria", "type").TextOr(""),
		Dependency: n.Get("criteria", "dependency_query").TextOr(""), Verbosity: n.Get("verbosity").TextOr("quiet"),
	}
	calls := []*yaml.Node{n.Get("callback")}
	if list := n.Get("callbacks"); list.Is(yaml.List) {
		calls = append(calls, list.Items...)
	}
	for _, c := range calls {
		if c.Is(yaml.Map) {
			out.Callbacks = append(out.Callbacks, Callback{
				URL: printed(c, "url", ""), Method: printed(c, "method", "GET"), Token: printed(c, "token", ""), Header: printed(c, "header", "Authorization"),
				Dataset: printed(c, "dataset", "minimal"), ContentType: printed(c, "content-type", "urlencoded"),
			})
		}
	}
	if list := n.Get("recipients"); list.Is(yaml.List) {
		for _, r := range list.Items {
			to := r.Get("to")
			out.Recipients = append(out.Recipients, Recipient{Method: printed(to, "method", "email"), User: printed(to, "user", ""), Email: printed(to, "email", ""),
				Handle: printed(to, "handle", ""), Server: printed(to, "server", "")})
		}
	}
	out.Compare = readCompare(n.Get("compare"))
	return out
}

func readCompare(n *yaml.Node) *Compare {
	if !n.Is(yaml.Map) {
		return nil
	}
	q := n.Get("query")
	out := &Compare{Without: n.Get("blacklist").Texts(), Username: printed(q, "username", ""), Query: printed(q, "name", ""), Entity: printed(q, "entity", "")}
	if conditions := q.Get("conditions"); conditions.Is(yaml.Map) {
		out.Conditions = map[string][]string{}
		for _, p := range conditions.Pairs {
			values := []string{p.Value.Print()}
			if p.Value.Is(yaml.List) {
				values = slices.Clone(p.Value.Texts())
			}
			out.Conditions[p.Key.Print()] = values
		}
	}
	return out
}

// printed returns what stands under key, as text; numbers too, since tokens may look like some.
func printed(n *yaml.Node, key, otherwise string) string {
	if v := n.Get(key); !v.Empty() {
		return v.Print()
	}
	return otherwise
}
