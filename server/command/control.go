package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"podium/server"
	"podium/server/answer"
)

// socketName is the local socket in the data folder through which commands ask
// the running server, because it alone has the data file open. Only the user
// who owns the folder reaches it.
const socketName = "control.sock"

// errNoServer means that no server serves the data folder.
var errNoServer = errors.New("no server is running on this data folder")

// serveControl answers commands until ctx ends.
func serveControl(ctx context.Context, s *server.Server, data string) error {
	path := filepath.Join(data, socketName)
	// The data file's lock is ours, so a socket that is there is a dead server's.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an old socket: %w", err)
	}
	address, release, err := socketAddress(data)
	if err != nil {
		return err
	}
	defer release()
	l, err := net.Listen("unix", address)
	if err != nil {
		return fmt.Errorf("listen on the local socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("protect the local socket: %w", err), l.Close())
	}
	srv := &http.Server{Handler: controlRoutes(ctx, s, data), ReadHeaderTimeout: 5 * time.Second}
	go srv.Serve(l)
	context.AfterFunc(ctx, func() { srv.Close() })
	return nil
}

// longestSocket is the longest name of a local socket, in bytes: systems have
// room for a little more than a hundred.
const longestSocket = 100

// socketAddress returns the name of a data folder's socket for listening and
// dialing, valid until release is called. A name that is too long for a socket
// is written by way of the open folder.
func socketAddress(data string) (name string, release func(), err error) {
	name = filepath.Join(data, socketName)
	if len(name) <= longestSocket {
		return name, func() {}, nil
	}
	dir, err := os.Open(data)
	if err != nil {
		return "", nil, fmt.Errorf("open the data folder: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName), func() { dir.Close() }, nil
}

// controlRoutes are what commands can ask of a running server.
func controlRoutes(ctx context.Context, s *server.Server, data string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /backup", func(w http.ResponseWriter, r *http.Request) {
		if err := sendCopy(w, s.Source(), data); err != nil {
			panic(http.ErrAbortHandler) // the copy breaks off, and the reader sees that
		}
	})
	mux.HandleFunc("POST /backup", func(w http.ResponseWriter, r *http.Request) {
		name, err := s.Backup(r.Context())
		if err != nil {
			answer.Because(err, http.StatusInternalServerError, err.Error()).Write(w)
			return
		}
		answer.JSON(w, http.StatusOK, name)
	})
	mux.HandleFunc("GET /check", func(w http.ResponseWriter, r *http.Request) {
		found, err := s.Check(r.Context())
		if err != nil {
			answer.Because(err, http.StatusInternalServerError, err.Error()).Write(w)
			return
		}
		answer.JSON(w, http.StatusOK, found)
	})
	mux.HandleFunc("GET /inspect", func(w http.ResponseWriter, r *http.Request) {
		in, err := inspect(s.Contest())
		if err != nil {
			answer.Because(err, http.StatusInternalServerError, err.Error()).Write(w)
			return
		}
		answer.JSON(w, http.StatusOK, in)
	})
	mux.HandleFunc("GET /tail", func(w http.ResponseWriter, r *http.Request) { serveTail(ctx, s.Contest(), w, r) })
	mux.HandleFunc("GET /export", func(w http.ResponseWriter, r *http.Request) {
		if err := exportLive(r.Context(), s, data, r.URL.Query().Has("anonymous"), w); err != nil {
			panic(http.ErrAbortHandler) // the zip breaks off, and the reader sees that
		}
	})
	mux.HandleFunc("GET /gallery", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Album(r.Context()).WriteZip(w); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		var body tokenRequest
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			answer.Because(err, http.StatusBadRequest, "malformed request").Write(w)
			return
		}
		token, err := s.MakeToken(body.Label, body.Age)
		if err != nil {
			answer.Because(err, http.StatusInternalServerError, err.Error()).Write(w)
			return
		}
		answer.JSON(w, http.StatusOK, map[string]string{"token": token})
	})
	return mux
}

// sendCopy sends a copy of a contest. It is made in the data folder first, so that a
// reader that takes its time holds nothing.
func sendCopy(w io.Writer, from io.WriterTo, data string) (err error) {
	kept, err := os.CreateTemp(data, ".copy-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	if err := os.Remove(kept.Name()); err != nil { // it goes with the last who has it open
		return err
	}
	if _, err := from.WriteTo(kept); err != nil {
		return err
	}
	if _, err := kept.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, kept)
	return err
}

// ask sends a request to the server that serves the data folder. It returns
// errNoServer where there is none.
func ask(ctx context.Context, data, method, path, body string) (io.ReadCloser, error) {
	socket, release, err := socketAddress(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoServer, err)
	}
	defer release()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://podium"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoServer, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		var failure struct{ Error string }
		if err := json.NewDecoder(res.Body).Decode(&failure); err != nil {
			return nil, fmt.Errorf("the running server answered %s", res.Status)
		}
		return nil, errors.New(failure.Error)
	}
	return res.Body, nil
}
