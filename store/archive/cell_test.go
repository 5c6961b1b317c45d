package archive

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
)

// FuzzCell: however a spreadsheet separates lists, no cell of a row begins as a
// formula does, and nothing but apostrophes is added.
func FuzzCell(f *testing.F) {
	for _, text := range []string{"=1", "hi;=cmd|' /C calc'!A0", "a;\"=1\"", "a\n=1", "a;\t =1", "+49 170", "a; b", "plain, -1", "a;\u00a0@x", "\"", ";;=1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		safe := cell(text)
		if strings.ReplaceAll(safe, "'", "") != strings.ReplaceAll(text, "'", "") {
			t.Fatalf("%q became %q", text, safe)
		}
		var row bytes.Buffer
		w := csv.NewWriter(&row)
		if err := w.Write([]string{"1-aaaaaa", safe, "end"}); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		for _, split := range []string{";", "\t", ";\t"} {
			for i, part := range strings.FieldsFunc(row.String(), func(r rune) bool { return r == '\n' || r == '\r' || strings.ContainsRune(split, r) }) {
				if begin := strings.TrimLeft(part, " \u00a0\""); i > 0 && begin != "" && strings.ContainsRune("=+-@", rune(begin[0])) {
					t.Fatalf("%q has a cell %q where lists are separated by %q", row.String(), part, split)
				}
			}
		}
	})
}
