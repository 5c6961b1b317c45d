package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"sync"
)

// handler is as much of Engine.IO over long-polling as a broadcast needs, and nothing but
// net/http: a handler that waits on a channel. What it takes is the least that a server
// can take whose polls pass through net/http. A session's channel holds the packets that
// wait.
type handler struct {
	mu       sync.RWMutex // guards sessions
	sessions []chan string
}

// Emit implements control.Server. There are no rooms.
func (s *handler) Emit(_, event string, arg any) {
	args, err := json.Marshal([]any{event, arg})
	if err != nil {
		log.Fatal(err)
	}
	packet := "42" + string(args)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, waiting := range s.sessions {
		waiting <- packet
	}
}

// Connected implements control.Server.
func (s *handler) Connected() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.sessions)
}

// open adds a session and returns its open packet.
func (s *handler) open() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = append(s.sessions, make(chan string, 8)) // no client lags behind
	return fmt.Sprintf(`0{"sid":"%d","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, len(s.sessions)-1)
}

func (s *handler) session(id string) chan string {
	n, err := strconv.Atoi(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err != nil || n < 0 || n >= len(s.sessions) {
		return nil
	}
	return s.sessions[n]
}

func (s *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Content-Type"] = contentType
	w.Header()["Cache-Control"] = cacheControl
	id := r.URL.Query().Get("sid")
	waiting := s.session(id)
	switch {
	case id == "":
		_, _ = io.WriteString(w, s.open())
	case waiting == nil:
		http.Error(w, "no such session", http.StatusBadRequest)
	case r.Method == http.MethodPost: // it joins the main namespace
		waiting <- `40{"sid":"` + id + `"}`
		_, _ = io.WriteString(w, "ok")
	default:
		select {
		case packet := <-waiting:
			_, _ = io.WriteString(w, packet)
		case <-r.Context().Done():
		}
	}
}

var (
	contentType  = []string{"text/plain; charset=UTF-8"}
	cacheControl = []string{"no-store"}
)
