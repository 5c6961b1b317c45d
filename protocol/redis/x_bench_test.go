package redis

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"podium/protocol/services"
	"podium/protocol/socketio"
)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEmit has 64 goroutines emit an event of 266 bytes each at one server, which
// another follows. µs-cpu/op is of both, and not of Redis.
func BenchmarkEmit(b *testing.B) {
	r := services.StartRedis(b)
	var srvs []*socketio.Server
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		e, err := Open(ctx, Options{URL: r.URL()})
		if err != nil {
			b.Fatal(err)
		}
		srv := socketio.NewServer(socketio.Options{Cluster: e.Join, Recovery: e.Recovery()})
		web := httptest.NewServer(srv)
		defer func() {
			_ = srv.Shutdown(context.Background())
			web.Close()
			_ = e.Close()
		}()
		srvs = append(srvs, srv)
	}
	payload := strings.Repeat("x", 240)
	var failed atomic.Int64
	b.SetParallelism(32) // of two processors
	began := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if srvs[0].Emit("m", payload) != nil {
				failed.Add(1)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N), "µs-cpu/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	if n := failed.Load(); n > 0 {
		b.Fatalf("%d emits failed", n)
	}
}
