package observe

import (
	"log/slog"
	"net/http"

	"podium/server/answer"
)

// maxLevel bounds the body that sets the level, in bytes.
const maxLevel = 4 << 10

// LogLevel answers GET /api/log-level.
func (ob *Observer) LogLevel(w http.ResponseWriter, _ *http.Request) error {
	answer.JSON(w, http.StatusOK, map[string]slog.Level{"level": ob.o.Level.Level()})
	return nil
}

// SetLogLevel answers POST /api/log-level, until the server ends.
func (ob *Observer) SetLogLevel(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Level string `json:"level"`
	}
	if err := answer.Read(w, r, maxLevel, &body); err != nil {
		return err
	}
	if err := ob.o.Level.UnmarshalText([]byte(body.Level)); err != nil {
		return answer.Because(err, http.StatusBadRequest, "The level is debug, info, warn or error.").Coded("malformed")
	}
	return ob.LogLevel(w, r)
}
