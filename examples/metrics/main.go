// Command metrics shows Prometheus what the server does: connections, and the events of
// clients with how long their handlers take.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"podium/protocol/socketio"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	srv := socketio.NewServer(socketio.Options{})
	// Only events with a handler: the names that clients make up must not become labels.
	known := map[string]bool{"double": true}
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "socketio_event_seconds", Help: "How long handlers took.",
	}, []string{"event", "failed"})
	srv.Intercept(func(ctx context.Context, e *socketio.Event, next func(context.Context) error) error {
		begin := time.Now()
		err := next(ctx)
		if failed := map[bool]string{false: "no", true: "yes"}[err != nil]; known[e.Name] {
			took.WithLabelValues(e.Name, failed).Observe(time.Since(begin).Seconds())
		}
		return err
	})
	socketio.OnAck(srv, "double", func(_ *socketio.Socket, n int) (int, error) {
		if n < 0 {
			return 0, &socketio.Error{Message: "not below zero"}
		}
		return 2 * n, nil
	})

	registry := prometheus.NewRegistry()
	registry.MustRegister(took, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "socketio_connections", Help: "Connections that are open.",
	}, func() float64 { return float64(srv.Connections()) }))

	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})) // better on an address of its own
	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
