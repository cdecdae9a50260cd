package lava

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// xmlAnswer is an XML-RPC answer of one text, or a fault.
// LAVA sends files as base64, and short texts as strings.
type xmlAnswer struct {
	Value struct {
		Base64 string `xml:"base64"`
		String string `xml:"string"`
	} `xml:"params>param>value"`
	Fault []struct {
		Name   string `xml:"name"`
		Int    int    `xml:"value>int"`
		String string `xml:"value>string"`
	} `xml:"fault>value>struct>member"`
}

// call asks XML-RPC for a text, by a method with one text as its argument. The error is errAbsent for what
// is not there.
// LAVA takes the user and the token as Basic authentication; the user is whom REST said that the token
// is of. Method is a constant of the callers, and is not escaped.
func (r *reading) call(ctx context.Context, method, argument string) (string, error) {
	var arg bytes.Buffer
	if err := xml.EscapeText(&arg, []byte(argument)); err != nil {
		return "", err
	}
	body := fmt.Sprintf(`<?xml version="1.0"?><methodCall><methodName>%s</methodName><params><param><value><string>%s</string></value></param></params></methodCall>`,
		method, arg.String())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/RPC2", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "text/xml")
	req.SetBasicAuth(r.user, r.Token)
	said, err := r.do(req)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, argument, err)
	}
	var answer xmlAnswer
	if err := xml.Unmarshal(said, &answer); err != nil {
		return "", fmt.Errorf("%s %s: %w", method, argument, err)
	}
	code, fault := 0, ""
	for _, m := range answer.Fault {
		if m.Name == "faultCode" {
			code = m.Int
		}
		fault += m.String
	}
	switch {
	// LAVA's fault for what is missing has HTTP's number.
	case code == http.StatusNotFound:
		return "", fmt.Errorf("%s: %w", strings.TrimSuffix(fault, "."), errAbsent)
	case len(answer.Fault) > 0:
		return "", fmt.Errorf("%s %s: fault %d: %s", method, argument, code, fault)
	case strings.TrimSpace(answer.Value.Base64) == "":
		return answer.Value.String, nil
	}
	// Go's decoder takes line breaks, which Python writes, but no other white space.
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(answer.Value.Base64), ""))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, argument, err)
	}
	return string(text), nil
}
