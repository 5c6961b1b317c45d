package adminui_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"podium/protocol/adminui"
	"podium/protocol/engineio"
	"podium/protocol/socketio"
)

// The page may come from its makers, whose origin CORS lets in, or from a folder of one's own:
// ui/dist of the npm package.
func ExampleInstrument() {
	srv := socketio.NewServer(socketio.Options{Engine: engineio.Options{
		CORS: &engineio.CORS{Origins: []string{"https://admin.socket.io"}, Credentials: true},
	}})
	ui, err := adminui.Instrument(srv, adminui.Options{
		Username: "admin", Password: os.Getenv("ADMIN_PASSWORD"),
		Development: true, // sockets, rooms and events one by one
		ReadOnly:    true,
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/socket.io/", srv)
	http.Handle("/", http.FileServer(http.Dir("admin-ui/ui/dist")))
	err = http.ListenAndServe("localhost:3000", nil)
	ui.Close()
	log.Print(errors.Join(err, srv.Shutdown(context.Background())))
}
