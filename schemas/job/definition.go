package job

import (
	"time"

	"strata/schemas/yaml"
)

// MaxBytes is the size up to which a definition is taken.
const MaxBytes = 1 << 20

// limits are the budgets of reading a definition. The largest real ones have some thousand nodes.
func limits() yaml.Limits { return yaml.Limits{Bytes: MaxBytes, Nodes: 100_000} }

// Definition is a job definition, read. In a part of a multinode job the fields Connection,
// HostRole and Part are set as the split made them.
// Nodes in it belong to Root and are shared: nothing of a Definition is ever changed,
// [Definition.Split] and its like make new trees.
type Definition struct {
	Root        *yaml.Node // the whole document, a mapping
	Name        string     // job_name
	DeviceType  string     // or alias; "" in a multinode definition
	Device      string     // pinned to, or ""
	Worker      string     // pinned to, or ""
	Priority    int        // as a number; 50 where none is given
	Visibility  Visibility
	Timeouts    Timeouts
	Actions     []Action
	Context     *yaml.Node // mapping, or nil
	Metadata    *yaml.Node // mapping, or nil; see MetadataTexts
	Secrets     *yaml.Node // mapping, or nil
	Environment *yaml.Node // mapping, or nil: environment of the test shell
	Tags        []string
	Protocols   *yaml.Node // mapping, or nil
	Notify      *yaml.Node // mapping, or nil
	Roles       []Role     // of a multinode definition that is not split
	Connection  string     // of a guest: "ssh"
	HostRole    string     // of a guest: on whose device it runs
	Part        *Part      // of a part; nil otherwise
}

// Multinode reports whether the definition is to be split into parts.
func (d *Definition) Multinode() bool { return len(d.Roles) > 0 }

// Visibility says who may see the job.
type Visibility struct {
	Public   bool
	Personal bool
	Groups   []string // members of all of them
}

// Timeouts is the block `timeouts` of the definition. A nil Timeout is not given.
type Timeouts struct {
	Job         *Timeout // the whole job
	Action      *Timeout // default of each action
	Connection  *Timeout // default of one wait for a prompt
	Queue       *Timeout // longest wait for a device
	Actions     map[string]Timeout
	Connections map[string]Timeout
}

// DefaultTimeout is what an empty or zero timeout means, and that of an action or connection for
// which nobody gives one (LAVA's ACTION_TIMEOUT).
const DefaultTimeout = 30 * time.Second

// Timeout is a duration of the definition.
type Timeout struct {
	Length time.Duration // negative: expires at once
	Skip   bool          // of a test action: the job goes on with the next action
}

// Kind is what an action does.
type Kind string

// The kinds of action.
const (
	Deploy  Kind = "deploy"
	Boot    Kind = "boot"
	Test    Kind = "test"
	Command Kind = "command"
)

// The kinds of a test action, in Action.Method.
const (
	Definitions = "definitions"
	Interactive = "interactive"
	Monitors    = "monitors"
	Services    = "services"
)

// Action is one block of `actions`. A mapping with several kinds gives several actions in order.
type Action struct {
	Kind Kind
	// Method is how it is done: `to` of a deploy, `method` of a boot, `name` of a command, and of a
	// test the key that makes its kind.
	Method string
	Node   *yaml.Node // the block's mapping, with the keys of the method

	Namespace           string // "common" where none is given
	ConnectionNamespace string // "" where none is given
	Roles               []string
	Timeout             *Timeout
	Timeouts            map[string]Timeout // of named actions below this one
	Repeat              int                // 0 where not given
	FailureRetry        int                // 0 where not given
	RetryInterval       time.Duration      // pause between retries; 0 where not given
	Protocols           *yaml.Node         // requests to protocols from actions below, or nil
}

// Role is one entry of protocols.lava-multinode.roles in a definition that is not split.
type Role struct {
	Name        string
	Count       int
	DeviceType  string
	Device      string
	Worker      string
	Tags        []string
	Essential   bool
	Connection  string     // of guests: "ssh"
	HostRole    string     // of guests
	ExpectRole  string     // of guests
	Environment *yaml.Node // or nil
	Context     *yaml.Node // or nil
	Node        *yaml.Node // the role's mapping
}

// Part is the place of a part in its group, from protocols.lava-multinode of its definition.
type Part struct {
	Group     string // target_group
	Role      string
	Size      int // group_size
	N         int // sub_id
	Essential bool
	Request   string   // "lava-start" delays the start of a guest
	Expect    string   // expect_role
	Timeout   *Timeout // of protocol calls
}
