package boot

import (
	"fmt"
	"strings"

	"strata/dispatcher/pipeline"
)

// condition is one thing that a method asks of the device and the block; it returns why it is not
// met, or "".
type condition func(device, block pipeline.Data) string

// when accepts a block that names the method on a device that offers it, and meets the conditions.
func when(method string, conditions ...condition) func(device, block pipeline.Data) (string, error) {
	return func(device, block pipeline.Data) (string, error) {
		if block.Get("method").Text() != method {
			return fmt.Sprintf("'method' was not '%s'", method), nil
		}
		if !offers(device, method) {
			return fmt.Sprintf("'%s' not in the device configuration boot methods", method), nil
		}
		for _, c := range conditions {
			if refusal := c(device, block); refusal != "" {
				return refusal, nil
			}
		}
		return "", nil
	}
}

// withCommands is when for a boot loader: a block that names it must say what to type.
func withCommands(method string) func(device, block pipeline.Data) (string, error) {
	accepts := when(method)
	return func(device, block pipeline.Data) (string, error) {
		if block.Get("method").Text() == method && !block.Has("commands") {
			return "", pipeline.Blamef(pipeline.Configuration, "commands not specified in boot parameters of method '%s'", method)
		}
		return accepts(device, block)
	}
}

// deviceHas asks for a key of the device dictionary.
func deviceHas(key string) condition {
	return func(device, _ pipeline.Data) string {
		if !device.Has(key) {
			return fmt.Sprintf("device has no '%s' configured", key)
		}
		return ""
	}
}

// blockHas asks for a key of the block.
func blockHas(key string) condition {
	return func(_, block pipeline.Data) string {
		if !block.Has(key) {
			return fmt.Sprintf("'%s' not in boot parameters", key)
		}
		return ""
	}
}

// methodHas asks for parameters of the device's boot method.
func methodHas(method string, keys ...string) condition {
	return func(device, _ pipeline.Data) string {
		parameters := device.Get("actions", "boot", "methods", method, "parameters")
		for _, key := range keys {
			if !parameters.Has(key) {
				return fmt.Sprintf("'%s' not in the parameters of the device's boot method '%s'", key, method)
			}
		}
		return ""
	}
}

// containing accepts a block whose method has the text in it, as ssh and schroot do.
func containing(text string) func(device, block pipeline.Data) (string, error) {
	return func(device, block pipeline.Data) (string, error) {
		switch {
		case !strings.Contains(block.Get("method").Text(), text):
			return fmt.Sprintf("'method' does not contain '%s'", text), nil
		case !offers(device, text):
			return fmt.Sprintf("'%s' not in the device configuration boot methods", text), nil
		}
		return "", nil
	}
}

// anywhere accepts a block by its method on every device.
func anywhere(method string) func(device, block pipeline.Data) (string, error) {
	return func(_, block pipeline.Data) (string, error) {
		if block.Get("method").Text() != method {
			return fmt.Sprintf("'method' was not '%s'", method), nil
		}
		return "", nil
	}
}
