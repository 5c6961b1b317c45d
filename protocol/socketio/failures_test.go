package socketio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
)

// explosive is a result that panics when it is encoded.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("no JSON") }

func TestWhoeverWaitsForAnAcknowledgementGetsOne(t *testing.T) {
	var log syncBuffer
	var mu sync.Mutex
	var stages []Stage
	srv := newTestServer(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), OnError: func(_ *Socket, err error) {
		var h *HandlerError
		if !errors.As(err, &h) {
			t.Errorf("%v is no HandlerError", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		stages = append(stages, h.Stage)
	}})
	type none = struct{}
	OnAck(srv, "panics", func(*Socket, none) (int, error) { panic("oops") })
	OnAck(srv, "panics inline", func(*Socket, none) (int, error) { panic("oops") }, Inline)
	OnAck(srv, "panics beside", func(*Socket, none) (int, error) { panic("oops") }, Concurrent)
	OnAck(srv, "args panics", func(*Socket, Args) (Args, error) { panic("oops") })
	OnAck(srv, "nil error", func(*Socket, none) (int, error) { var e *Error; return 0, e })
	OnAck(srv, "NaN", func(*Socket, none) (float64, error) { return math.NaN(), nil })
	OnAck(srv, "channel", func(*Socket, none) (chan int, error) { return nil, nil })
	OnAck(srv, "explosive", func(*Socket, none) (explosive, error) { return explosive{}, nil })
	OnAck(srv, "NaN data", func(*Socket, none) (int, error) { return 0, &Error{"no", math.NaN()} })
	OnAck(srv, "wrapped", func(*Socket, none) (int, error) { return 0, fmt.Errorf("x: %w", &Error{"told", 1}) })
	OnAck(srv, "refused", func(*Socket, none) (int, error) { return 1, nil })
	OnAck(srv, "refused in words", func(*Socket, none) (int, error) { return 1, nil })
	OnAck(srv, "panics before", func(*Socket, none) (int, error) { return 1, nil })
	On(srv, "no answer", func(*Socket, none) { panic("oops") })
	OnEvent(srv, "event", func(e *Event) {
		if err := e.Ack(math.NaN()); err == nil {
			t.Error("NaN was sent")
		}
		mustBeNil(t, e.Ack("second try"))
	})
	srv.Of("/").UseEvents(func(e *Event) error {
		switch e.Name {
		case "refused":
			return errors.New("secret")
		case "refused in words":
			return &Error{Message: "not you"}
		case "panics before":
			panic("oops")
		}
		return nil
	})
	const internal = `[{"error":"internal error"}]`
	w := newWire(srv)
	w.join(t, "/")
	var want []Stage
	for i, tt := range []struct {
		event, answer string
		stage         []Stage
	}{
		{"panics", internal, []Stage{StageHandler}},
		{"panics inline", internal, []Stage{StageHandler}},
		{"panics beside", internal, []Stage{StageHandler}},
		{"args panics", internal, []Stage{StageHandler}},
		{"nil error", internal, []Stage{StageHandler}},
		{"NaN", internal, []Stage{StageAck}},
		{"channel", internal, []Stage{StageAck}},
		{"explosive", internal, []Stage{StageAck}},
		{"NaN data", internal, []Stage{StageHandler, StageAck}},
		{"wrapped", `[{"error":"told","data":1}]`, []Stage{StageHandler}},
		{"refused", internal, []Stage{StageEventMiddleware}},
		{"refused in words", `[{"error":"not you"}]`, []Stage{StageEventMiddleware}},
		{"panics before", internal, []Stage{StageEventMiddleware}},
		{"no answer", internal, []Stage{StageHandler}},
		{"event", `["second try"]`, nil},
	} {
		w.say(fmt.Sprintf(`2%d[%q]`, i, tt.event))
		w.expect(t, fmt.Sprintf(`3%d%s`, i, tt.answer))
		want = append(want, tt.stage...)
	}
	eventually(t, "the errors", func() bool { mu.Lock(); defer mu.Unlock(); return len(stages) == len(want) })
	if fmt.Sprint(stages) != fmt.Sprint(want) {
		t.Errorf("stages %q, want %q", stages, want)
	}
	if n := strings.Count(log.String(), "failures_test.go"); n < 7 {
		t.Errorf("%d stacks of panics in the log", n)
	}
}

// syncBuffer is a log that many goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}
func (b *syncBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func TestTheFormOfAFailedAcknowledgementIsAnOption(t *testing.T) {
	srv := newTestServer(t, Options{AckError: func(h *HandlerError) []any { return []any{string(h.Stage), h.Err.Error()} }})
	OnAck(srv, "e", func(*Socket, int) (int, error) { return 0, errors.New("why") })
	w := newWire(srv)
	w.join(t, "/")
	w.say(`21["e",1]`)
	w.expect(t, `31["handler","why"]`)
}

func TestMiddlewareThatFailsIsLoggedAndReported(t *testing.T) {
	for name, tt := range map[string]struct {
		use           func(*Socket) error
		answer, level string
		told          bool
		log           string
	}{
		"panic":         {func(*Socket) error { panic("in middleware") }, `{"message":"internal error"}`, "ERROR", true, "failures_test.go"},
		"error":         {func(*Socket) error { return errors.New("db is away") }, `{"message":"db is away"}`, "WARN", true, `error="db is away"`},
		"nil error":     {func(*Socket) error { var e *Error; return e }, `{"message":"internal error"}`, "WARN", true, `stage=middleware`},
		"refusal":       {func(*Socket) error { return &Error{Message: "no"} }, `{"message":"no"}`, "", false, ""},
		"NaN as detail": {func(*Socket) error { return &Error{"no", math.NaN()} }, `{"message":"no"}`, "WARN", false, "encoded"},
	} {
		t.Run(name, func(t *testing.T) {
			var log syncBuffer
			join := func(o Options) {
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
				srv := newTestServer(t, o)
				srv.Of("/").Use(tt.use)
				w := newWire(srv)
				w.say("0")
				w.expect(t, "4"+tt.answer)
			}
			join(Options{})
			if got := log.String(); !strings.Contains(got, tt.level) || !strings.Contains(got, tt.log) || tt.level == "" && got != "" {
				t.Errorf("log: %s", got)
			}
			told := make(chan error, 9)
			join(Options{OnError: func(_ *Socket, err error) { told <- err }})
			if !tt.told {
				if len(told) > 0 {
					t.Errorf("OnError was told %v", <-told)
				}
				return
			}
			var h *HandlerError
			if err := wait(t, told); !errors.As(err, &h) || h.Stage != StageMiddleware || h.Event != "" {
				t.Errorf("OnError was told %v", err)
			}
			var p *PanicError
			if panicked := errors.As(h, &p); panicked != (name == "panic") || panicked && !bytes.Contains(p.Stack, []byte("failures_test.go")) {
				t.Errorf("panic: %v", p)
			}
		})
	}
}

// What is sent is sent under locks that a handler of errors may need.
func TestOnErrorMayEmitWhateverFailed(t *testing.T) {
	log := &MemoryLog{}
	told := make(chan error, 9)
	srv := newTestServer(t, Options{Logger: slog.New(slog.DiscardHandler), Recovery: &Recovery{Log: log}, OnError: func(s *Socket, err error) {
		mustBeNil(t, s.Namespace().Volatile().Emit("sorry", "x"))
		told <- err
	}})
	w := newWire(srv)
	w.join(t, "/")
	failing := true
	srv.Of("/").OnAnyOutgoing(func(*Socket, string, Args) {
		if failing {
			failing = false
			panic("oops")
		}
	})
	mustBeNil(t, srv.Emit("x"))
	wait(t, told)
}

func TestInterceptorsAreAroundEvents(t *testing.T) {
	type key struct{}
	var mu sync.Mutex
	var steps []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, fmt.Sprintf(format, args...))
	}
	told := make(chan error, 9)
	srv := newTestServer(t, Options{OnError: func(_ *Socket, err error) { told <- err }, Logger: slog.New(slog.DiscardHandler)})
	srv.Intercept(func(ctx context.Context, e *Event, next func(context.Context) error) error {
		if e.Name == "limited" {
			return &Error{Message: "slow down"}
		}
		err := next(context.WithValue(ctx, key{}, "value"))
		note("outer %v", err != nil)
		return err
	})
	remove := srv.Intercept(func(ctx context.Context, e *Event, next func(context.Context) error) error {
		err := next(ctx)
		note("inner %v", err != nil)
		switch e.Name {
		case "commit fails":
			return errors.New("disk full")
		case "translated":
			return &Error{Message: "in other words"}
		case "forgiven":
			return nil
		case "panics":
			panic("interceptor")
		}
		return err
	})
	OnAckCtx(srv, "ok", func(ctx context.Context, _ *Socket, _ Args) (any, error) {
		note("handler")
		return ctx.Value(key{}), nil
	})
	for _, name := range []string{"commit fails", "panics"} {
		OnAck(srv, name, func(*Socket, struct{}) (int, error) { return 1, nil })
	}
	for _, name := range []string{"translated", "forgiven", "fails"} {
		OnAck(srv, name, func(*Socket, struct{}) (int, error) { return 0, errors.New("secret") })
	}
	OnAck(srv, "raw", func(_ *Socket, a Args) (Args, error) { return a, nil }, Inline)
	w := newWire(srv)
	s := w.join(t, "/")
	w.say(`20["ok"]`)
	w.expect(t, `30["value"]`)
	eventually(t, "the end", func() bool { mu.Lock(); defer mu.Unlock(); return len(steps) == 3 })
	if got := fmt.Sprint(steps); got != "[handler inner false outer false]" {
		t.Error(got)
	}
	for i, tt := range [][2]string{
		{"limited", `{"error":"slow down"}`}, {"commit fails", `{"error":"internal error"}`}, {"translated", `{"error":"in other words"}`},
		{"forgiven", `{"error":"internal error"}`}, {"panics", `{"error":"internal error"}`}, {"fails", `{"error":"internal error"}`},
	} {
		w.say(fmt.Sprintf(`2%d[%q]`, i, tt[0]))
		w.expect(t, fmt.Sprintf(`3%d[%s]`, i, tt[1]))
		var h *HandlerError
		if err := wait(t, told); !errors.As(err, &h) || h.Event != tt[0] {
			t.Errorf("%s: OnError was told %v", tt[0], err)
		}
	}
	w.say(`28["raw",{"a":1},"b"]`)
	w.expect(t, `38[{"a":1},"b"]`)
	remove()
	s.Intercept(func(context.Context, *Event, func(context.Context) error) error { return &Error{Message: "own"} })
	w.say(`29["ok"]`)
	w.expect(t, `39[{"error":"own"}]`)
}

// An upload that runs does not keep its "cancel" waiting.
func TestConcurrentHandlersLetOthersRun(t *testing.T) {
	srv := newTestServer(t, Options{MaxPendingBytes: 3 * taskCost})
	begun, cancelled := make(chan string, 9), make(chan struct{}, 9)
	OnAckCtx(srv, "upload", func(ctx context.Context, _ *Socket, name string) (string, error) {
		begun <- name
		select {
		case <-cancelled:
			return "cancelled", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}, Concurrent)
	On(srv, "cancel", func(*Socket, struct{}) { cancelled <- struct{}{} })
	w := newWire(srv)
	s := w.join(t, "/")
	w.say(`21["upload","a"]`)
	wait(t, begun)
	w.say(`2["cancel"]`)
	w.expect(t, `31["cancelled"]`)
	for range 4 { // more than may be handled at a time
		w.say(`2["upload","b"]`)
	}
	for range 4 {
		wait(t, begun)
	}
	eventually(t, "the pause", func() bool { return w.pauses.Load() == 1 })
	for range 3 {
		cancelled <- struct{}{}
	}
	eventually(t, "the end of the pause", func() bool { return w.pauses.Load() == 0 })
	s.Disconnect(false) // ends the context of the last
}
