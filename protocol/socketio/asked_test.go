package socketio

import (
	"encoding/json"
	"fmt"
	"testing"
)

// countingAdapter notes what is published, and runs a function before the first.
type countingAdapter struct {
	do    func()
	kinds []string
}

func (a *countingAdapter) Publish(message []byte) error {
	if do := a.do; do != nil {
		a.do = nil
		do()
	}
	var m clusterMessage
	err := json.Unmarshal(message, &m)
	a.kinds = append(a.kinds, fmt.Sprint(m.Kind, " ", m.Count))
	return err
}

func (a *countingAdapter) Servers() (int, error) { return 2, nil }
func (a *countingAdapter) Close() error          { return nil }

// Who asks the sockets of another server is told how many there are before any of
// them answers or goes: it would take the first for the last.
func TestTheCountGoesBeforeTheSocketsThatGo(t *testing.T) {
	a := new(countingAdapter)
	srv := newTestServer(t, Options{Adapter: func(func([]byte)) (Adapter, error) { return a, nil }})
	_, ss := joined(t, srv, 2)
	a.do = func() { ss[0].Disconnect(false) }
	srv.cluster.receive([]byte(`{"kind":"ask","from":"other","request":1,"nsp":"/","event":"e","millis":1}`))
	if len(a.kinds) != 2 || a.kinds[0] != "count 2" || a.kinds[1] != "answer 0" {
		t.Errorf("published %q", a.kinds)
	}
}
