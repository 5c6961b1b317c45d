package realtime

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"podium/contest"
	"podium/protocol/engineio"
)

const (
	// passedOn marks a request that another machine of the contest passes on: for
	// whom, when, and a signature of that. A marked one is not passed on again, so
	// that none goes round for ever.
	passedOn = "Podium-Passed-On"
	// passedAge is how old a mark may be: clocks of machines differ.
	passedAge = 5 * time.Minute
	// machinesAge is how long the machines' addresses are taken for what they were.
	machinesAge = 2 * time.Second
	// maxMachines is how many machines are known.
	maxMachines = 100
	// settingMachine begins the names of the settings that hold the addresses of
	// machines, by their ids.
	settingMachine = "machine."
)

// forwarder passes requests for sessions of other machines on to those, so that no
// proxy needs sticky sessions: a session lives in one machine, which its id names, and
// the polls of one client may come to any. Where machines are is a setting of the
// contest that each of them makes as it starts; one that was killed leaves it, and
// whoever would be passed on to it is told that the session is unknown and connects anew.
type forwarder struct {
	contest *contest.Contest
	key     []byte
	now     func() time.Time // the same at all machines, as nearly as can be
	proxy   *httputil.ReverseProxy
	connect *http.Transport

	work sync.WaitGroup

	mu       sync.Mutex // guards what follows
	machines map[string]*url.URL
	read     time.Time     // when they were
	reading  chan struct{} // closed when they have been; nil while nobody reads
}

// newForwarder makes a forwarder. here answers what cannot be passed on.
func newForwarder(c *contest.Contest, key []byte, now func() time.Time, here http.Handler) *forwarder {
	f := &forwarder{contest: c, key: key, now: now, connect: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true,
	}}
	f.proxy = &httputil.ReverseProxy{
		Transport:     f.connect,
		Rewrite:       f.rewrite,
		FlushInterval: -1, // what a poll waits for is sent on as it comes
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, _ error) { here.ServeHTTP(w, r) },
	}
	return f
}

// machineKey is the context key of the machine that a request is passed on to.
type machineKey struct{}

// forward passes r on to the machine of its session, and reports whether it did.
func (f *forwarder) forward(w http.ResponseWriter, r *http.Request, node string) bool {
	to := f.find(node)
	if to == nil {
		return false
	}
	f.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), machineKey{}, to)))
	return true
}

// find returns where a machine is, nil where that is not known. However many ask, the
// store is asked once in a while, and nobody waits for it whose machine is known.
func (f *forwarder) find(node string) *url.URL {
	f.mu.Lock()
	to, reading := f.machines[node], f.reading
	if time.Since(f.read) < machinesAge {
		f.mu.Unlock()
		return to
	}
	if reading == nil {
		reading = make(chan struct{})
		f.reading = reading
		f.work.Go(f.refresh)
	}
	f.mu.Unlock()
	if to != nil {
		return to
	}
	<-reading
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.machines[node]
}

// refresh reads where machines are. Where that fails, what was known holds.
func (f *forwarder) refresh() {
	known, err := f.readMachines()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.machines = known
	}
	f.read = time.Now()
	close(f.reading)
	f.reading = nil
}

func (f *forwarder) readMachines() (map[string]*url.URL, error) {
	names, err := f.contest.SettingNames(settingMachine, maxMachines)
	if err != nil {
		return nil, err
	}
	known := make(map[string]*url.URL, len(names))
	for _, name := range names {
		address, err := f.contest.Setting(name)
		if err != nil {
			return nil, err
		}
		if to, err := url.Parse(string(address)); err == nil && to.Host != "" {
			known[strings.TrimPrefix(name, settingMachine)] = to
		}
	}
	return known, nil
}

// close waits for what is running.
func (f *forwarder) close() {
	f.work.Wait()
	f.connect.CloseIdleConnections()
}

func (f *forwarder) rewrite(p *httputil.ProxyRequest) {
	to, _ := p.In.Context().Value(machineKey{}).(*url.URL)
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = to.Scheme, to.Host, p.In.Host
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
		p.Out.Header[name] = p.In.Header[name] // as they came, for who trusts the proxy that set them
	}
	said := p.In.RemoteAddr + " " + strconv.FormatInt(f.now().Unix(), 10)
	p.Out.Header.Set(passedOn, said+" "+f.sign(said, p.In.URL.RawQuery))
}

// sign authenticates a mark and the request that it is on, by the key that machines
// have in common.
func (f *forwarder) sign(said, query string) string {
	h := hmac.New(sha256.New, f.key)
	h.Write([]byte("podium passed on\x00" + said + "\x00" + query))
	return hex.EncodeToString(h.Sum(nil))
}

// receive gives a request that another machine passed on the address of who sent it
// there, and says whether it is one.
func (f *forwarder) receive(r *http.Request) (*http.Request, bool) {
	words := strings.Fields(r.Header.Get(passedOn))
	if len(words) != 3 {
		return r, false
	}
	at, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil || f.now().Sub(time.Unix(at, 0)).Abs() > passedAge || !hmac.Equal([]byte(words[2]), []byte(f.sign(words[0]+" "+words[1], r.URL.RawQuery))) {
		return r, false
	}
	r = r.Clone(r.Context())
	r.RemoteAddr = words[0]
	return r, true
}

// Register says to the other machines of the contest where this one is, where it has
// an address for them. Shutdown takes that back.
func (rt *Realtime) Register() error { return rt.register([]byte(rt.o.Address)) }

func (rt *Realtime) register(address []byte) error {
	if rt.o.Address == "" {
		return nil
	}
	return rt.o.Contest.SaveSetting(settingMachine+rt.o.NodeID, address)
}

// elsewhere answers a request for a session of another machine, and reports whether it
// did: by passing it on where that machine's address is known, and on Fly by handing
// it to Fly's proxy. One whose machine is gone is answered here: its session is unknown.
func (rt *Realtime) elsewhere(w http.ResponseWriter, r *http.Request) bool {
	if rt.o.NodeID == "" {
		return false
	}
	node := engineio.NodeOf(engineio.SessionID(r))
	if !isNode(node) || node == rt.o.NodeID || replayed(r) {
		return false
	}
	if rt.forwarder.forward(w, r, node) {
		return true
	}
	if rt.o.Address != "" {
		return false // on Fly machines need none
	}
	rt.limitBody(w, r)
	w.Header().Set("Fly-Replay", "instance="+node+";timeout=5s;fallback=force_self")
	w.WriteHeader(http.StatusConflict)
	return true
}
