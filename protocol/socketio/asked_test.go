package socketio

import (
	"context"
	"fmt"
	"testing"
)

// countingCluster notes what is sent, and runs a function before the first.
type countingCluster struct {
	do    func()
	kinds []string
}

func (a *countingCluster) Send(_ context.Context, m *Message) error {
	if do := a.do; do != nil {
		a.do = nil
		do()
	}
	a.kinds = append(a.kinds, fmt.Sprint(m.Kind, " ", m.Count))
	return nil
}

func (a *countingCluster) Members(context.Context, string) ([]Member, error) {
	return []Member{{ID: "other"}}, nil
}
func (a *countingCluster) Close() error { return nil }

// Who asks the sockets of another server is told how many there are before any of
// them answers or goes: it would take the first for the last.
func TestTheCountGoesBeforeTheSocketsThatGo(t *testing.T) {
	a := new(countingCluster)
	srv := newTestServer(t, Options{Cluster: func(Member, Node) (Cluster, error) { return a, nil }})
	_, ss := joined(t, srv, 2)
	a.do = func() { ss[0].Disconnect(false) }
	srv.cluster.Deliver(&Message{Kind: MessageAsk, From: "other", Request: "1", Namespace: "/", Event: "e", Millis: 1})
	if len(a.kinds) != 2 || a.kinds[0] != "count 2" || a.kinds[1] != "answer 0" {
		t.Errorf("sent %q", a.kinds)
	}
}
