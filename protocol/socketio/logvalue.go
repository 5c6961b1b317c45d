package socketio

import "log/slog"

// LogValue makes a socket a group in logs: its id, namespace and
// connection, so that logger.Info("joined", "socket", s) says whose it was. What the
// server logs about a socket has it as "socket". ([slog.LogValuer])
func (s *Socket) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", s.id),
		slog.String("namespace", s.nsp.name),
		slog.String("connection", s.client.conn.ID()),
	)
}

// LogValue makes an event a group in logs: its name, its socket and how many arguments
// it has, without what they say. ([slog.LogValuer])
func (e *Event) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("name", e.Name),
		slog.Int("arguments", len(e.Args)),
		slog.Any("socket", e.Socket),
	)
}
