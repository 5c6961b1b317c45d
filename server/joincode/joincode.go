// Package joincode tells where phones find the server: as addresses, and as QR codes of
// them for the wall, the posters and the terminal.
package joincode

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"podium/server/answer"
	"podium/server/turns"
)

// Options say where the server is reached.
type Options struct {
	// PublicURL is the address that visitors use, "" where it is not known.
	PublicURL string
	// Listen is what the server listens on, "" for all interfaces.
	Listen string
	// TLS says that the server speaks TLS itself.
	TLS bool
	// Secure reports whether a request came over TLS, Host by which host, and AddressOf
	// whose it is.
	Secure    func(*http.Request) bool
	Host      func(*http.Request) string
	AddressOf func(*http.Request) netip.Addr
}

// Codes answers the routes of joining. It is safe for concurrent use.
type Codes struct {
	options Options
	turns   *turns.Turns // of drawing
}

// New returns the codes of a server.
func New(o Options) *Codes { return &Codes{options: o, turns: turns.NewTurns(1)} }

// Where answers GET /api/join: where phones find this server.
func (c *Codes) Where(w http.ResponseWriter, r *http.Request) error {
	addresses := c.reachable(r)
	answer.JSON(w, http.StatusOK, map[string]any{
		"url": addresses[0], "addresses": addresses, "reachable": !strings.Contains(addresses[0], "localhost"),
	})
	return nil
}

// Code answers GET /api/join.svg: a QR code of such an address.
func (c *Codes) Code(w http.ResponseWriter, r *http.Request) error {
	addresses := c.reachable(r)
	n, _ := strconv.Atoi(r.URL.Query().Get("address"))
	if n < 0 || n >= len(addresses) {
		return answer.Malformed("There is no such address.")
	}
	svg, err := c.draw(r, addressed(addresses[n], r.URL.Query().Get("path")))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(svg) // the client may be gone
	return nil
}

// Hand answers POST /api/join for an admin: the address by which a phone opens a path of this server, and
// its QR code. The path is in the body because it may hold a key, and addresses that are asked for are logged.
func (c *Codes) Hand(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Path string `json:"path"`
	}
	if err := answer.Read(w, r, 4096, &body); err != nil {
		return err
	}
	url := addressed(c.reachable(r)[0], body.Path)
	svg, err := c.draw(r, url)
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, map[string]any{"url": url, "svg": string(svg)})
	return nil
}

// addressed is a path of this server at one of its addresses.
func addressed(address, path string) string {
	return strings.TrimSuffix(address, "/") + "/" + strings.TrimPrefix(path, "/")
}

// draw makes the QR code of an address. Drawing one takes milliseconds, and anybody
// may ask for any: one at a time leaves the other processors to everybody else.
func (c *Codes) draw(r *http.Request, address string) ([]byte, error) {
	if len(address) > 500 {
		return nil, answer.Malformed("The address is too long for a code.")
	}
	if err := c.turns.Enter(turns.WithAddress(r.Context(), c.options.AddressOf(r))); err != nil {
		return nil, err
	}
	defer c.turns.Leave()
	return qrSVG(address)
}
