package socketio

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"
)

func TestOffsetsAreToldFromOtherStrings(t *testing.T) {
	tag := tagOf("epoch one")
	for _, n := range []uint64{0, 1, 35, 36, 1 << 40, 1<<64 - 1} {
		s := formatOffset(tag, mark{offset: n})
		if got, ok := parseOffset(s, tag); !ok || got.offset != n || got.check != 0 {
			t.Errorf("%d was written %q and read %d, %v", n, s, got, ok)
		}
		if _, ok := parseOffset(s, tagOf("epoch two")); ok {
			t.Errorf("%q was taken for another epoch", s)
		}
	}
	good := formatOffset(tag, mark{offset: 36})
	for _, s := range []string{"", "~", "hello", good + "!", good[1:], strings.ToUpper(good), strings.Replace(good, ".", ".0", 1), good[:len(good)-2], good + "zzzzzzzzzzzzz", " " + good} {
		if n, ok := parseOffset(s, tag); ok {
			t.Errorf("%q was taken for %+v", s, n)
		}
	}
}

func TestSessionIDsCannotBeForged(t *testing.T) {
	key, tag := []byte("key"), tagOf("e")
	in := ticket{id: newID(), begin: mark{offset: 1 << 33}, issued: time.Unix(1_700_000_000, 0)}
	pid := in.seal(key, "/", tag)
	if out, ok := openTicket(pid, key, "/", tag); !ok || out.id != in.id || out.begin != in.begin || !out.issued.Equal(in.issued) {
		t.Errorf("%+v came back as %+v, %v", in, out, ok)
	}
	for what, ok := range map[string]bool{
		"another key":       isTicket(pid, []byte("other"), "/", tag),
		"another namespace": isTicket(pid, key, "/x", tag),
		"another epoch":     isTicket(pid, key, "/", tagOf("f")),
		"nothing":           isTicket("", key, "/", tag),
		"cut":               isTicket(pid[:len(pid)-1], key, "/", tag),
		"longer":            isTicket(pid+"A", key, "/", tag),
	} {
		if ok {
			t.Errorf("%s was taken", what)
		}
	}
	for i := range pid {
		changed := []byte(pid)
		if changed[i]++; changed[i] == pid[i] {
			continue
		}
		if isTicket(string(changed), key, "/", tag) {
			t.Errorf("%q was taken", changed)
		}
	}
}

func isTicket(pid string, key []byte, nsp string, tag epochTag) bool {
	_, ok := openTicket(pid, key, nsp, tag)
	return ok
}

// Clients keep an entry's check in their offsets while servers are replaced by others of
// another release.
func TestTheCheckOfAnEntryIsTheSameInEveryRelease(t *testing.T) {
	for _, e := range []Entry{
		{},
		{Kind: KindJoin, From: "a b", Namespace: "/", At: time.UnixMilli(-5), Names: []string{"r", "", "\xff\u2028\"\\"}},
		{
			Event: "ü", At: time.UnixMilli(1 << 45), Rooms: []string{"x"}, Except: []string{"y", "z"},
			Args: []json.RawMessage{json.RawMessage(`[1]`), json.RawMessage(`"` + strings.Repeat("long", 200) + `"`)},
		},
	} {
		text := fmt.Sprintf("%d %s %s %d %s %q %q %q\n", e.Kind, e.From, e.Namespace, e.At.UnixMilli(), e.Event, e.Rooms, e.Except, e.Names)
		for _, a := range e.Args {
			text += string(a)
		}
		if want := crc32.ChecksumIEEE([]byte(text))%(checks-1) + 1; checkOf(&e) != want {
			t.Errorf("%+v has the check %d, not %d", e, checkOf(&e), want)
		}
	}
}

// FuzzTokens: of what a client offers to recover with, only what was given out is
// taken, in its one spelling, and all that is given out is taken.
func FuzzTokens(f *testing.F) {
	key, tag := []byte("key"), tagOf("e")
	f.Add(ticket{id: "abc", begin: mark{offset: 5}, issued: time.Unix(1, 0)}.seal(key, "/", tag), formatOffset(tag, mark{offset: 1}), uint64(1<<40), uint32(1<<31), uint(7), byte(1))
	f.Add("AAAA", "~00000000.zz", uint64(0), uint32(0), uint(0), byte(255))
	f.Add("", "hello", uint64(1<<64-1), uint32(1), uint(40), byte(32))
	f.Fuzz(func(t *testing.T, pid, offset string, begin uint64, issued uint32, at uint, change byte) {
		if got, ok := openTicket(pid, key, "/", tag); ok && got.seal(key, "/", tag) != pid {
			t.Fatalf("%q opens as %+v, which is sealed otherwise", pid, got)
		}
		if n, ok := parseOffset(offset, tag); ok && formatOffset(tag, n) != offset {
			t.Fatalf("%q was read as %+v, which is written %q", offset, n, formatOffset(tag, n))
		}
		for _, m := range []mark{{begin, 0}, {begin, 1 + issued%(checks-1)}} {
			if n, ok := parseOffset(formatOffset(tag, m), tag); !ok || n != m {
				t.Fatalf("%+v came back as %+v, %v", m, n, ok)
			}
		}
		given := ticket{id: "i" + offset[:min(len(offset), 50)], begin: mark{begin, issued % checks}, issued: time.Unix(int64(issued), 0)}
		sealed := []byte(given.seal(key, "/", tag))
		if got, ok := openTicket(string(sealed), key, "/", tag); !ok || got != given {
			t.Fatalf("%+v came back as %+v, %v", given, got, ok)
		}
		if change == 0 {
			return
		}
		sealed[at%uint(len(sealed))] ^= change
		if isTicket(string(sealed), key, "/", tag) {
			t.Fatalf("%q was taken", sealed)
		}
	})
}
