package socketio_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
)

// spread are servers of one cluster behind a proxy that gives each request to the next.
func spread(t *testing.T, n int) (front string, nodes []string) {
	t.Helper()
	m := new(socketio.MemoryCluster)
	var srvs []*socketio.Server
	for i := range n {
		web := httptest.NewUnstartedServer(nil)
		web.Start()
		srv := socketio.NewServer(socketio.Options{
			Engine: engineio.Options{NodeID: fmt.Sprint("n", i)}, Cluster: m.Join, Recovery: m.Recovery(),
			Address: web.URL + "/socket.io/",
		})
		socketio.OnAck(srv, "address", func(s *socketio.Socket, _ struct{}) (string, error) { return s.Handshake().Address, nil })
		web.Config.Handler = srv
		srvs, nodes = append(srvs, srv), append(nodes, web.URL)
		t.Cleanup(func() {
			must(t, srv.Shutdown(context.Background()))
			web.Close()
		})
	}
	var next atomic.Int64
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		srvs[int(next.Add(1))%n].ServeHTTP(w, r)
	}))
	t.Cleanup(balancer.Close)
	return balancer.URL, nodes
}

func TestPollsFindTheServerOfTheirSessionWithoutStickySessions(t *testing.T) {
	front, _ := spread(t, 3)
	c := dial(front + "/socket.io/")
	c.join("")
	for i := range 5 {
		c.send(fmt.Sprintf(`2%d["address",null]`, i))
		if got := c.next(); !strings.HasPrefix(got, fmt.Sprintf(`3%d["127.0.0.1:`, i)) {
			t.Fatalf("received %s", got)
		}
	}
	// The upgrade goes through another server too.
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(c.url, "transport=polling", "transport=websocket", 1), nil)
	must(t, err)
	defer ws.CloseNow()
	must(t, ws.Write(t.Context(), websocket.MessageText, []byte("2probe")))
	if _, got, err := ws.Read(t.Context()); err != nil || string(got) != "3probe" {
		t.Fatalf("received %q, %v", got, err)
	}
}

// A mark that does not come from a server of the cluster is not believed, and none is
// passed on twice.
func TestARequestIsPassedOnOnceAndItsMarkHasToBeTrue(t *testing.T) {
	front, nodes := spread(t, 2)
	c := dial(front + "/socket.io/")
	u, err := url.Parse(c.url)
	must(t, err)
	home := nodes[strings.IndexByte("01", engineio.NodeOf(u.Query().Get("sid"))[1])]
	status := func(base, mark string) int {
		req, err := http.NewRequest("POST", base+u.RequestURI(), strings.NewReader("40"))
		must(t, err)
		req.Header.Set("Podium-Forwarded", mark)
		r, err := http.DefaultClient.Do(req)
		must(t, err)
		defer r.Body.Close()
		_, _ = io.Copy(io.Discard, r.Body)
		return r.StatusCode
	}
	for _, base := range nodes {
		want := 400
		if base == home {
			want = 200
		}
		if got := status(base, "6.6.6.6:1 1 forged"); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
}

func TestAPollForASessionOfAServerThatIsGoneIsToldSo(t *testing.T) {
	front, _ := spread(t, 2)
	r, err := http.Get(front + "/socket.io/?EIO=4&transport=polling&sid=gone~abc")
	must(t, err)
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); r.StatusCode != 400 || !strings.Contains(string(body), "Session ID unknown") {
		t.Errorf("%d %s", r.StatusCode, body)
	}
}
