package prometheus_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	socketclient "podium/protocol/client"
	"podium/protocol/limits"
	"podium/protocol/prometheus"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

func TestTheFiguresOfAServerAreCollected(t *testing.T) {
	l := &limits.Limits{Connections: limits.NewGate("connections", 0, 10)}
	srv := sockettest.NewServer(t, socketio.Options{Limits: l, OnError: func(*socketio.Socket, error) {}})
	c := prometheus.New(srv.Server, prometheus.Options{Limits: l, MaxNamespaces: 2, Rooms: []string{"lobby"}, Labels: client.Labels{"app": "x"}})
	registry := client.NewPedanticRegistry()
	registry.MustRegister(c)
	srv.OnConnection(func(s *socketio.Socket) { _ = s.Join("lobby") })
	socketio.OnAck(srv, "double", func(_ *socketio.Socket, n int) (int, error) {
		switch {
		case n < 0:
			return 0, &socketio.Error{Message: "not below zero"}
		case n > 100:
			return 0, errors.New("too large")
		}
		return 2 * n, srv.Emit("doubled", n)
	})
	srv.OfPattern(regexp.MustCompile(`^/room/\d+$`))
	o := socketclient.Options{Transports: []string{"websocket"}}
	one := srv.Connect("/", o)
	for _, n := range []int{1, 2, -1, 101} {
		one.Ask(nil, "double", n)
	}
	for n := range 3 {
		srv.Connect(fmt.Sprintf("/room/%d", n), o)
	}
	for range 2 {
		if err := srv.To("lobby").Emit("greeting"); err != nil {
			t.Fatal(err)
		}
	}
	_ = one.Emit("made up by a client")
	one.Ask(nil, "double", 3) // behind it
	got, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range got {
		for _, m := range family.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				if l.GetName() != "app" {
					labels += " " + l.GetName() + "=" + l.GetValue()
				}
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			fmt.Fprintf(&text, "%s%s %v\n", family.GetName(), labels, value)
		}
	}
	for _, want := range []string{
		"socketio_connections transport=websocket 4",
		"socketio_connections_opened_total 4",
		"socketio_sockets namespace=/ 1",
		"socketio_sockets namespace=other 2",
		"socketio_rooms namespace=/ 1",
		"socketio_room_sockets room=lobby 1",
		"socketio_room_events_total room=lobby 2",
		"socketio_events_received_total event=double namespace=/ 5",
		"socketio_events_received_total event= namespace=/ 1",
		"socketio_events_emitted_total event=doubled namespace=/ 3",
		"socketio_handler_seconds event=double namespace=/ outcome=ok 3",
		"socketio_handler_seconds event=double namespace=/ outcome=refused 1",
		"socketio_handler_seconds event=double namespace=/ outcome=failed 1",
		"socketio_limit_held limit=connections 4",
		"socketio_exceeded_total limit=packets 0",
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("there is no %q", want)
		}
	}
	if strings.Contains(text.String(), "made up") {
		t.Error("a name that a client made up is a label")
	}
	if t.Failed() {
		t.Log(text.String())
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("what Prometheus says of the metrics: %v, %v", problems, err)
	}
}

func ExampleNew() {
	srv := socketio.NewServer(socketio.Options{})
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.New(srv, prometheus.Options{}))
	http.Handle("/socket.io/", srv)
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})) // better on an address of its own
}
