package api

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"

	"podium/contest"
)

// text is how people's words leave the server.
type text struct{ escape bool }

// out is s as it leaves.
func (t text) out(s string) string {
	if !t.escape {
		return s
	}
	return html.EscapeString(s)
}

// in is a category's name as it comes back from a page that was sent it by
// out: reading and saving changes nothing.
func (t text) in(s string) string {
	if !t.escape {
		return s
	}
	return html.UnescapeString(s)
}

// urlEscaper writes what could end an attribute in the way URLs have for it.
// Unlike HTML's escapes that leaves the address right both for pages that put
// it into markup and for those that set a property.
var urlEscaper = strings.NewReplacer(`"`, "%22", "'", "%27", "<", "%3C", ">", "%3E", "`", "%60", " ", "%20")

// url is a picture's address as it leaves.
func (t text) url(s *string) *string {
	if s == nil || !t.escape {
		return s
	}
	if !strings.HasPrefix(*s, "/") && !strings.HasPrefix(*s, "https://") && !strings.HasPrefix(*s, "http://") {
		return nil // an imported javascript: address, say
	}
	safe := urlEscaper.Replace(*s)
	return &safe
}

// EventPayload is the payload of a logged event as it leaves: its text escaped
// where that is set. The log holds it plain.
func (c *API) EventPayload(name string, payload []byte) ([]byte, error) {
	if !c.text.escape {
		return payload, nil
	}
	switch name {
	case contest.EventNewSubmission, contest.EventSubmissionUpdated:
		var p contest.Public
		if err := json.Unmarshal(payload, &p); err != nil {
			return nil, fmt.Errorf("read event %s: %w", name, err)
		}
		p.Caption, p.ImageURL = c.text.out(p.Caption), c.text.url(p.ImageURL)
		return json.Marshal(p)
	case contest.EventCategoriesUpdated:
		var p struct {
			Categories []category `json:"categories"`
		}
		if err := json.Unmarshal(payload, &p); err != nil {
			return nil, fmt.Errorf("read event %s: %w", name, err)
		}
		for i := range p.Categories {
			p.Categories[i].Name = c.text.out(p.Categories[i].Name)
		}
		return json.Marshal(p)
	}
	return payload, nil
}
