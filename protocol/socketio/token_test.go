package socketio

import (
	"strings"
	"testing"
	"time"
)

func TestOffsetsAreToldFromOtherStrings(t *testing.T) {
	tag := tagOf("epoch one")
	for _, n := range []uint64{0, 1, 35, 36, 1 << 40, 1<<64 - 1} {
		s := formatOffset(tag, n)
		if got, ok := parseOffset(s, tag); !ok || got != n {
			t.Errorf("%d was written %q and read %d, %v", n, s, got, ok)
		}
		if _, ok := parseOffset(s, tagOf("epoch two")); ok {
			t.Errorf("%q was taken for another epoch", s)
		}
	}
	good := formatOffset(tag, 36)
	for _, s := range []string{"", "~", "hello", good + "!", good[1:], strings.ToUpper(good), strings.Replace(good, ".", ".0", 1), good[:len(good)-2], good + "zzzzzzzzzzzzz", " " + good} {
		if n, ok := parseOffset(s, tag); ok {
			t.Errorf("%q was taken for offset %d", s, n)
		}
	}
}

func TestSessionIDsCannotBeForged(t *testing.T) {
	key, tag := []byte("key"), tagOf("e")
	in := ticket{id: newID(), begin: 1 << 33, issued: time.Unix(1_700_000_000, 0)}
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

func FuzzParseOffset(f *testing.F) {
	tag := tagOf("e")
	f.Add(formatOffset(tag, 1))
	f.Add("~00000000.zz")
	f.Add("hello")
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := parseOffset(s, tag); ok && formatOffset(tag, n) != s {
			t.Fatalf("%q was read as %d, which is written %q", s, n, formatOffset(tag, n))
		}
	})
}

func FuzzOpenTicket(f *testing.F) {
	key, tag := []byte("key"), tagOf("e")
	f.Add(ticket{id: "abc", begin: 5, issued: time.Unix(1, 0)}.seal(key, "/", tag))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, pid string) {
		if tk, ok := openTicket(pid, key, "/", tag); ok && tk.seal(key, "/", tag) != pid {
			t.Fatalf("%q opens as %+v, which is sealed otherwise", pid, tk)
		}
	})
}
