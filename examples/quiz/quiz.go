package main

import (
	"log"
	"sync"
	"time"

	"podium/protocol/socketio"
)

// answerTime is how long a question stays open.
const answerTime = 10 * time.Second

// quiz is one question at a time, for everybody.
type quiz struct {
	srv *socketio.Server

	mu    sync.Mutex // guards the fields below
	open  bool
	right int
	given map[string]int // answers by socket
}

// serve registers the events of a quiz: "ask" with a question and its answer, and "answer".
func serve(srv *socketio.Server) {
	q := &quiz{srv: srv}
	socketio.OnAck(srv, "ask", func(_ *socketio.Socket, a socketio.Args2[string, int]) (struct{}, error) {
		return struct{}{}, q.ask(a.A, a.B)
	})
	socketio.OnAck(srv, "answer", func(s *socketio.Socket, answer int) (struct{}, error) {
		return struct{}{}, q.answer(s.ID(), answer)
	})
}

func (q *quiz) ask(question string, right int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open {
		return &socketio.Error{Message: "one question at a time"}
	}
	q.open, q.right, q.given = true, right, make(map[string]int)
	time.AfterFunc(answerTime, q.close)
	return q.srv.Emit("question", question)
}

func (q *quiz) answer(socket string, answer int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		return &socketio.Error{Message: "too late"}
	}
	if _, already := q.given[socket]; already {
		return &socketio.Error{Message: "the first answer counts"}
	}
	q.given[socket] = answer
	return nil
}

// close ends a question, and tells everybody how many were right.
func (q *quiz) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	right := 0
	for _, answer := range q.given {
		if answer == q.right {
			right++
		}
	}
	q.open = false
	if err := q.srv.Emit("result", right, len(q.given)); err != nil {
		log.Print("result: ", err)
	}
}
