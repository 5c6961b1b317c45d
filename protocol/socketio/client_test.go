package socketio_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"podium/protocol/socketio"
)

// pollClient is a small client over long-polling.
type pollClient struct {
	base    string // of the server
	url     string // of the session
	http    *http.Client
	packets []string
}

// serve mounts srv on a listener of its own, and returns a client of it and
// what ends both.
func serve(srv *socketio.Server) (c *pollClient, end func()) {
	web := httptest.NewServer(srv)
	return dial(web.URL + "/socket.io/"), func() {
		_ = srv.Shutdown(context.Background())
		web.Close()
	}
}

func dial(url string) *pollClient {
	c := &pollClient{base: url, url: url + "?EIO=4&transport=polling", http: http.DefaultClient}
	open := c.next()
	sid := open[strings.Index(open, `"sid":"`)+len(`"sid":"`):]
	c.url += "&sid=" + sid[:strings.IndexByte(sid, '"')]
	return c
}

// send sends Socket.IO packets.
func (c *pollClient) send(packets ...string) { c.post("4" + strings.Join(packets, "\x1e4")) }

func (c *pollClient) post(payload string) {
	r, err := c.http.Post(c.url, "text/plain", strings.NewReader(payload))
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Body.Close()
}

// next waits for the next packet.
func (c *pollClient) next() string {
	for len(c.packets) == 0 {
		r, err := c.http.Get(c.url)
		if err != nil {
			return err.Error()
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return err.Error()
		}
		for _, p := range strings.Split(string(body), "\x1e") {
			if p != "2" && p != "6" { // ping and noop
				c.packets = append(c.packets, p)
			}
		}
	}
	p := c.packets[0]
	c.packets = c.packets[1:]
	return strings.TrimPrefix(p, "4")
}

// join joins the main namespace.
func (c *pollClient) join(auth string) string {
	c.send("0" + auth)
	return c.next()
}
