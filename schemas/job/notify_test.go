package job

import (
	"reflect"
	"testing"
)

// The block is read with LAVA's defaults, whether callbacks stand alone or in a list.
func TestNotification(t *testing.T) {
	tests := []struct {
		name, text string
		want       *Notify
	}{
		{"none", "", nil},
		{"least", "notify: {criteria: {status: finished}}\n", &Notify{Status: "finished", Verbosity: "quiet"}},
		{"callback with defaults", "notify: {criteria: {status: all}, callback: {url: 'http://a/{ID}', token: 123}}\n",
			&Notify{Status: "all", Verbosity: "quiet", Callbacks: []Callback{{"http://a/{ID}", "GET", "123", "Authorization", "minimal", "urlencoded"}}}},
		{"callbacks", "notify: {criteria: {status: complete, type: progression}, verbosity: verbose, callbacks: [{url: u, method: POST, header: X-T, token: t, dataset: all, content-type: json}, {url: v}]}\n",
			&Notify{Status: "complete", Type: "progression", Verbosity: "verbose", Callbacks: []Callback{
				{"u", "POST", "t", "X-T", "all", "json"}, {"v", "GET", "", "Authorization", "minimal", "urlencoded"}}}},
		{"recipients", "notify: {criteria: {status: running, dependency_query: testjob__submitter__exact__a}, recipients: [{to: {method: email, user: '{LAVA_DEVICE_OWNER}'}}, {to: {method: irc, handle: n, server: s}}]}\n",
			&Notify{Status: "running", Dependency: "testjob__submitter__exact__a", Verbosity: "quiet", Recipients: []Recipient{
				{Method: "email", User: DeviceOwner}, {Method: "irc", Handle: "n", Server: "s"}}}},
		{"compare", "notify: {criteria: {status: all}, compare: {blacklist: [lava], query: {entity: testjob, conditions: {health: Complete, testjob__submitter: [a, b]}}}}\n",
			&Notify{Status: "all", Verbosity: "quiet", Compare: &Compare{Without: []string{"lava"}, Entity: "testjob",
				Conditions: map[string][]string{"health": {"Complete"}, "testjob__submitter": {"a", "b"}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Read([]byte("job_name: x\nvisibility: public\ntimeouts: {job: {minutes: 1}}\nactions: []\n" + tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Notification(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Notification:\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}
