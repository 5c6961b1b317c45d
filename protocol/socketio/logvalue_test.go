package socketio

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestASocketIsAGroupInLogs(t *testing.T) {
	var log syncBuffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	srv := newTestServer(t, Options{Logger: logger})
	OnAck(srv, "fail", func(s *Socket, _ struct{}) (int, error) { return 0, errors.New("no luck") })
	srv.Of("/").UseEvents(func(e *Event) error { logger.Info("came", "event", e); return nil })
	ws, ss := joined(t, srv, 1)
	ws[0].say(`20["fail","secret"]`)
	ws[0].expect(t, `30[{"error":"internal error"}]`)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("logged %s", log.String())
	}
	type group struct{ ID, Namespace, Connection string }
	var came struct {
		Event struct {
			Name      string
			Arguments int
			Socket    group
		}
	}
	var failed struct {
		Event, Stage, Error string
		Socket              group
	}
	mustBeNil(t, json.Unmarshal([]byte(lines[0]), &came))
	mustBeNil(t, json.Unmarshal([]byte(lines[1]), &failed))
	want := group{ss[0].ID(), "/", ss[0].ConnID()}
	if came.Event.Socket != want || came.Event.Name != "fail" || came.Event.Arguments != 1 {
		t.Errorf("an event is %+v", came)
	}
	if failed.Socket != want || failed.Event != "fail" || failed.Stage != "handler" || failed.Error != "no luck" {
		t.Errorf("a failure is %+v, and not as the handler returned it", failed)
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("arguments are in the log")
	}
}

func TestBytesThatBecomeTextAreToldOfOnce(t *testing.T) {
	var log syncBuffer
	srv := newTestServer(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	type photo struct{ Data []byte }
	type tagged struct {
		Data []byte `sio:"binary"`
		Hash []byte `sio:"base64"`
	}
	OnAck(srv, "get", func(*Socket, struct{}) (photo, error) { return photo{[]byte{1}}, nil })
	ws, ss := joined(t, srv, 1)
	mustBeNil(t, ss[0].Emit("tagged", tagged{[]byte{1}, []byte{2}}))
	ws[0].expect(t, `51-["tagged",{"Data":{"_placeholder":true,"num":0},"Hash":"Ag=="}]`, "binary 01")
	if log.String() != "" {
		t.Errorf("logged %s", log.String())
	}
	mustBeNil(t, ss[0].Emit("photo", photo{[]byte{1}}))
	mustBeNil(t, srv.Emit("photo", &photo{[]byte{1}}))
	ws[0].say(`20["get"]`)
	ws[0].expect(t, `2["photo",{"Data":"AQ=="}]`, `2["photo",{"Data":"AQ=="}]`, `30[{"Data":"AQ=="}]`)
	if n := strings.Count(log.String(), "socketio.photo.Data"); n != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("logged %s", log.String())
	}
}
