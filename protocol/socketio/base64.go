package socketio

import "podium/protocol/socketio/parser"

// warnOfBase64 tells the operator, once for each field, that bytes of a struct leave
// as base64 text: whoever wrote the type may have meant them to be binary.
func (srv *Server) warnOfBase64(event string, args []any) {
	for _, a := range args {
		field := parser.SilentBase64(a)
		if field == "" {
			continue
		}
		if _, told := srv.base64Fields.LoadOrStore(field, true); !told {
			srv.opts.Logger.Warn("socket.io: a []byte leaves as base64 text; tag it `sio:\"binary\"`, or `sio:\"base64\"` where that is meant",
				"field", field, "event", event)
		}
	}
}
