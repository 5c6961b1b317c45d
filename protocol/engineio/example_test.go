package engineio_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"podium/protocol/engineio"
)

// shout answers each message in capitals.
type shout struct{ session *engineio.Session }

func (s shout) OnMessage(data []byte, _ bool) {
	_ = s.session.Send(engineio.Text([]byte(strings.ToUpper(string(data))))) // a client that is gone misses it
}

func (s shout) OnClose(engineio.Reason, error) {}

func Example() {
	engine := engineio.NewServer(engineio.Options{}, func(s *engineio.Session) engineio.Receiver {
		return shout{s}
	})
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", engine)
	web := httptest.NewServer(mux)
	defer web.Close()
	defer func() { _ = engine.Shutdown(context.Background()) }()

	url := web.URL + "/engine.io/?EIO=4&transport=polling"
	open := text(http.Get(url))
	url += "&sid=" + strings.Split(open, `"`)[3]
	fmt.Println(text(http.Post(url, "text/plain", strings.NewReader("4hello"))))
	fmt.Println(text(http.Get(url)))
	// Output:
	// ok
	// 4HELLO
}

// text is the body of an answer.
func text(res *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
