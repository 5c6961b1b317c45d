package pages

import (
	"bytes"
	"html"
	"net/http"
)

// An Origin is put into pages where whole addresses are needed, as previews of links need
// them.
type Origin struct {
	// Place is what stands in a page in its place; "" where none does.
	Place string
	// Of is the origin of this server for whoever asks, https://example.org, or ""
	// where it is not known.
	Of func(*http.Request) string
}

// maxOrigins bounds the origins that pages are served for: anybody can ask by any name,
// and each costs a form of every page. Pages asked for by more have addresses without
// an origin.
const maxOrigins = 16

// addressed returns a page with this server's origin in its place, and everything else
// as it is.
func (p *Pages) addressed(a *asset, r *http.Request) *asset {
	if p.origin.Place == "" || !a.isPage() || a.file != nil || !bytes.Contains(a.data, []byte(p.origin.Place)) {
		return a
	}
	origin := p.admitted(p.origin.Of(r))
	name := a.name + "\x00" + origin
	p.source.mu.Lock()
	made := p.source.assets[name]
	p.source.mu.Unlock()
	if made != nil && made.of == a {
		return made
	}
	made = newAsset(a.name, bytes.ReplaceAll(a.data, []byte(p.origin.Place), []byte(html.EscapeString(origin))))
	made.of = a
	p.source.keep(name, made)
	return made
}

// admitted is the origin, or "" where there are enough others.
func (p *Pages) admitted(origin string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.origins[origin] && len(p.origins) >= maxOrigins {
		return ""
	}
	p.origins[origin] = true
	return origin
}
