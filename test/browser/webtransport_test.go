package browser

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/webtransport"
	"podium/test/harness"
)

// certificate is one for loopback that Chromium takes for WebTransport by its hash: of an
// ECDSA key, and valid for less than two weeks.
type certificate struct {
	tls.Certificate
	hash string // of the certificate (SHA-256, base64), for serverCertificateHashes
	spki string // of its key, for the flag that has TCP trust it
}

func newCertificate(t *testing.T) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "podium test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	hash, spki := sha256.Sum256(der), sha256.Sum256(public)
	return certificate{
		Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		hash:        base64.StdEncoding.EncodeToString(hash[:]),
		spki:        base64.StdEncoding.EncodeToString(spki[:]),
	}
}

// files writes the certificate and its key.
func (c certificate) files(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// openTrusting opens a page in a Chromium of its own, which trusts the certificate over TCP.
func openTrusting(t *testing.T, c certificate, url string) *window {
	t.Helper()
	tb := &window{t: t, ctx: startOwn(t, chromiumPath(), chromedp.Flag("ignore-certificate-errors-spki-list", c.spki))}
	tb.run(chromedp.Navigate(url))
	return tb
}

// withClient evaluates the body of an async function to which io is the official client,
// options what has it trust the certificate, and once(emitter, event) a promise.
func withClient[T any](tb *window, c certificate, body string) T {
	tb.t.Helper()
	promise := `(async () => {
		const { io } = await import("/socket.io/socket.io.esm.min.js");
		const value = Uint8Array.from(atob("` + c.hash + `"), (c) => c.charCodeAt(0));
		const options = { forceNew: true, transportOptions: { webtransport: { serverCertificateHashes: [{ algorithm: "sha-256", value }] } } };
		const once = (from, event) => new Promise((resolve, reject) => {
			from.once(event, (...args) => resolve(args[0]));
			setTimeout(() => reject(new Error("no " + event)), 20000);
		});
		` + body + `
	})()`
	kept := "window.answer"
	tb.run(evaluated(kept + ` = undefined; ` + promise + `.then((v) => { ` + kept + ` = JSON.stringify({ v }); }, (e) => { ` + kept + ` = JSON.stringify({ error: String(e) }); })`))
	var answer struct {
		V     T
		Error string
	}
	harness.Eventually(tb.t, "the page to answer", func() bool {
		text := eval[string](tb, kept+` ?? ""`)
		return text != "" && json.Unmarshal([]byte(text), &answer) == nil
	})
	if answer.Error != "" {
		tb.t.Fatal(answer.Error)
	}
	return answer.V
}

// evaluated runs a script and waits for nothing.
func evaluated(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("("+"() => { "+script+"; return true; })()"))
		return err
	})
}

// served is a Socket.IO server over TCP and UDP at one port, with the official client.
func served(t *testing.T, c certificate, transports ...string) (server *socketio.Server, url string) {
	t.Helper()
	server = socketio.NewServer(socketio.Options{Engine: engineio.Options{Transports: transports, PingInterval: 300 * time.Millisecond, PingTimeout: 5 * time.Second}})
	server.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") == "websocket" {
				// The client gives WebTransport a head start of 200 ms, which is not enough on a busy machine.
				harness.WaitFor(harness.Patience/3, r.Context().Done())
			}
			next.ServeHTTP(w, r)
		})
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!doctype html><title>page</title>")
	})
	mux.HandleFunc("/socket.io/socket.io.esm.min.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "node_modules/socket.io-client/dist/socket.io.esm.min.js")
	})
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{c.Certificate}}
	quic := webtransport.NewServer(webtransport.Options{Handler: mux, TLS: config})
	over := &http.Server{Handler: mux, TLSConfig: config, ReadHeaderTimeout: harness.Patience}
	ended := make(chan error, 2)
	go func() { ended <- quic.Serve(udp) }()
	go func() { ended <- over.ServeTLS(tcp, "", "") }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
		defer cancel()
		if err := errors.Join(server.Shutdown(ctx), quic.Shutdown(ctx), over.Close()); err != nil {
			t.Error(err)
		}
		<-ended
		<-ended
	})
	return server, "https://" + tcp.Addr().String()
}

func needClient(t *testing.T) {
	t.Helper()
	_, err := os.Stat("node_modules/socket.io-client/dist/socket.io.esm.min.js")
	harness.Need(t, err == nil, "the official client")
}

// The official client in Chromium: it begins with WebTransport, or comes to it from
// polling, also where WebSocket is offered beside it; text and binary both ways,
// acknowledgements, heartbeats, and either end closing.
func TestTheOfficialClientOverWebTransport(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := newCertificate(t)
	server, url := served(t, c, "polling", "websocket", "webtransport")
	socketio.OnAck(server, "echo", func(_ *socketio.Socket, v any) (any, error) { return v, nil })
	socketio.OnAck(server, "double", func(_ *socketio.Socket, b []byte) ([]byte, error) { return slices.Concat(b, b), nil })
	server.OnConnection(func(s *socketio.Socket) { _ = s.Emit("hello", "wörld") })
	socketio.OnEvent(server, "kick", func(e *socketio.Event) { e.Socket.Disconnect(true) })
	page := openTrusting(t, c, url)

	const use = `
		const engine = socket.io.engine;
		if (engine.transport.name !== "webtransport" && !(await once(engine, "upgrade"))) throw new Error("no upgrade");
		const text = await socket.emitWithAck("echo", "ü".repeat(40000));
		const bytes = new Uint8Array(await socket.emitWithAck("double", new Uint8Array(70000).fill(7)));
		const before = socket.id;
		let pings = 0;
		engine.on("ping", () => pings++);
		while (pings < 3) await once(engine, "ping");
		const reason = once(socket, "disconnect");
		socket.emit("kick");
		return [engine.transport.name, await hello, String(text.length), String(bytes.length) + bytes[139999], String(before === socket.id || socket.id === undefined), await reason];
	`
	for name, transports := range map[string]string{
		"from the first": `["webtransport"]`, "from polling": `["polling", "webtransport"]`, "from polling, beside WebSocket": `["polling", "websocket", "webtransport"]`,
	} {
		t.Run(name, func(t *testing.T) {
			page := &window{t: t, ctx: page.ctx}
			got := withClient[[]string](page, c, `
				const socket = io({ ...options, transports: `+transports+` });
				const hello = once(socket, "hello");
				await once(socket, "connect");`+use)
			want := []string{"webtransport", "wörld", "40000", "1400007", "true", "io server disconnect"}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("the client closes", func(t *testing.T) {
		left := make(chan socketio.Reason, 10)
		server.Of("/").OnDisconnect(func(_ *socketio.Socket, r socketio.Reason) { left <- r })
		page := &window{t: t, ctx: page.ctx}
		withClient[bool](page, c, `const socket = io({ ...options, transports: ["webtransport"] }); await once(socket, "connect"); socket.io.engine.close(); return true;`)
		select {
		case r := <-left:
			if r != "transport close" {
				t.Errorf("the server saw %q", r)
			}
		case <-time.After(harness.Patience):
			t.Error("the server did not see it")
		}
	})
}

// podium serve offers WebTransport where it is told to, and clients that lose the server
// recover over it.
func TestPodiumServesWebTransport(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := newCertificate(t)
	cert, key := c.files(t)
	p := &harness.Program{T: t, Data: t.TempDir(), Port: harness.FreePort(t), Args: []string{"--tls-cert", cert, "--tls-key", key, "--transports", "polling,websocket,webtransport"}}
	p.URL = "https://127.0.0.1:" + p.Port
	p.Run()
	t.Cleanup(func() { p.Signal(syscall.SIGKILL) })
	ready := func() bool { return strings.Contains(p.Log.String(), "Podium is ready") }
	harness.Eventually(t, "podium to be ready", ready)
	page := openTrusting(t, c, p.URL+"/")
	got := withClient[string](page, c, `
		window.socket = io({ ...options, transports: ["polling", "webtransport"] });
		window.told = [];
		socket.io.on("reconnect_attempt", () => told.push("attempt"));
		socket.io.on("open", () => {
			told.push("open");
			socket.io.engine.on("upgradeError", (e) => told.push(String(e)));
			socket.io.engine.on("upgrade", (to) => told.push("upgraded to " + to.name));
		});
		await once(socket, "connect");
		if (socket.io.engine.transport.name !== "webtransport") await once(socket.io.engine, "upgrade");
		return socket.io.engine.transport.name;`)
	if got != "webtransport" {
		t.Errorf("the transport is %s", got)
	}
	event := `(() => { window.heard = ""; socket.once("newSubmission", (s) => { window.heard = s.caption; }); return true; })()`
	eval[bool](page, event)
	submit := `fetch("/api/submit", { method: "POST", body: (() => { const f = new FormData(); f.set("category", "best"); f.set("caption", "over QUIC"); f.set("name", "Ann"); f.set("phone", "0170 1"); return f; })() })`
	page.run(evaluated(submit))
	harness.Eventually(t, "the event", func() bool { return eval[string](page, "window.heard") == "over QUIC" })

	p.Signal(syscall.SIGTERM) // QUIC is closed with the rest, within the time of a stop
	if !strings.Contains(p.Log.String(), "stopped") {
		t.Errorf("podium says\n%s", p.Log)
	}
	p.Run()
	harness.Eventually(t, "podium to be ready again", ready)
	defer func() { t.Log(eval[string](page, `socket.recovered + ": " + told.join(", ")`)) }()
	harness.Eventually(t, "the client to come back over WebTransport and to have recovered", func() bool {
		return eval[string](page, `socket.connected && socket.recovered ? socket.io.engine.transport.name : ""`) == "webtransport"
	})
}
