package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"podium/contest"
	"podium/protocol/services"
)

// column is what a program that knows a format relies on.
type column struct {
	Name, Type string
	Nullable   bool
	Default    bool
}

// columns are those of podium's tables, by table and name.
func columns(t *testing.T, conn *pgx.Conn) map[string]column {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select table_name || '.' || column_name, data_type, is_nullable = 'YES',
		column_default is not null or is_identity = 'YES' from information_schema.columns where table_schema = 'podium'`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]column)
	for _, c := range list {
		found[c.Name] = c
	}
	return found
}

// oldest reads the oldest format whose program may use the tables.
func oldest(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `select oldest from podium.head`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The last release and this one run side by side while machines are replaced one
// after the other: a step to the next format takes nothing away that a program
// of the format before uses, and adds nothing that it would have to write.
func TestEachFormatServesTheProgramOfTheOneBefore(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	conn, err := pgx.Connect(t.Context(), pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := migrateTo(t.Context(), conn, 1, nil); err != nil {
		t.Fatal(err)
	}
	for next := 2; next <= format; next++ {
		before := columns(t, conn)
		if err := migrateTo(t.Context(), conn, next, nil); err != nil {
			t.Fatal(err)
		}
		after := columns(t, conn)
		if oldest(t, conn) == next {
			continue // the step that drops what nobody needs any more says so
		}
		for name, was := range before {
			if is, there := after[name]; !there || is != was {
				t.Errorf("format %d makes %+v of %+v", next, is, was)
			}
		}
		for name, is := range after {
			table, _, _ := strings.Cut(name, ".")
			if _, old := before[name]; old || !hasTable(before, table) {
				continue
			}
			if !is.Nullable && !is.Default {
				t.Errorf("format %d adds %s, which a program of format %d does not write", next, name, next-1)
			}
		}
	}
}

func hasTable(columns map[string]column, table string) bool {
	for name := range columns {
		if strings.HasPrefix(name, table+".") {
			return true
		}
	}
	return false
}

// A database of an older format is brought up with what is in it, and one whose
// format is newer is used as long as it says that it can be.
func TestADatabaseOfAnotherFormatIsUsedOrRefusedWithASentence(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	conn, err := pgx.Connect(t.Context(), pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := migrateTo(t.Context(), conn, 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `insert into podium.settings values ('x', 'kept')`); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), pg.URL(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if v, err := s.Setting("x"); string(v) != "kept" || err != nil {
		t.Errorf("kept %q (%v)", v, err)
	}
	var have int
	if err := conn.QueryRow(t.Context(), `select format from podium.head`).Scan(&have); err != nil || have != format {
		t.Errorf("its format is %d (%v)", have, err)
	}

	// The next release has been here: this one goes on beside it.
	if _, err := conn.Exec(t.Context(), fmt.Sprintf(`update podium.head set format = %d; alter table podium.submissions add column later text; create table podium.later (x int)`, format+1)); err != nil {
		t.Fatal(err)
	}
	if err := contest.New(s).SaveSetting("y", []byte("z")); err != nil {
		t.Errorf("beside the next release: %v", err)
	}
	beside, err := Open(t.Context(), pg.URL(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	sub := contest.Submission{ID: "1-aaaaaa", Category: "best", Status: contest.Approved}
	if _, _, err := contest.New(beside).Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
		t.Errorf("beside the next release: %v", err)
	}
	// And the one after that has done away with what this one needs.
	if _, err := conn.Exec(t.Context(), `update podium.head set oldest = format`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), pg.URL(), Options{}); !errors.Is(err, contest.ErrNewerFormat) {
		t.Errorf("a database that is too new: %v", err)
	}
}

func TestAnOldServerIsRefusedWithASentence(t *testing.T) {
	for version, want := range map[int]string{9_06_24: "PostgreSQL 9, and 13 or newer", 12_00_18: "PostgreSQL 12, and 13 or newer", 13_00_00: "", 17_00_01: ""} {
		err := judgeServer(version)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d: %v", version, err)
		}
	}
}
