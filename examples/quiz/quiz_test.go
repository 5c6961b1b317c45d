package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

// quizServer runs a quiz in memory until the test ends.
func quizServer(t *testing.T) *sockettest.Server {
	t.Helper()
	srv := sockettest.NewServer(t, socketio.Options{Recovery: &socketio.Recovery{Log: new(socketio.MemoryLog)}})
	serve(srv.Server)
	return srv
}

// told is what a client is told whose event is refused.
func told(t *testing.T, c *sockettest.Client, event string, args ...any) (message string) {
	t.Helper()
	var refusal struct{ Error string }
	c.Ask(&refusal, event, args...)
	return refusal.Error
}

// Within a bubble of testing/synctest the ten seconds of a question take no time, and neither
// do heartbeats.
func TestAnswersCountWhileTheQuestionIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := quizServer(t)
		host, ada, bob := srv.Connect("/", client.Options{}), srv.Connect("/", client.Options{}), srv.Connect("/", client.Options{})
		host.Ask(nil, "ask", "six times seven?", 42)
		var question string
		if ada.Await("question", &question); question != "six times seven?" {
			t.Errorf("asked %q", question)
		}
		if got := told(t, host, "ask", "another?", 1); got != "one question at a time" {
			t.Errorf("a second question is answered %q", got)
		}
		ada.Ask(nil, "answer", 42)
		if got := told(t, ada, "answer", 41); got != "the first answer counts" {
			t.Errorf("a second answer is answered %q", got)
		}
		time.Sleep(answerTime - time.Second)
		bob.Ask(nil, "answer", 41)
		var right, all int
		if ada.Await("result", &right, &all); right != 1 || all != 2 {
			t.Errorf("%d of %d were right", right, all)
		}
		if got := told(t, bob, "answer", 42); got != "too late" {
			t.Errorf("a late answer is answered %q", got)
		}
	})
}

func TestWhoFallsOffGetsTheResultAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := quizServer(t)
		ada := srv.Connect("/", client.Options{})
		ada.Ask(nil, "ask", "is anybody there?", 1)
		ada.Await("question")
		srv.Network.Cut()
		srv.Network.Down()
		ada.AwaitDisconnect()
		time.Sleep(answerTime + time.Second)
		srv.Network.Up()
		ada.AwaitConnect()
		ada.Await("result")
		if !ada.Recovered() {
			t.Error("it is a new session")
		}
	})
}

func TestAnAnswerMustBeANumber(t *testing.T) {
	failed := make(chan error, 1)
	srv := sockettest.NewServer(t, socketio.Options{OnError: func(_ *socketio.Socket, err error) { failed <- err }})
	serve(srv.Server)
	ada := srv.Connect("/", client.Options{})
	if got := told(t, ada, "answer", "forty-two"); got == "" {
		t.Error("a text is taken for an answer")
	}
	var failure *socketio.HandlerError
	if err := <-failed; !errors.As(err, &failure) || failure.Event != "answer" {
		t.Errorf("the server is told %v", err)
	}
}
