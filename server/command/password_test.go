package command

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"podium/server"
)

// Wherever the password is set, it is the one that signs in, on a fresh data folder and on one that had another; and none is
// made. A variable that is empty is none.
func TestThePasswordIsTheOneThatWasSetFlagsBeforeEnvironmentBeforeDotEnv(t *testing.T) {
	const flag, env, file = "from the flag", "from the environment", "from the file"
	for _, row := range []struct{ flag, env, file, want string }{
		{flag, env, file, flag}, {"", env, file, env}, {"", env, "", env}, {"", "", file, file}, {flag, "", file, flag}, {"", "", "", ""},
	} {
		for _, unset := range []bool{true, false} { // the variable is not there, or empty
			if row.env != "" && unset {
				continue
			}
			t.Run(fmt.Sprintf("%q %q %q unset=%v", row.flag, row.env, row.file, unset), func(t *testing.T) {
				t.Chdir(t.TempDir())
				t.Setenv("ADMIN_PASSWORD", row.env)
				if unset {
					os.Unsetenv("ADMIN_PASSWORD")
				}
				if row.file != "" {
					if err := os.WriteFile(".env", []byte("ADMIN_PASSWORD="+row.file+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				data := filepath.Join(t.TempDir(), "data")
				signsIn(t, data, "another one of before", "--admin-password", "another one of before")
				var args []string
				if row.flag != "" {
					args = []string{"--admin-password", row.flag}
				}
				if err := loadDotEnv(); err != nil {
					t.Fatal(err)
				}
				if row.want != "" {
					signsIn(t, data, row.want, args...)
				}
				signsIn(t, filepath.Join(t.TempDir(), "data"), row.want, args...)
			})
		}
	}
}

// signsIn starts a server on a data folder and signs in by a password, or by the one that was made where that is "".
func signsIn(t *testing.T, data, password string, args ...string) {
	t.Helper()
	var all commands
	parser, err := kong.New(&all, kong.Name("podium"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve", "--data", data}, args...)); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(all.Serve.Settings, slog.New(slog.DiscardHandler), new(slog.LevelVar))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Abandon(); err != nil {
			t.Error(err)
		}
	}()
	if made := s.Password != ""; made != (password == "") {
		t.Fatalf("a password was made: %v", made)
	}
	if password == "" {
		password = s.Password
	}
	r := httptest.NewRequest("POST", "/api/login", strings.NewReader(fmt.Sprintf(`{"password":%q}`, password)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if s.Handler().ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Fatalf("signing in by %q is answered with %d %s", password, w.Code, w.Body)
	}
}
