package order

import (
	"encoding/json"
	"fmt"
)

// InputDo says what a person does with the console of a job that runs.
type InputDo string

// What can be done.
const (
	InputTake InputDo = "take" // have the job type nothing until it is given back
	InputType InputDo = "type"
	InputKeep InputDo = "keep" // the person is still there
	InputGive InputDo = "give" // back to the job
)

// Input travels on input.<job> to the process of a job, which answers with [InputSaid]. It is kept nowhere: who
// types looks on.
type Input struct {
	Version int     `json:"version"`
	Do      InputDo `json:"do"`
	Session string  `json:"session"`        // a word of the asker's, of this one use of the console
	User    string  `json:"user"`           // who types
	Text    string  `json:"text,omitempty"` // of type, as it is typed
}

// InputSaid answers.
type InputSaid struct {
	Error string `json:"error,omitempty"` // why it was not done, a sentence
}

// DecodeInput reads an [Input]. The error names what is wrong.
func DecodeInput(data []byte) (Input, error) {
	var in Input
	if err := json.Unmarshal(data, &in); err != nil {
		return Input{}, fmt.Errorf("read what is typed: %w", err)
	}
	switch {
	case !Known(in.Version):
		return in, fmt.Errorf("read what is typed: version is %d, this worker knows %s", in.Version, window())
	case in.Session == "" || in.User == "":
		return in, fmt.Errorf("read what is typed: session is %q and user %q, want both", in.Session, in.User)
	}
	switch in.Do {
	case InputTake, InputType, InputKeep, InputGive:
		return in, nil
	}
	return in, fmt.Errorf("read what is typed: do is %q, want take, type, keep or give", in.Do)
}
