package pipeline

// Method is one way to carry out a block: a row of the table of its kind. Deploy, boot and test
// each have a table, in a file methods.go.
type Method struct {
	Name     string // for messages, such as "qemu"
	Priority int    // the highest willing one is taken, the first of equals; nearly all have 0
	// Accepts returns "" if the method will do for the block on the device, else why not. An error
	// ends the planning.
	Accepts func(device, block Data) (refusal string, err error)
	// Action returns the root action for the block.
	Action func(block Data) Action
	// Test is what a test method needs of deploy and boot; for the other kinds it is unused.
	Test func(block Data) TestInfo
	// NoDeploymentData says that a deploy method has no use for the table of operating systems.
	NoDeploymentData bool
}

// Methods are the tables that Parse chooses from.
type Methods struct {
	Deploy, Boot, Test []Method
	Command            func(block Data) Action
	Finalize           func() Action
}
