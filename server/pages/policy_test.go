package pages

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// policyOf is the policy of a page, by directive.
func policyOf(t *testing.T, files map[string]string, target string) map[string]string {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	w := get(handler(New(tree, "", Origin{}).Serve), target)
	if w.Code != 200 {
		t.Fatalf("%s: %d", target, w.Code)
	}
	return directives(t, w.Header().Get("Content-Security-Policy"))
}

func directives(t *testing.T, policy string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for part := range strings.SplitSeq(policy, "; ") {
		name, sources, _ := strings.Cut(part, " ")
		if _, twice := all[name]; twice {
			t.Errorf("%s stands twice in %s", name, policy)
		}
		all[name] = sources
	}
	return all
}

func TestPolicyAllowsWhatThePageHolds(t *testing.T) {
	const self = "'self'"
	handler := "'unsafe-hashes' " + hashSource("go()")
	tests := []struct {
		name, page string
		others     map[string]string
		want       map[string]string
	}{
		{"nothing", "<p>text", nil, map[string]string{"default-src": self, "script-src": self, "script-src-attr": "'none'", "style-src": self,
			"style-src-attr": "'none'", "object-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
			"frame-src": "'none'", "img-src": "'self' data: blob: https://res.cloudinary.com",
			"connect-src": "'self' ws://contest.test wss://contest.test"}},
		{"inline blocks", "<script>a()</script><style>b{}</style>", nil, map[string]string{
			"script-src": self + " " + hashSource("a()"), "style-src": self + " " + hashSource("b{}")}},
		{"line ends as browsers see them", "<script>\r\na()\r\n</script>", nil, map[string]string{"script-src": self + " " + hashSource("\na()\n")}},
		{"data is no script", `<script type="application/json">{"a":1}</script>`, nil, map[string]string{"script-src": self}},
		{"handlers in the file", `<b onclick="go()">`, nil, map[string]string{"script-src": self + " " + handler, "script-src-attr": handler}},
		{"handlers that a script builds", "<script>e.innerHTML = `<b onclick=\"go('${id}')\">`</script>", nil, map[string]string{
			"script-src-attr": "'unsafe-inline'",
			"script-src-elem": self + " " + hashSource("e.innerHTML = `<b onclick=\"go('${id}')\">`"),
			"script-src":      self + " 'unsafe-inline'"}},
		{"handlers that a script file builds", "<script src=js/a.js></script>", map[string]string{"js/a.js": `import "./b.js"`, "js/b.js": `s = '<a onclick=\'x(1)\'>'`},
			map[string]string{"script-src-attr": "'unsafe-inline'", "script-src-elem": self}},
		{"properties are no attributes", "<script>a.onclick = f; b.onload=function(){}; if (only == 'x') {}; w.onclick=\"\"</script>", nil, map[string]string{"script-src-attr": "'none'"}},
		{"styles that a script builds", "<script>e.innerHTML = '<i style=\"color:red\">'</script><i style='a:b'>", nil, map[string]string{
			"style-src-attr": "'unsafe-inline'", "style-src-elem": self}},
		{"style attributes in the file", "<i style='a:b'>", nil, map[string]string{"style-src-attr": "'unsafe-hashes' " + hashSource("a:b")}},
		{"style elements that a script makes", "<style>a{}</style><script>document.createElement('style')</script>", nil, map[string]string{
			"style-src-elem": self + " 'unsafe-inline'", "style-src-attr": "'none'"}},
		{"files of others", `<script src="https://cdn.socket.io/4.7.2/socket.io.min.js"></script><link rel=stylesheet href="https://fonts.googleapis.com/css2?family=A"><img src="https://pics.example/a.png"><img srcset="//more.example/b.png 2x">`, nil,
			map[string]string{"script-src": self + " https://cdn.socket.io/4.7.2/socket.io.min.js", "style-src": self + " https://fonts.googleapis.com/css2",
				"font-src": "'self' data: https://fonts.googleapis.com https://fonts.gstatic.com",
				"img-src":  "'self' data: blob: https://fonts.googleapis.com https://pics.example https://res.cloudinary.com more.example"}},
		{"scripts of others may style", `<script src="https://cdn.example/lib.js"></script>`, nil, map[string]string{
			"script-src": self + " https://cdn.example/lib.js", "style-src-elem": self + " 'unsafe-inline'", "script-src-attr": "'none'"}},
		{"connections", `<script>const s = io("https://api.example:8443"); fetch('/x'); new WebSocket("wss://w.example/a")</script>`, nil, map[string]string{
			"connect-src": "'self' https://api.example:8443 wss://api.example:8443 wss://w.example ws://contest.test wss://contest.test"}},
		{"forms", `<form action="https://pay.example/now">`, nil, map[string]string{"form-action": "'self' https://pay.example"}},
		{"base", `<base href="/sub/"><script src="a.js"></script>`, map[string]string{"sub/a.js": "x='<b onclick=\"y\">'"}, map[string]string{
			"base-uri": self, "script-src-attr": "'unsafe-inline'"}},
		{"code from text", `<script>eval("1")</script>`, nil, map[string]string{"script-src": self + " " + hashSource(`eval("1")`) + " 'unsafe-eval'"}},
		{"style sheets of this server", `<link rel=stylesheet href=a.css>`, map[string]string{"a.css": `@import "b.css"; a{background:url(https://x.example/i.png)}`,
			"b.css": `@font-face{src:url('https://f.example/f.woff2')}`}, map[string]string{"font-src": "'self' data: https://f.example",
			"img-src": "'self' data: blob: https://res.cloudinary.com https://x.example"}},
		{"addresses can't end a directive", `<script src="https://cdn.example/a;script-src *,b.js"></script><img src="https://x;script-src%20*/">`, nil, map[string]string{
			"script-src": self + " https://cdn.example/a%3Bscript-src%20%2A%2Cb.js"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"index.html": test.page}
			for name, text := range test.others {
				files[name] = text
			}
			got := policyOf(t, files, "/")
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s\n got %s\nwant %s", name, got[name], want)
				}
			}
		})
	}
}

func TestPolicyOfThePagesInTheOldManner(t *testing.T) {
	p := handler(New(os.DirFS("../../test/testdata/oldpages"), "", Origin{}).Serve)
	admin := directives(t, get(p, "/admin").Header().Get("Content-Security-Policy"))
	if admin["script-src-attr"] != "'unsafe-inline'" || strings.Contains(admin["script-src-elem"], "unsafe-inline") {
		t.Errorf("admin page: %v", admin)
	}
	winners := directives(t, get(p, "/winners.html").Header().Get("Content-Security-Policy"))
	if strings.Contains(winners["script-src"], "unsafe-inline") || winners["script-src-attr"] == "'unsafe-inline'" {
		t.Errorf("the winners page builds no handlers: %v", winners)
	}
	other := directives(t, get(p, "/cdn.html").Header().Get("Content-Security-Policy"))
	if !strings.Contains(other["script-src"], " https://cdn.socket.io/4.7.2/socket.io.min.js") || strings.Contains(other["script-src"], "https://cdn.socket.io ") {
		t.Errorf("the page with a CDN: %v", other)
	}
}

func TestPolicyIgnoresAHostThatCannotStandInIt(t *testing.T) {
	rule := &pageRule{before: "connect-src 'self'"}
	for _, host := range []string{"", "a b", "x;script-src *", "[::1]:3000", "a,b"} {
		if got := rule.header(host); got != "connect-src 'self'" {
			t.Errorf("%q: %s", host, got)
		}
	}
}

// FuzzPolicy: no page can write its own directive.
func FuzzPolicy(f *testing.F) {
	f.Add(`<script src="https://a.example/x;y"></script>`)
	f.Add(`<img src="https://a;b/"><base href="//x y/"><link rel=stylesheet href="https://q,r/s">`)
	f.Add(`<form action="https://a.example/;script-src *">`)
	f.Add("<script>import 'https://a.example/;script-src *'</script><a style=\"background:url(//x;y)\" onclick=z>")
	f.Fuzz(func(t *testing.T, page string) {
		s := scanner{base: "/", seen: map[string]bool{}}
		s.page([]byte(page))
		known := map[string]bool{"default-src": true, "script-src": true, "script-src-elem": true, "script-src-attr": true, "style-src": true,
			"style-src-elem": true, "style-src-attr": true, "img-src": true, "media-src": true, "font-src": true, "frame-src": true,
			"worker-src": true, "object-src": true, "base-uri": true, "frame-ancestors": true, "form-action": true, "connect-src": true}
		policy := s.found.rule().header("contest.test")
		if strings.ContainsAny(policy, ",\r\n\x00") {
			t.Errorf("%q holds a separator", policy)
		}
		for name := range directives(t, policy) {
			if !known[name] {
				t.Errorf("the page wrote the directive %q", name)
			}
		}
		for part := range strings.SplitSeq(policy, "; ") {
			if strings.Contains(part, " *") {
				t.Errorf("the page allowed everything: %s", part)
			}
		}
	})
}
