package socketio_test

import (
	"fmt"
	"slices"
	"sync"

	"podium/protocol/socketio"
)

// hub joins servers of one process. An adapter for a message broker is the same:
// what Publish is given goes to the other machines, and what comes from them to
// deliver.
type hub struct {
	mu      sync.Mutex // guards members; held while a message is handed out, which keeps their order
	members []*member
}

type member struct {
	hub     *hub
	deliver func(message []byte)
	inbox   chan []byte
	ended   chan struct{}
}

var _ socketio.Adapter = (*member)(nil)

// join is what Options.Adapter takes.
func (h *hub) join(deliver func(message []byte)) (socketio.Adapter, error) {
	m := &member{h, deliver, make(chan []byte, 100), make(chan struct{})}
	go func() {
		defer close(m.ended)
		for message := range m.inbox {
			m.deliver(message)
		}
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members = append(h.members, m)
	return m, nil
}

// Publish implements [socketio.Adapter].
func (m *member) Publish(message []byte) error {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	for _, other := range m.hub.members {
		if other != m {
			other.inbox <- slices.Clone(message)
		}
	}
	return nil
}

// Servers implements [socketio.Adapter].
func (m *member) Servers() (int, error) {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	return len(m.hub.members), nil
}

// Close implements [socketio.Adapter].
func (m *member) Close() error {
	m.hub.mu.Lock()
	m.hub.members = slices.DeleteFunc(m.hub.members, func(o *member) bool { return o == m })
	m.hub.mu.Unlock()
	close(m.inbox)
	<-m.ended
	return nil
}

func ExampleAdapter() {
	h := new(hub)
	one := socketio.NewServer(socketio.Options{Adapter: h.join})
	two := socketio.NewServer(socketio.Options{Adapter: h.join})
	_, endOne := serve(one)
	defer endOne()
	client, endTwo := serve(two)
	defer endTwo()

	client.join("")
	one.Emit("news", "from the other server")
	fmt.Println(client.next())
	// Output: 2["news","from the other server"]
}
