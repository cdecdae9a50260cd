package notify

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/job"
)

// How long the end of a job waits for all of its output and its judgement to be there.
const (
	Patience     = 2 * time.Minute
	PatienceLost = time.Minute // its worker did not come back: little is to be expected
)

// verdict is what becomes of a moment.
type verdict struct {
	plan bool      // tell of it
	wait time.Time // look at it again then; zero, and no plan: nobody is to be told
	ask  bool      // the definition's dependency query has to be asked first
}

// held is a wait for facts, however long they take.
var held = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// decide says whether a moment of a job is to be told of, by its facts and those of its last attempt, which may be
// the job itself. It reads no clock and no network.
// It may be asked about one moment any number of times, with more facts each time; only a plan ends
// that.
func decide(m moment, n *job.Notify, first, last story, now time.Time) verdict {
	// A further attempt is told of by the first one's moment.
	if n == nil || first.job.Attempt != nil {
		return verdict{}
	}
	yes := verdict{plan: true, ask: n.Dependency != "" && n.Status != "all"}
	if m.Kind == events.MomentRunning {
		// A comparison with the job before is known only at the end.
		if n.Status != "running" && n.Status != "all" || n.Type != "" {
			return verdict{}
		}
		return yes
	}
	if n.Status == "running" {
		return verdict{}
	}
	if !first.over() { // the fact is known here: a replica that is behind has been read
		return verdict{wait: now.Add(again)}
	}
	// JobRetried, JobRetryDropped or the end of the attempt wakes it.
	if first.job.OwesRetry() || !last.over() {
		return verdict{wait: held}
	}
	if want := wantedHealth(n.Status); want != "" && last.job.Health() != want {
		return verdict{}
	}
	patience := Patience
	if last.job.End.Lost {
		patience = PatienceLost
	}
	until := last.job.End.RecordedAt.Add(patience)
	if !last.told() && now.Before(until) {
		return verdict{wait: until}
	}
	if n.Type != "" {
		// The judgement follows the output; without one in time the health alone is compared.
		if last.judged == nil && !last.silent() && now.Before(until) {
			return verdict{wait: until}
		}
		if !changed(n.Type, m.Before, last) {
			return verdict{}
		}
	}
	return yes
}

// wantedHealth is what a job's health has to be for a status; empty for any.
// finished and all want none: "" fits every end.
func wantedHealth(status string) events.JobHealth {
	switch status {
	case "complete":
		return events.Complete
	case "incomplete":
		return events.Incomplete
	case "canceled":
		return events.Canceled
	}
	return ""
}

// changed says that a job is a regression or a progression against the comparable one before it: it ended otherwise, or
// cases in it did. What the lab did wrong is neither.
// Without a judgement the job's own health and error decide; with one, its verdict and counts as
// well.
func changed(kind string, before outcome, last story) bool {
	if last.judged != nil {
		if v := last.judged.Verdict; v == events.VerdictInfra || v == events.VerdictCanceled {
			return false
		}
	} else if lab.LabsFault(last.job.End.ErrorType) {
		return false
	}
	now := last.job.Health()
	var counts events.ChangeCounts
	if last.judged != nil {
		counts = last.judged.Counts
	}
	if kind == "regression" {
		return before.Health == events.Complete && now == events.Incomplete || counts.Regressions > 0
	}
	return before.Health == events.Incomplete && now == events.Complete || counts.Fixes > 0
}

// addresses is what a plan needs to know besides the definition.
type addresses struct {
	domain   string                                    // of users' mail who have no address of their own
	irc      string                                    // server of IRC where none is named
	owner    events.UserName                           // of the device that the job ran on
	accounts map[events.UserName]events.UserConfigured // of those who may be told
}

// receivers lists whom a definition wants told. Numbers begin after those given already.
// Each has its number within the job for ever: it is part of what receivers tell doubles by. The
// list is never empty: where nobody is named the submitter gets a mail.
func receivers(n *job.Notify, submitter events.UserName, a addresses, given int) []events.Delivery {
	var list []events.Delivery
	add := func(kind events.DeliveryKind, entry int, to string) {
		given++
		list = append(list, events.Delivery{N: given, Kind: kind, Entry: entry, To: to})
	}
	for i, c := range n.Callbacks {
		add(events.DeliverCallback, i, plain(c.URL))
	}
	for i, r := range n.Recipients {
		user := events.UserName(r.User)
		if r.User == job.DeviceOwner {
			user = a.owner
		}
		if r.Method == "irc" {
			account := a.accounts[user]
			nick := cmp.Or(r.Handle, account.IRCHandle, string(user))
			add(events.DeliverIRC, i, nick+"@"+cmp.Or(r.Server, account.IRCServer, a.irc))
			continue
		}
		to := a.mail(user)
		// A user comes before an address that stands beside it, as long as it has one.
		if r.User == "" || to == "" && r.Email != "" {
			to = strings.TrimSpace(r.Email)
		}
		add(events.DeliverMail, i, to)
	}
	if len(list) == 0 {
		add(events.DeliverMail, -1, a.mail(submitter))
	}
	return list
}

// mail is what a fact says of where a user's mail goes: the name, where the account has an address (which is looked up when
// the mail goes, and is not for everybody who sees the job), else an address made of it; empty where nobody knows one.
func (a addresses) mail(user events.UserName) string {
	switch {
	case a.accounts[user].Email != "":
		return string(user)
	case user == "" || strings.Contains(string(user), "@"):
		return string(user)
	case a.domain != "":
		return fmt.Sprintf("%s@%s", user, a.domain)
	}
	return ""
}

// plain is an address as it may stand in facts: scheme and host alone, for all else may be secret, the path too.
// "" for what is no address with a scheme. Placeholders in the host stay as they are.
func plain(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return ""
	}
	host := rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return !strings.ContainsRune("/?#", r) }))]
	return scheme + "://" + host[strings.LastIndex(host, "@")+1:]
}
